from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.model.priors import parse_prior
from alliance_bayes.report.figures import Panel, _title, prior_panels
from alliance_bayes.report.modelling import _CHARACTER, _INSIDE, _LEFT, _LINE, Node, _height, _written, prior_density

LAWS: dict[str, Any] = {
    "Normal(-3, 10)": stats.norm(-3, 10),
    "StudentT(4, 2, 5)": stats.t(4, 2, 5),
    "HalfNormal(5)": stats.halfnorm(scale=5),
    "Exponential(0.2)": stats.expon(scale=5),
    "Gamma(2, 0.1)": stats.gamma(2, scale=10),
}


@pytest.mark.parametrize("text", LAWS)
def test_densities_are_those_of_the_distributions_and_the_distance_holds_most_of_them(text: str) -> None:
    law, x = LAWS[text], np.linspace(-40, 90, 261)
    density, centre, spread = prior_density(parse_prior(text)) or pytest.fail("no density")
    np.testing.assert_allclose(density(x), law.pdf(x), rtol=1e-12, atol=1e-300)
    assert law.cdf(centre + spread) == pytest.approx(0.985)


def test_a_half_t_has_twice_the_density_of_a_t() -> None:
    density, centre, spread = prior_density(parse_prior("HalfStudentT(3, 2)")) or pytest.fail("no density")
    np.testing.assert_allclose(density(np.array([-1.0, 0.0, 4.0])), [0, *(2 * stats.t(3, 0, 2).pdf([0.0, 4.0]))])
    assert (centre, 2 * stats.t(3, 0, 2).cdf(spread) - 1) == (0, pytest.approx(0.98))


@pytest.mark.parametrize("text", ["LKJ(2)"])
def test_distributions_of_several_numbers_have_none(text: str) -> None:
    assert prior_density(parse_prior(text)) is None


def test_long_names_are_wrapped_in_the_graph_and_above_panels() -> None:
    long = "how often somebody was seen in the first three months"
    node = Node(long, (f"SD of slopes of {long} ~ HalfNormal(2.5)",), 12, "expectation")
    head, lines = _written(node)
    # No letter is lost, and no line is longer than its box.
    assert " ".join(head) == f"{long} · 12 levels"
    assert " ".join(line.strip() for line in lines) == node.lines[0]
    assert max(map(len, lines)) * _CHARACTER <= _LEFT - 0.3
    assert _height(node) == pytest.approx(_LINE * (len(head) + len(lines)) + 2 * _INSIDE)  # rounding only
    panel = Panel(f"slope: {long}", stats.norm.pdf, np.zeros(3), False, 1.0, 0.0)
    plain = Panel("slope: age", stats.norm.pdf, np.zeros(3), False, 1.0, 0.0)
    assert " ".join(_title(panel)) == panel.title
    assert len(_title(panel)) > 1
    assert prior_panels([plain, panel])[1][1] > prior_panels([plain, plain])[1][1]
