"""Sentences, tables and figures of made-up rows: whatever a row holds, words and numbers say the same."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.effects import COLUMNS, EffectTable
from alliance_bayes.report import Finding
from alliance_bayes.report.rows import condition
from alliance_bayes.report.text import MINUS
from alliance_bayes.report.verdicts import SCALE, excludes_zero, more_or_less, rank_side, slope_sentence, within_margin
from alliance_bayes.report.verdicts import SENTENCES as VERDICTS
from alliance_bayes.study import Block, Part
from alliance_bayes.study.declared import chosen_rows
from alliance_bayes.study.tables import (
    block_forests,
    block_table,
    level_name,
    one_row,
    prefix_of,
    shown,
)
from alliance_bayes.study.words import share_words
from builders import UNIT, row_of, table_of

LIMITS = {word: limit for limit, word in SCALE}


MEANS = st.floats(-50, 50).map(lambda x: round(x, 3))
SDS = st.floats(0.01, 20).map(lambda x: round(x, 3))


def number_of(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(",", ""))


def half_digit(text: str) -> float:
    """Half of the last digit printed, and the rounding of the comparison."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2]) + 1e-9


@given(MEANS, SDS)
def test_a_difference_has_the_direction_of_its_interval(mean: float, sd: float) -> None:
    table = table_of(row_of(mean, sd))
    row = table.iloc[0]

    text = more_or_less(shown(table), row, unit="points")

    settled = row["lower"] > 0 or row["upper"] < 0
    assert excludes_zero(row) == settled
    assert text.startswith("neither clearly higher nor clearly lower") == (not settled)
    if settled:
        sure, said = text.split(" (")[0].split(", by ")
        *words, way = sure.split(" ")
        amount, unit = said.split(" ")
        assert (unit, way) == ("points", "higher" if row["lower"] > 0 else "lower")
        assert row["p_direction"] >= LIMITS[" ".join(words)]
        assert number_of(amount) >= 0
        assert number_of(amount) == pytest.approx(abs(mean), abs=half_digit(amount))
    else:
        leaning, _, said = text.removeprefix("neither clearly higher nor clearly lower").partition(": ")
        amount = said.split(" ")[0]
        way = "higher" if mean >= 0 else "lower"
        # An interval that includes zero allows no more than the lowest word.
        assert leaning == (f", though probably {way}" if row["p_direction"] >= LIMITS["probably"] else "")
        assert number_of(amount) == pytest.approx(mean, abs=half_digit(amount))
    # Never more decimals than two digits of the SD.
    assert half_digit(amount) >= min(0.005 * sd, 0.5)
    found = re.search(
        r"\(89% equal-tailed interval (\S+) to (\S+); (.+)% probability of being (above zero|below zero|lower)\)", text
    )
    assert found is not None
    assert number_of(found[1]) <= number_of(found[2])
    # What is lower by so much has an interval of how much lower.
    lower = settled and row["upper"] < 0
    assert found[4] == ("lower" if lower else "above zero" if mean >= 0 else "below zero")
    ends = (-row["upper"], -row["lower"]) if lower else (row["lower"], row["upper"])
    assert [number_of(found[1]), number_of(found[2])] == pytest.approx(ends, abs=half_digit(found[1]))


