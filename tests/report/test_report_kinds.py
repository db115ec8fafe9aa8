"""Whole pages of unlike studies: few and many countries, few people, moments, a closed gate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from alliance_bayes.checks import CheckReport, Gate
from alliance_bayes.fit import FittedModel
from alliance_bayes.moments import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from alliance_bayes.report import SECTIONS, Rendered
from alliance_bayes.report.page import faults, read_manifest, rows_by_id
from builders import OUTCOME_FORMULA, fitted, rendered, rows
from report.test_report_page import parsed

# A page of each kind of model, which takes seconds.
pytestmark = pytest.mark.slow


def of_moments() -> FittedModel:
    fit = fitted(rows(240), draws=1000)
    design, moments = design_of_moments(moments_of(fit.design, spec=fit.spec), fit.spec)
    return replace(fit, design=design, moments=moments)


KINDS: dict[str, Callable[[], FittedModel]] = {
    "two countries": lambda: fitted(rows(300, countries=2), draws=1000),
    "200 countries": lambda: fitted(rows(3000, countries=200), draws=500),
    "40 people": lambda: fitted(rows(40, countries=3), draws=1000),
    "moments": of_moments,
    "closed gate": lambda: fitted(rows(300), draws=1000, divergences=2),
}
#: Sections that some studies have nothing for.
ABSENT = {
    "moments": {"endpoints", "overlap"},
    "closed gate": {"endpoints", "confounding", "overlap"},
    "40 people": {"overlap"},
}


@pytest.fixture(scope="module", params=list(KINDS))
def made(request: pytest.FixtureRequest) -> tuple[str, Rendered]:
    return request.param, rendered(KINDS[request.param]())


def test_every_section_is_there_and_every_id_once(made: tuple[str, Rendered]) -> None:
    kind, report = made
    page = parsed(report.html)
    ids = Counter(node.attributes["id"] for node in page.all() if node.attributes.get("id"))
    assert [name for name, times in ids.items() if times > 1] == []
    # None of them says why it has its covariates, and none has imputed values.
    absent = {"adjustment", "missing"} | ABSENT.get(kind, set())
    assert [name for name in SECTIONS if name not in ids] == [name for name in SECTIONS if name in absent]
    for link in page.all("a"):
        assert link.attributes["href"][1:] in ids or not link.attributes["href"].startswith("#")


def test_page_and_manifest_belong_together_and_are_small(made: tuple[str, Rendered]) -> None:
    kind, report = made
    manifest = read_manifest(report.html, name=kind)
    assert faults(report.html, manifest) == []
    assert manifest["withheld"] is report.withheld is (kind == "closed gate")
    assert (manifest["rows"] is None) is report.withheld
    # The promise is 3 MB for the demonstration, which has 40 countries and all their pairs.
    assert len(report.html.encode()) < 3_000_000


def test_every_number_of_the_json_is_in_the_manifest_with_its_error(made: tuple[str, Rendered]) -> None:
    kind, report = made
    if report.withheld:
        assert report.numbers["effects"] is None
        return
    listed = rows_by_id(read_manifest(report.html, name=kind))
    effects = {row["id"]: row for row in report.numbers["effects"]}
    own_rows = ("endpoints", "confounding")
    more = {f"{name}/{row['id']}": row for name in own_rows for row in report.numbers.get(name, [])}
    # The answer's own rows are told of in its sentence.
    own = {name for name in listed if name.startswith("answer/")}
    assert own <= set(report.numbers["answer"]["rows"])
    assert set(listed) - own == set(effects) | set(more)
    for name, row in (effects | more).items():
        for figure in ("mean", "sd", "lower", "upper", "mcse_mean", "p_rope"):
            value = listed[name][figure]
            assert (value is None) == (row[figure] is None)
            if value is not None:
                # Nine digits are kept.
                np.testing.assert_allclose(value, row[figure], rtol=1e-8)


def test_every_figure_has_its_data(made: tuple[str, Rendered]) -> None:
    for figure in parsed(made[1].html).all("figure"):
        assert figure.all("svg", "img")
        # What was observed beside a curve is a table of its own; a long one is there in part and as a whole.
        first, *more = [table.attributes["id"] for table in figure.all("table")]
        assert set(more) <= {f"{first}-all", first.replace("-data", "-observed")}


def test_few_people_are_nowhere_counted(made: tuple[str, Rendered]) -> None:
    """Table 1 and the tables of groups: no whole number from 1 to 9 in a column of people."""
    for table in parsed(made[1].html).all("table"):
        head, *body = [[cell.text for cell in line.all("th", "td")] for line in table.all("tr")]
        for place, heading in enumerate(head):
            if re.match(r"People|n\b|coach|therapist|both|Overall", heading):
                counts = [cell[place] for cell in body if re.fullmatch(r"[1-9]( \(.*\))?", cell[place])]
                assert counts == [], heading


def test_the_formula_is_that_of_the_demonstration(made: tuple[str, Rendered]) -> None:
    assert made[1].numbers["meta"]["formula"] == OUTCOME_FORMULA


def test_a_step_of_one_sd_is_told_from_a_contrast_of_low_and_high() -> None:
    """Of the same rows: what is negligible for a step need not be between the percentiles, which are further apart."""
    fit = fitted(rows(240), means={"beta": [50.0, 2.2, 0.0, 0.0, 0.0]}, sds={"beta": 0.05}, draws=400)
    design, moments = design_of_moments(moments_of(fit.design, spec=fit.spec), fit.spec)
    passed = CheckReport((), Gate(True, ()))
    ratings, cells = fit.design.frame["alliance"].to_numpy(float), []
    for one in (fit, replace(fit, design=design, moments=moments)):
        page = parsed(rendered(one, sections=["effects"], checks=passed).html)
        cells.append([cell.text for cell in page.by_id("table-summary").all("tr")[1].all("th", "td")][-1])
        section = page.by_id("effects").text
        assert ("a step of one SD of alliance" in section) is (one is not fit)
        assert ("a low and a high alliance; the other rows" in section) is (one is fit)
        assert "(ROPE) is ±2 WHO-5 points" in section
    sd, span = ratings.std(ddof=1), float(np.diff(np.quantile(ratings, (0.1, 0.9)))[0])
    assert 2.2 * sd < 2 < 2.2 * span
    assert cells[0].endswith("; more than negligible, short of relevant")
    assert cells[1].endswith("; negligible for one SD")
    assert f"with alliance one SD ({sd:.3g}) higher than with it as it is: by " in page.by_id("findings").text
