"""What a reader may trip over: headings without content, plurals of one, verdicts that rest on bad draws."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from alliance_bayes.checks import CHECKS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from builders import fitted, of_family, rendered, rows
from report.test_report_page import parsed

#: Things that pages count.
COUNTED = "boxes|rows|people|participants|levels|draws|chains|quantities|checks|groups|figures|tables|models|values"


def event() -> FittedModel:
    frame, options = of_family(rows(300), "bernoulli")
    formula = "who5_followup ~ alliance + who5_baseline"
    return fitted(frame, formula=formula, spec=options, draws=1000, means={"beta": 0.01}, sds={"beta": 0.005})


def arms() -> FittedModel:
    frame = rows(300).assign(treated=np.arange(300) % 2.0)
    formula = "who5_followup ~ treated + who5_baseline + (1 | provider_type)"
    return fitted(frame, formula=formula, spec={"focal": "treated"}, draws=1000)


KINDS: dict[str, Callable[[], FittedModel]] = {
    "an event": event,
    "arms": arms,
    "an outcome without a scale": lambda: fitted(
        rows(300).rename(columns={"who5_followup": "gad7_t2"}),
        formula="gad7_t2 ~ alliance + who5_baseline + (alliance || sex)",
        draws=1000,
    ),
    "withheld": lambda: fitted(rows(300), draws=1000, divergences=2),
    "one moved group": lambda: fitted(
        rows(300), formula="who5_followup ~ alliance + (1 | sex)", draws=1000, means={"u_sex": 0.0}, sds={"u_sex": 1e-4}
    ),
}


@pytest.fixture(scope="module", params=list(KINDS))
def made(request: pytest.FixtureRequest) -> tuple[str, Rendered]:
    return request.param, rendered(KINDS[request.param]())


@pytest.mark.slow
def test_no_heading_and_no_list_is_without_content(made: tuple[str, Rendered]) -> None:
    body = made[1].html.partition("<body")[2]
    assert not re.search(r"<(ul|ol|dl|tbody)[^>]*>\s*</\1>", body)
    # Of the same level or a higher one: a section may begin with a heading of its first part.
    for level in (2, 3, 4):
        higher = "".join(str(n) for n in range(1, level + 1))
        found = re.findall(rf"<h{level}[^>]*>(.*?)</h{level}>\s*(?:</\w+>\s*)*<h[{higher}]\b", body, flags=re.DOTALL)
        assert found == []


@pytest.mark.slow
def test_one_of_anything_is_no_plural(made: tuple[str, Rendered]) -> None:
    texts = [
        node.text for node in parsed(made[1].html).all("p", "li", "figcaption", "desc", "summary", "td", "caption")
    ]
    assert not [text for text in texts if re.search(rf"(?<![\d.,] )(?<![\w.,])1 (?:{COUNTED})\b", text)]


def test_a_check_of_bad_draws_neither_passes_nor_fails(made: tuple[str, Rendered]) -> None:
    kind, report = made
    verdicts = {check["name"]: check["verdict"] for check in report.numbers["checks"]}
    resting = {name for name in verdicts if CHECKS[name].holds_estimates}
    assert resting
    if kind != "withheld":
        assert "withheld" not in verdicts.values()
        return
    assert {verdicts[name] for name in resting} == {"withheld"}
    assert {name for name in verdicts if name not in resting} == {"convergence", "prior_predictive", "copies", "absent"}
    assert verdicts["convergence"] == "fail"
    shown = [node.text for node in parsed(report.html).all("span") if "verdict" in node.attributes.get("class", "")]
    # At a glance and above each of them.
    assert sum("withheld" in text for text in shown) == 2 * len(resting)
    assert not [name for name in report.numbers["limitations"]["checks"] if name in resting]


def test_the_share_of_an_event_is_at_no_ceiling(made: tuple[str, Rendered]) -> None:
    assert ("share with the event" in made[1].html) is (made[0] == "an event")
    assert made[0] != "an event" or "at ceiling" not in made[1].html.partition("<body")[2]


def test_captions_headings_and_descriptions_have_no_name_of_a_column(made: tuple[str, Rendered]) -> None:
    tree = parsed(made[1].html)
    named = [node.text for node in tree.all("p") if "tablename" in node.attributes.get("class", "")]
    texts = [*named, *(node.text for node in tree.all("figcaption", "desc", "title", "summary", "h2", "h3"))]
    assert not [text for text in texts if re.search(r"[a-z0-9]_[a-z0-9]", text)]


def test_a_group_that_is_moved_by_less_than_is_printed_is_not_told_as_moved(made: tuple[str, Rendered]) -> None:
    found = re.findall(r"The furthest moved is .*?, from (\S+) to (\S+)\.", made[1].html)
    assert all(own != pooled for own, pooled in found)


def test_one_difference_of_two_groups_says_which_is_taken_from_which(made: tuple[str, Rendered]) -> None:
    kind, report = made
    rows = [row for row in report.numbers["summary"] if row["name"] in ("means: sex", "slopes: sex")]
    assert kind != "an outcome without a scale" or len(rows) == 2
    for row in rows:
        effect = next(one for one in report.numbers["effects"] if one["id"] == row["rows"][0])
        assert row["estimate"].startswith(f"{effect['level']} \N{MINUS SIGN} {effect['versus']}: ")
        if effect["lower"] > 0 or effect["upper"] < 0:
            assert row["words"].startswith(f"{'Higher' if effect['lower'] > 0 else 'Lower'} in “{effect['level']}”")