@given(MEANS, SDS)
def test_a_slope_is_higher_lower_or_not_settled(mean: float, sd: float) -> None:
    table = table_of(row_of(mean, sd))
    row = table.iloc[0]

    text = slope_sentence(shown(table), row, predictor="alliance", outcome="who5_followup", who="everybody")

    if excludes_zero(row):
        found = re.match(
            r"among everybody, the mean of follow-up WHO-5 was ([a-z ]+) (higher|lower), by (\S+) WHO-5 points for "
            r"each additional alliance point \(89%",
            text,
        )
        assert found is not None
        assert row["p_direction"] >= LIMITS[found[1]]
        assert found[2] == ("higher" if row["lower"] > 0 else "lower")
        assert number_of(found[3]) >= 0
    else:
        assert text.startswith(
            "among everybody, it is not settled whether the mean of follow-up WHO-5 was higher or lower with "
            "more alliance"
        )
        assert ": the estimate is " in text
        assert " WHO-5 points per alliance point (89% equal-tailed interval " in text


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [
        (
            2.17,
            0.5,
            "among everybody, the mean of follow-up WHO-5 was almost certainly higher, by 2.17 WHO-5 points for "
            "each additional "
            "alliance point (89% equal-tailed interval 1.37 to 2.97; more than 99.9% probability of being above zero)",
        ),
        (
            -2.17,
            0.5,
            "among everybody, the mean of follow-up WHO-5 was almost certainly lower, by 2.17 WHO-5 points for "
            "each additional "
            "alliance point (89% equal-tailed interval 1.37 to 2.97; more than 99.9% probability of being lower)",
        ),
    ],
)
def test_whole_sentences_of_a_slope(mean: float, sd: float, expected: str) -> None:
    table = table_of(row_of(mean, sd))

    text = slope_sentence(shown(table), table.iloc[0], predictor="alliance", outcome="who5_followup", who="everybody")

    assert text == expected


@given(st.floats(0, 1), st.floats(0, 1), MEANS)
def test_equivalence_is_said_from_the_probability_inside_the_margin(inside: float, share: float, mean: float) -> None:
    above = share * (1 - inside)
    table = table_of(row_of(mean, 1.0, rope_low=-2.0, rope_high=2.0, p_rope=inside, p_above_rope=above))

    text = within_margin(shown(table), table.iloc[0], margin=2.0, unit="WHO-5 points")

    assert text.startswith("The probability that it is smaller than 2 WHO-5 points is ")
    assert text.endswith(": equivalent by that margin.") == (inside >= 0.95)
    below = 1 - inside - above
    beyond = "; it lies {} that margin with a probability of 95% or more."
    assert text.endswith(beyond.format("above")) == (above >= 0.95)
    assert text.endswith(beyond.format("below")) == (below >= 0.95)
    open_ = max(inside, above, below) < 0.95
    assert text.endswith(", which decides neither for equivalence nor for a difference.") == open_


def test_the_priors_probability_stands_beside_the_posteriors() -> None:
    table = table_of(row_of(0.0, 0.5, rope_low=-2.0, rope_high=2.0, p_rope=0.97, p_above_rope=0.02, p_rope_prior=0.4))
    assert within_margin(shown(table), table.iloc[0], margin=2.0, unit="WHO-5 points") == (
        "The probability that it is smaller than 2 WHO-5 points is 97% (before the data 40%): equivalent by that "
        "margin."
    )


@given(st.floats(0.02, 0.98), st.floats(0.001, 0.2))
def test_a_share_is_a_percentage_with_its_interval(mean: float, sd: float) -> None:
    table = table_of(row_of(mean, sd, estimand="share_at_least", unit="probability", p_direction=np.nan))

    text = share_words(shown(table), table.iloc[0])

    found = re.fullmatch(r"(\S+)% \(89% equal-tailed interval (\S+)% to (\S+)%\)", text)
    assert found is not None
    # Whole per cents, or tenths where the SD is below a percentage point.
    for printed, value in zip(found.groups(), table.iloc[0][["mean", "lower", "upper"]], strict=True):
        assert number_of(printed) == pytest.approx(100 * value, abs=0.51)


def test_what_a_row_is_about() -> None:
    def name(**values: object) -> str:
        return level_name(pd.Series(row_of(1, 1, **values)))

    assert name() == "Slope"
    assert name(estimand="delta_r2") == "Delta r2"
    assert name(factor="provider_type", level="coach") == "Provider type: coach"
    assert name(factor="a:b", level="x:y") == "A × b: x:y"
    assert name(level="coach") == "coach"
    assert name(factor="sex", level="male", versus="female") == f"male {MINUS} female"
    assert (
        name(factor="who5_baseline", level="who5_baseline = 64", versus="who5_baseline = 20")
        == f"baseline WHO-5: 64 {MINUS} 20"
    )
    assert name(factor="who5_baseline", level="who5_baseline = 64") == "baseline WHO-5 of 64"
    assert name(factor="sex", level="a\x00b") == "Sex: a\ufffdb"
    assert condition("n_sessions = 9") == "number of sessions of 9"
    assert condition("coach") == "coach"


