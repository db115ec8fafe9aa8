"""The section on variance: it speaks of what the model has, and of no covariance between one part and nothing."""

from __future__ import annotations

import pytest

from builders import fitted, of_family, rendered, rows
from report.test_report_page import parsed

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize(
    ("terms", "parts", "correlations", "words"),
    [
        ("", ["predictors (common terms)"], [], ()),
        (" + (1 | sex)", ["predictors (common terms)", "sex"], [], ("each grouping factor", "covariance")),
        (
            " + (1 | sex) + (1 | country)",
            ["predictors (common terms)", "sex", "country"],
            ["country"],
            ("each grouping factor", "covariance", "intraclass correlation", "exhaustive factors"),
        ),
        (
            " + (1 | country)",
            ["predictors (common terms)", "country"],
            ["country"],
            ("each grouping factor", "covariance", "intraclass correlation"),
        ),
    ],
)
def test_what_is_said_is_in_the_table(terms: str, parts: list[str], correlations: list[str], words: tuple[str]) -> None:
    fit = fitted(
        rows(120),
        formula=f"who5_followup ~ alliance{terms}",
        draws=1000,
        spec={"exhaustive": ("sex",) if "sex" in terms else ()},
    )

    page = parsed(rendered(fit, sections=["variance"]).html)

    section = page.by_id("variance")
    _, *lines = page.by_id("table-variance").all("tr")
    listed = [line.all("th", "td")[0].text for line in lines]
    shares = [name.removeprefix("Share: ") for name in listed if name.startswith("Share: ")]
    covariance = ["covariance between the parts"] if len(parts) > 1 else []
    assert shares == [*parts, *covariance, "not explained (residual)"]
    assert [name.partition(": ")[2] for name in listed if name.startswith("Intraclass")] == correlations
    said = next(one.text for one in section.all("p") if "The Bayesian R² is" in one.text).casefold()
    every = ("each grouping factor", "covariance", "intraclass correlation", "exhaustive factors")
    assert tuple(one for one in every if one in said) == words


@pytest.mark.parametrize(("family", "apart"), [("gaussian", False), ("bernoulli", True), ("binomial", True)])
def test_a_partition_on_another_scale_than_r2_says_so(family: str, apart: bool) -> None:
    frame, options = of_family(rows(), family)
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", means={"beta": 0.2}, spec=options)
    said = parsed(rendered(fit, sections=["variance"]).html).by_id("variance").text
    assert ("what it leaves is not what R² leaves" in said) == apart
    assert ("as if of single trials" in said) == (family == "binomial")


@pytest.mark.parametrize(("nu", "share"), [(1.2, "100.0%"), (30.0, "")])
def test_what_is_explained_of_a_variance_without_end_is_said_to_be_so(nu: float, share: str) -> None:
    means, sds = {"nu": nu, "sigma": 10.0}, {"nu": 0.001}
    fit = fitted(rows(120), formula="who5_followup ~ alliance", means=means, sds=sds, spec={"family": "student_t"})
    said = parsed(rendered(fit).html).by_id("findings").text
    infinite = f"residual variance is infinite (nu <= 2) in {share} of the draws, which count as 0."
    assert "of the variance of the outcome" in said
    assert (infinite in said) == (nu < 2)
    assert ("is infinite" in said) == (nu < 2)
