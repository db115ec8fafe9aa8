"""Which way is better: on a page about symptoms no sentence calls more of them better."""

from __future__ import annotations

import re

import numpy as np
import pytest

from alliance_bayes import Scale
from alliance_bayes.effects import contrasts, effects, equivalence, slopes
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from builders import fitted, rendered, rows

# Words that say that something is good.
GOOD = re.compile(r"\b(better|best|improv\w*|gain\w*|recover\w*|benefit\w*|progress\w*|superior\w*)\b", re.IGNORECASE)
# What may be said with them, whichever way the scale goes: the first names its direction, the others none of it.
SAID = (
    "On the scale of the outcome lower is better: fewer symptoms.",
    "later ratings may follow from getting better rather than precede it.",
    "so feeling better may also have raised them.",
    "at least 2, better 4",  # chains
    "ower (better)",
    "mproved:",  # an end point, whose direction stands beside it
)
DECLARED = Scale(20.0, 6.0, 0.0, 40.0, 1.0, "score point", False, "a manual", 3.0)


def symptoms(outcome: str, slope: float, **spec: object) -> FittedModel:
    """Draws around a slope of symptoms on the alliance, with a clear difference between groups."""
    frame = rows(120)
    frame[outcome] = np.round(np.clip(10 + slope * (frame["alliance"] - 4.6) + np.arange(120) % 7 - 3, 0, 20))
    means = {"beta": [10.0, slope], "u_sex": np.array([[1.5], [-1.5]]), "sigma": 3.0, "tau_sex": 1.0}
    sds = {"beta": 0.05, "u_sex": 0.05}
    return fitted(frame, formula=f"{outcome} ~ alliance + (1 | sex)", means=means, sds=sds, draws=500, spec=spec)


def page(fit: FittedModel) -> Rendered:
    return rendered(fit, effects=effects(fit))


def sentences(report: Rendered) -> list[str]:
    # Titles of references are not the page's own words.
    text = re.sub(r"<(script|style|pre)\b.*?</\1>", " ", report.html, flags=re.DOTALL)
    blocks = re.split(r"</(?:p|td|th|li|h\d|dt|dd|caption|figcaption|summary|div|text|desc)>", text)
    plain = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", block)).strip() for block in blocks]
    return [sentence for block in plain for sentence in re.split(r"(?<=[.:;]) (?=[A-Z])", block) if sentence]


@pytest.mark.slow
@pytest.mark.parametrize("slope", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize(
    ("outcome", "spec"), [("phq9_followup", {}), ("gad7_change", {}), ("score", {"scales": {"score": DECLARED}})]
)
def test_no_sentence_calls_more_symptoms_better(outcome: str, spec: dict[str, object], slope: float) -> None:
    report = page(symptoms(outcome, slope, **spec))
    for sentence in sentences(report):
        for word in GOOD.finditer(sentence):
            assert any(part in sentence for part in SAID), (word[0], sentence)
    assert report.findings[0].count("lower is better: fewer symptoms") == 1
    if slope:
        assert f"was almost certainly {'higher' if slope > 0 else 'lower'}, by 2.00" in report.findings[0]
    needed = [text for text in report.findings if "goes with" in text]
    # 5, 4 and 3 points fewer, two a point; nothing that goes the wrong way is enough.
    relevant = {"phq9_followup": "5 fewer PHQ-9", "gad7_change": "4 fewer GAD-7", "score": "3 fewer score"}[outcome]
    assert len(needed) == (slope < 0)
    for text in needed:
        assert text.startswith(f"A difference of {relevant} points, the smallest that is relevant, goes with ")


def test_points_needed_for_fewer_symptoms_are_counted_the_right_way() -> None:
    """Five points fewer at 2 points a point are 2.5; with a slope of +2 none is enough."""
    row = slopes(symptoms("phq9_followup", -2.0)).set_index("estimand").loc["points_needed"]
    assert row["median"] == pytest.approx(2.5, abs=0.02)
    assert row["unit"] == "alliance point for 5 fewer PHQ-9 points"
    assert row["denominator"] == "5 fewer PHQ-9 points"
    assert np.isnan(slopes(symptoms("phq9_followup", 2.0)).set_index("estimand").loc["points_needed", "median"])
    well = fitted(chains=2, draws=20)
    assert slopes(well).set_index("estimand").loc["points_needed", "denominator"] == "10 WHO-5 points"


@pytest.mark.parametrize(("outcome", "better"), [("phq9_followup", "lower"), ("who5_early", "higher")])
def test_not_inferior_is_not_worse_on_the_outcomes_own_scale(outcome: str, better: str) -> None:
    table = contrasts(symptoms(outcome, -1.0), "sex", of="mean")
    assert table.better == table.under("part").better == type(table).concat([table]).better == better
    draws = next(iter(table.draws.values()))
    # The difference is about 3 points, in the table's order of the two.
    found = equivalence(table, margin=2.9).iloc[0]
    good = draws > -2.9 if better == "higher" else draws < 2.9
    assert found["p_not_inferior"] == pytest.approx(good.mean())
    other = "higher" if better == "lower" else "lower"
    assert equivalence(table, margin=2.9, better=other).iloc[0]["p_not_inferior"] != found["p_not_inferior"]
    mixed = type(table).concat([table, contrasts(symptoms("gad7", 1.0), "sex", of="mean").under("x")])
    assert mixed.better == ("lower" if better == "lower" else None)


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_page_asks_for_the_smallest_relevant_change_that_is_not_known() -> None:
    asked = "No smallest relevant change of {} is known, so nothing here says whether a difference is large enough"
    for outcome, name in (("core_om_followup", "follow-up CORE-OM"), ("phq9_followup", None)):
        fit = symptoms(outcome, -1.0)
        said = " ".join(page(fit).numbers["limitations"]["sentences"])
        assert said.count("No smallest relevant change") == (name is not None)
        if name is not None:
            assert asked.format(name) in said
            given = rendered(fit, effects=effects(fit, relevant=4.0)).numbers["limitations"]["sentences"]
            assert "No smallest relevant change" not in " ".join(given)