#: Against a margin of 2 and a relevant change of 10.
JUDGED = {"rope_low": -2.0, "rope_high": 2.0, "p_rope": 0.5, "relevant": 10.0, "p_relevant": 0.0}


def test_a_table_has_the_columns_that_its_rows_need() -> None:
    plain = block_table("t", "Caption", table_of(row_of(0.5, 0.1, p_direction=np.nan)))
    whole = block_table(
        "t",
        "Caption",
        table_of(
            row_of(2.0, 0.1, estimand="slope_p10_p90", note="odd", **JUDGED),
            row_of(-2.0, 0.1, **JUDGED),
        ),
        heading="What",
    )

    # A unit that all rows share stands in the caption.
    assert plain.headings == ("Quantity", "Mean", "89% equal-tailed interval")
    assert plain.caption == f"Caption ({UNIT})"
    mixed = block_table("t", "Caption", table_of(row_of(2.0, 0.1), row_of(2.0, 0.1, estimand="r", unit="share")))
    assert mixed.caption == "Caption"
    assert [row[-1] for row in mixed.rows] == [UNIT, "share"]
    assert whole.headings == (
        "What",
        "Mean",
        "89% equal-tailed interval",
        "Probability of direction",
        "Probability within ±2 (negligible)",
        "Probability of 10 or more, up or down",
    )
    assert [tuple(row) for row in whole.rows] == [
        ("Slope p10 p90", "2.00", "(1.84 to 2.16)", "> 99.9% above 0", "50%", "< 0.1%"),
        # Per unit of a predictor there is no verdict.
        ("Slope", f"{MINUS}2.00", f"({MINUS}2.16 to {MINUS}1.84)", "> 99.9% below 0", "–", "–"),
    ]
    assert whole.note == "Slope p10 p90: odd."


@given(st.integers(1, 40))
def test_a_long_table_is_cut_and_whole_behind_it(n: int) -> None:
    made = block_table("t", "Caption", table_of(*(row_of(k, 1.0, factor="country", level=f"L{k}") for k in range(n))))

    assert [row[0] for row in made.rows] == [f"Country: L{k}" for k in range(min(n, 16))]
    assert [row[0] for row in made.more] == ([f"Country: L{k}" for k in range(n)] if n > 16 else [])


def test_forest_plots_keep_small_factors_together_and_large_ones_apart() -> None:
    levels = [("sex", "female"), ("sex", "male"), *(("country", f"C{k}") for k in range(7)), ("modality", "video")]
    rows = table_of(*(row_of(k, 1.0, factor=factor, level=level) for k, (factor, level) in enumerate(levels)))

    pictures = block_forests("p", "Slopes", rows, axis="points", caption="Words.")

    assert [picture.title for picture in pictures] == ["Slopes by sex and modality", "Slopes by country"]
    together, countries = (str(picture.markup) for picture in pictures)
    assert [place for place in map(together.find, ("Sex: female", "Sex: male", "Modality: video")) if place < 0] == []
    described = countries.split("<desc")[1].split("</desc>")[0]
    # Many levels are ordered by their means, the largest first.
    assert re.findall(r"C\d", described) == [f"C{k}" for k in reversed(range(7))]
    assert [picture.caption for picture in pictures] == ["Words.", "Words. 7 levels."]
    many = table_of(*(row_of(k, 1.0, factor="country", level=f"C{k}") for k in range(35)))
    (picture,) = block_forests("p", "Slopes", many, axis="points", caption="Words.")
    # The caption counts the lines, and those that have a label.
    assert picture.caption == "Words. 35 levels, of which the 6 at either end are named."
    assert len(re.findall(r">C\d+</text>", picture.markup)) == 12
    assert block_forests("p", "Slopes", rows[:0], axis="points", caption="Words.") == []


