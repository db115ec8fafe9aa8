"""Verdicts follow from probabilities, and sentences from verdicts."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.effects import ESTIMANDS, EffectTable, contrasts, effects, equivalence, moderation, slopes
from alliance_bayes.effects.equivalence import DECIDED, VERDICTS, standing, standing_of
from alliance_bayes.effects.options import Options
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.errors import UsageError
from builders import fitted, rows

UNIT = "WHO-5 point per alliance point"


def table(draws: np.ndarray, **more: object) -> EffectTable:
    own = {"term": "alliance", "factor": "sex", "level": "male", "versus": "female", "signed": True}
    measure = ESTIMANDS["contrasts"].measures["contrast_of_slopes"]
    row = Estimate("contrast_of_slopes", Fixed(draws), UNIT, measure=measure, **(own | more))  # type: ignore[arg-type]
    return summarise([row], Options())


def spread(below: int, inside: int, above: int) -> np.ndarray:
    """A hundred draws of which so many are below -2, strictly inside and above 2."""
    return np.array([-3.0] * below + [0.5] * inside + [3.0] * above).reshape(4, 25)


@pytest.mark.parametrize(
    ("counts", "better", "verdict", "statement"),
    [
        (
            (1, 97, 2),
            "higher",
            "equivalent",
            "The slope of alliance at sex = male differs from that at sex = female by less than 2 WHO-5 points per "
            "alliance point with probability .97.",
        ),
        (
            (0, 4, 96),
            "higher",
            "different by more than the margin",
            "The slope of alliance at sex = male is 2 WHO-5 points per alliance point or more above that at "
            "sex = female with probability .96.",
        ),
        (
            (100, 0, 0),
            "higher",
            "different by more than the margin",
            "The slope of alliance at sex = male is 2 WHO-5 points per alliance point or more below that at "
            "sex = female with probability above .99.",
        ),
        (
            (5, 55, 40),
            "higher",
            "not inferior",
            "The slope of alliance at sex = male is less than 2 WHO-5 points per alliance point below that at "
            "sex = female, or better, with probability .95.",
        ),
        (
            (40, 59, 1),
            "lower",
            "not inferior",
            "The slope of alliance at sex = male is less than 2 WHO-5 points per alliance point above that at "
            "sex = female, or better, with probability .99.",
        ),
        (
            (0, 60, 40),
            None,
            "undecided",
            "Undecided: the slope of alliance at sex = male is 2 WHO-5 points per alliance point or more below that at "
            "sex = female with probability below .01, 2 WHO-5 points per alliance point or more above it "
            "with probability .40, and between the two with probability .60.",
        ),
    ],
)
def test_every_verdict_and_its_sentence(
    counts: tuple[int, int, int], better: str | None, verdict: str, statement: str
) -> None:
    found = equivalence(table(spread(*counts)), margin=2, better=better)
    row = found.iloc[0]
    assert (row["verdict"], row["statement"]) == (verdict, statement)
    assert row[["p_below", "p_equivalent", "p_above"]].tolist() == [count / 100 for count in counts]
    assert row[["margin_low", "margin_high", "required"]].tolist() == [-2.0, 2.0, 0.95]
    good = {"higher": 1 - counts[0] / 100, "lower": 1 - counts[2] / 100, None: np.nan}[better]
    np.testing.assert_allclose(row["p_not_inferior"], good, rtol=1e-12)
    assert found.index.tolist() == ["contrast_of_slopes/alliance/sex=male vs female"]


def test_a_difference_of_exactly_the_margin_is_not_within_it() -> None:
    row = equivalence(table(np.array([[-2.0, 2.0, 0.0, 1.0]])), margin=2).iloc[0]
    assert row[["p_below", "p_equivalent", "p_above", "p_not_inferior"]].tolist() == [0.25, 0.5, 0.25, 0.75]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    draws=st.lists(st.floats(-10, 10), min_size=4, max_size=60),
    margin=st.floats(0.1, 8),
    level=st.floats(0.51, 0.99),
    better=st.sampled_from(["higher", "lower", None]),
)
def test_no_verdict_contradicts_its_probabilities(
    draws: list[float], margin: float, level: float, better: str | None
) -> None:
    row = equivalence(table(np.array([draws])), margin=margin, level=level, better=better).iloc[0]
    below, inside, above = row["p_below"], row["p_equivalent"], row["p_above"]
    assert below + inside + above == pytest.approx(1.0, abs=1e-12)
    assert row["verdict"] in VERDICTS
    proofs = {
        "equivalent": inside >= level,
        "different by more than the margin": max(below, above) >= level,
        "not inferior": row["p_not_inferior"] >= level,
    }
    if row["verdict"] == "undecided":
        assert not any(proofs.values())
    else:
        assert proofs[row["verdict"]]
    # Two of the three regions cannot both hold more than half.
    assert not (proofs["equivalent"] and proofs["different by more than the margin"])
    bad = {"higher": below, "lower": above, None: 0.0}[better]
    assert row["verdict"] != "not inferior" or bad <= 1 - level + 1e-12
    said = re.findall(r"probability (above |below )?\.(\d\d)", row["statement"])
    for word, digits in said:
        value = int(digits) / 100
        # A sentence never claims more than the probability it is about.
        assert any(
            {"": value <= p + 1e-9 and p < value + 0.0101, "above ": p > value, "below ": p < value}[word]
            for p in (below, inside, above, row["p_not_inferior"])
        )


@settings(max_examples=50, deadline=None)
@given(draws=st.lists(st.floats(-10, 10), min_size=4, max_size=40), margin=st.floats(0.1, 8))
def test_turning_a_difference_round_turns_the_good_direction_round(draws: list[float], margin: float) -> None:
    there = equivalence(table(np.array([draws])), margin=margin, better="higher").iloc[0]
    back = equivalence(table(-np.array([draws])), margin=margin, better="lower").iloc[0]
    assert there["verdict"] == back["verdict"]
    assert there["p_below"] == back["p_above"]
    assert there["p_not_inferior"] == back["p_not_inferior"]


def test_without_a_margin_each_row_has_its_rope_and_others_are_left_out() -> None:
    fit = fitted(rows(60), chains=2, draws=20)
    whole = effects(fit)
    found = equivalence(whole)
    assert found.index.tolist() == whole.index[whole["rope_low"].notna()].tolist()
    low, high = np.quantile(fit.design.frame["alliance"], (0.1, 0.9))
    between = whole.loc[found.index, "estimand"] == "contrast_of_slopes"
    assert set(found.loc[~between, "margin_high"]) == {2.0}
    # Half of it over the step between the percentiles.
    np.testing.assert_allclose(found.loc[between, "margin_high"], 1 / (high - low), rtol=1e-12)
    # p_rope counts the limits themselves, which no continuous draw meets.
    np.testing.assert_allclose(found["p_equivalent"], whole["p_rope"].dropna(), rtol=0, atol=1e-12)
    means = found.loc["contrast_of_means/country=C1 vs C0/average", "statement"]
    assert means.startswith("Undecided: the adjusted mean at country = C1 is") or means.startswith("The adjusted mean")


def test_limits_that_are_not_symmetric_are_both_named() -> None:
    found = equivalence(table(spread(0, 100, 0), rope=(-2.0, 1.0))).iloc[0]
    assert found["statement"] == (
        "The slope of alliance at sex = male differs from that at sex = female by something between -2 and "
        "1 WHO-5 point per alliance point with probability above .99."
    )
    assert (found["margin_low"], found["margin_high"]) == (-2.0, 1.0)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("probability", "0.1 in probability"),
        ("SD", "0.1 SD"),
        ("SD per alliance point", "0.1 SD per alliance point"),
        ("unit of score", "0.1 units of score"),
    ],
)
def test_units_in_words(unit: str, words: str) -> None:
    measure = ESTIMANDS["responders"].measures["risk_difference"]
    row = Estimate("risk_difference", Fixed(np.zeros((1, 4))), unit, term="who5_change >= 10", measure=measure)
    found = equivalence(summarise([row], Options()), margin=0.1)
    assert found["statement"].tolist() == [
        f"The probability of who5_change >= 10 differs from zero by less than {words} with probability above .99."
    ]


def test_rows_that_are_not_defined_say_why() -> None:
    found = equivalence(table(np.full((1, 4), np.nan), note="a level is missing"), margin=1).iloc[0]
    assert found["verdict"] == "not defined"
    assert found[["p_equivalent", "p_below", "p_above", "p_not_inferior"]].isna().all()
    assert found["statement"] == (
        "The slope of alliance at sex = male cannot be compared with that at sex = female: a level is missing."
    )


def test_rows_can_be_picked_first() -> None:
    fit = fitted(rows(60), chains=2, draws=20)
    pairs = contrasts(fit, "sex")
    points = pairs[pairs["estimand"] == "contrast_of_means"]
    found = equivalence(points, margin=3)
    expected = (np.abs(points.draws[points.index[0]]) < 3).mean()
    assert found["p_equivalent"].tolist() == [expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 2, "level": 0.5}, "level should be in the interval (0.5, 1) but got 0.5. 0.95 is the default."),
        ({"margin": 0}, "margin should be a finite number greater than 0, in the unit of the rows, but got 0."),
        ({"margin": 2, "better": "more"}, "better should be one of 'higher', 'lower', 'default' but got 'more'."),
        (
            {},
            "no row of this table has a ROPE, so there is no margin to compare it with. Give one, in the unit of the "
            "rows: margin=...",
        ),
    ],
)
def test_what_cannot_be_asked(arguments: dict[str, object], message: str) -> None:
    fit = fitted(rows(60), chains=1, draws=4)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        equivalence(slopes(fit, rope=None), **arguments)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=4, max_size=60), st.floats(0.1, 8))
def test_one_rule_says_where_a_quantity_lies(draws: list[float], margin: float) -> None:
    made = table(np.array([draws]), rope=(-margin, margin))
    values = np.array(draws)
    shares = {"above": (values > margin).mean(), "below": (values < -margin).mean()}
    shares["inside"] = 1 - shares["above"] - shares["below"]
    expected = next((name for name, share in shares.items() if share >= DECIDED - 1e-12), "undecided")
    assert standing_of(made.iloc[0]) == expected
    verdict = equivalence(made).iloc[0]["verdict"]
    if not (np.abs(values) == margin).any():  # a draw on the limit is inside the ROPE, and not less than the margin
        assert (verdict == "equivalent") == (expected == "inside")
        assert (verdict == "different by more than the margin") == (expected in ("above", "below"))


def test_large_one_way_or_the_other_is_not_beyond() -> None:
    # Three in a hundred inside, the rest on both sides: no difference was found.
    made = table(spread(48, 3, 49), rope=(-2.0, 2.0))
    assert standing_of(made.iloc[0]) == "undecided"
    assert equivalence(made, better=None).iloc[0]["verdict"] == "undecided"
    assert standing(0.02, 0.97, 0.01) == "above"
    assert standing(0.02, 0.01, 0.97) == "below"
    assert standing(np.nan, np.nan, np.nan) == "undecided"


@pytest.mark.parametrize("of", ["factor", "moderator"])
def test_the_prior_stands_beside_the_posterior(of: str) -> None:
    formula = "who5_followup ~ alliance * who5_baseline + (alliance || country)"
    priors = {"alliance:who5_baseline": "Normal(0, 0.02)", "tau_country[alliance]": "HalfNormal(0.5)"}
    fit = fitted(rows(60), formula=formula, spec={"priors": priors}, chains=2, draws=20)
    x, z = (fit.design.frame[name] for name in ("alliance", "who5_baseline"))
    span, distance = (np.diff(np.quantile(values, (0.1, 0.9)))[0] for values in (x, z))
    rng = np.random.default_rng(0)
    if of == "factor":
        made = contrasts(fit, "country", of="slope")
        made = made[made["estimand"] == "contrast_of_slopes"]
        tau = np.abs(0.5 * rng.normal(size=200_000))
        difference = tau * np.sqrt(2) * rng.normal(size=tau.size)
    else:
        made = moderation(fit)
        made = made[made["estimand"] == "difference_in_slope"]
        difference = 0.02 * distance * rng.normal(size=200_000)
    # Judged in points over the step of alliance, against half of the two points.
    expected = (np.abs(difference * span) <= 1).mean()
    assert 0.2 < expected < 0.98
    # 1,000 draws: a standard error of .016 at most.
    np.testing.assert_allclose(made["p_rope_prior"], expected, rtol=0, atol=0.06)
    row = made.iloc[0]
    judged = equivalence(made).iloc[0]
    assert judged["p_prior"] == pytest.approx(row["p_rope_prior"], abs=1e-12)
    draws = made.draws[made.index[0]]
    assert row["p_rope"] == pytest.approx((np.abs(draws * span) <= 1).mean(), abs=1e-12)
    assert row["p_above_rope"] == pytest.approx((draws * span > 1).mean(), abs=1e-12)
    if judged["verdict"] in ("equivalent", "undecided"):
        assert "(the prior's: ." in judged["statement"]


def test_a_predictor_without_a_step_is_compared_by_one_unit() -> None:
    frame = rows(60)
    frame["alliance"] = np.where(np.arange(60) < 3, 4.0, 5.0)
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance || sex)", chains=2, draws=20)
    made = contrasts(fit, "sex", of="slope")
    assert made["rope_high"].dropna().tolist() == [1.0]
    named = contrasts(fit, "sex", of="slope", rope=(-3.0, 1.0))
    assert named[["rope_low", "rope_high"]].dropna().to_numpy().tolist() == [[-1.5, 0.5]]