def test_shares_are_percentages_and_their_differences_percentage_points() -> None:
    share = {"estimand": "share_at_least", "unit": "probability"}
    alone = block_table("t", "Caption", table_of(row_of(0.376, 0.006, **share), row_of(0.4, 0.006, **share)))
    pair = share | {"estimand": "risk_difference", "level": "a", "versus": "b"}
    pairs = block_table("t", "Caption", table_of(row_of(-0.006, 0.01, **pair)))
    mixed = block_table("t", "Caption", table_of(row_of(0.63, 0.04, unit="share of change"), row_of(2.0, 0.1)))

    assert alone.caption == "Caption (percentages)"
    assert [row[1] for row in alone.rows] == ["37.6%", "40.0%"]
    assert pairs.caption == "Caption (percentage points)"
    assert pairs.rows[0][1] == f"{MINUS}0.6"
    assert mixed.caption == "Caption"
    assert mixed.rows[0][1].rstrip("%").partition(".")[0] == "63"
    assert mixed.rows[0][1].endswith("%")
    assert mixed.rows[1][1] == "2.00"


@given(st.lists(st.sampled_from(["slope", "r2", "mean"]), min_size=1, max_size=5), st.sampled_from(["a", "b c", "é"]))
def test_a_prefix_changes_ids_and_nothing_else(estimands: list[str], prefix: str) -> None:
    table = table_of(*(row_of(k, 1.0, estimand=name) for k, name in enumerate(estimands)))

    made = table.under(prefix)
    some = chosen_rows(table, "slope").under(prefix)

    assert list(made.index) == [f"{prefix}/{name}" for name in table.index]
    assert list(made.draws) == list(made.index)
    for old, new in zip(table.index, made.index, strict=True):
        assert (made.draws[new] == table.draws[old]).all()
        assert prefix_of({"id": new}) == prefix
    pd.testing.assert_frame_equal(pd.DataFrame(made).reset_index(drop=True), pd.DataFrame(table).reset_index(drop=True))
    assert len(some) == estimands.count("slope")
    assert list(table.index) == [f"row{k}" for k in range(len(estimands))]


def test_one_row_of_a_prefix() -> None:
    table = EffectTable.concat([table_of(row_of(1, 1)).under("a"), table_of(row_of(2, 1)).under("b")])

    assert one_row(table, "slope")["mean"] == 1
    assert one_row(table, "slope", "b")["mean"] == 2
    with pytest.raises(KeyError, match="no row c/slope"):
        one_row(table, "slope", "c")


def test_a_part_tells_what_it_withholds_and_holds_the_rows_that_are_left() -> None:
    rows = table_of(row_of(1, 1), row_of(2, 1))
    open_, closed = Block("one", "One", rows), Block("two", "Two", rows[:0], ("Why.", "And why."))

    part = Part("p", "P", "?", (open_, closed), (Finding("s", ("one/row0",)),))

    assert part.withheld == ("Two: Why.", "Two: And why.")
    assert part.table()["block"].tolist() == ["one", "one"]
    assert list(part.table().columns) == ["block", *COLUMNS]
    assert Part("p", "P", "?", (closed,)).table().empty
    assert open_.withheld == Part("p", "P", "?", (open_,)).withheld == ()
    assert open_.with_page(text=["a"]).text == ("a",)
    assert open_.text == ()


def test_ranks_are_compared_as_ties_leave_them() -> None:
    """Where many ratings tie, one is lower more often than higher, and still not more often than not."""
    rng = np.random.default_rng(1)
    first, second = (np.minimum(5.0, np.round(rng.normal(middle, 1.0, 400))) for middle in (4.6, 5.0))
    lower = float((first[:, None] < second).mean())
    higher = float((first[:, None] > second).mean())
    assert higher < lower < 0.5
    half = higher + (1 - higher - lower) / 2
    way = rank_side({"lower": half - 0.02, "upper": half + 0.02})
    said = VERDICTS("ranks", level="therapist", way=way)
    assert "ratings in the group “therapist” are more often lower than higher, though" in said
