"""Direction, size, certainty and equivalence in words: every sentence and cell of a page takes them from here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from alliance_bayes.effects.equivalence import DECIDED, standing_of
from alliance_bayes.report.text import (
    MINUS,
    Row,
    capital,
    clean,
    column_name,
    count,
    derived,
    join,
    percent,
    percent_unit,
    units,
)
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.fit import FittedModel
    from alliance_bayes.report.estimates import Estimates

__all__ = [
    "SCALE",
    "UNSETTLED",
    "Claim",
    "Tally",
    "answer_words",
    "better_words",
    "claim",
    "differ_words",
    "excludes_zero",
    "least_claim",
    "lower_is_better",
    "margin_verdict",
    "more_or_less",
    "named_difference",
    "plain_words",
    "priors_words",
    "rank_side",
    "settled_words",
    "size_words",
    "slope_sentence",
    "standings_words",
    "sure_words",
    "symptom_words",
    "told_apart",
    "under_models",
    "verdict_of",
    "within_margin",
]

SENTENCES = Wording("alliance_bayes.report", "sentences/verdicts.toml")

#: Probability of direction from which a word is used. The limits are those of three of the calibrated terms of the IPCC
#: ("virtually certain", "extremely likely", "very likely"; Mastrandrea et al. 2010, Guidance note on consistent
#: treatment of uncertainties); the words are plainer.
SCALE = ((0.99, "almost certainly"), (0.95, "very probably"), (0.90, "probably"))
#: What is said of everything below the scale.
UNSETTLED = "not settled"


@dataclass(frozen=True)
class Claim:
    """What may be said of the direction of an estimate.

    Parameters
    ----------
    row
        Id of its row in the effects table.
    word
        One of the words of `SCALE`, or `UNSETTLED`.
    above
        Whether the estimate is above zero.
    settled
        Whether the interval excludes zero and a word of the scale applies. Without it no finding states a direction
        as found.
    """

    row: str
    word: str
    above: bool
    settled: bool

    @property
    def lower(self) -> bool:
        """Whether a sentence says by how much it is lower, so that its numbers have no sign."""
        return self.settled and not self.above

    def agrees(self, other: Claim) -> bool:
        """Whether another says the same of the direction: the same one, or neither says any."""
        return (self.settled, self.above) == (other.settled, other.above) or not (self.settled or other.settled)

    @property
    def leaning(self) -> bool:
        """Whether a direction is probable though it is not settled."""
        return not self.settled and self.word != UNSETTLED

    def pick(self, above: str, below: str) -> str:
        """One of two words, by the side of zero on which the estimate is."""
        return above if self.above else below

    @property
    def way(self) -> str:
        """Higher or lower."""
        return SENTENCES("way", above=self.above)

    @property
    def side(self) -> str:
        """How sure it is of which side of zero, after a comma; empty where it is of neither."""
        return SENTENCES("side", said=self.word != UNSETTLED, word=self.word, above=self.above)

    @property
    def though(self) -> str:
        """What is probable though it is not settled, after a comma; empty where nothing is."""
        return SENTENCES("though", leaning=self.leaning, word=self.word, way=self.way)


def claim(row: pd.Series) -> Claim:
    """The claim that a row allows.

    Parameters
    ----------
    row
        A row of an effects table with `mean`, `median`, `lower`, `upper` and `p_direction`.

    Notes
    -----
    The word is that of the probability of direction. While the interval includes zero it is never more than the lowest
    word of the scale, whatever the interval's probability; and where mean and median lie on different sides of zero
    there is none.
    """
    median, mean, direction = (float(row[name]) for name in ("median", "mean", "p_direction"))
    apart = mean * median < 0
    word = next((word for limit, word in SCALE if direction >= limit and not apart), UNSETTLED)
    clear = excludes_zero(row)
    if word != UNSETTLED and not clear:
        word = SCALE[-1][1]
    return Claim(str(row.name), word, median >= 0, clear and word != UNSETTLED)


def least_claim(direction: Claim, others: Iterable[Claim]) -> Claim:
    """The claim that holds under all of several fits: the least certain word, or none if their sides differ."""
    claims = [direction, *others]
    # From the surest to the least.
    words = [word for _, word in SCALE]
    if len({one.above for one in claims}) > 1 or any(one.word not in words for one in claims):
        return replace(direction, word=UNSETTLED, settled=False)
    return replace(
        direction,
        word=max((one.word for one in claims), key=words.index),
        settled=all(one.settled for one in claims),
    )


def excludes_zero(row: Row) -> bool:
    """Whether a row's interval is on one side of zero."""
    return bool(float(row["lower"]) > 0 or float(row["upper"]) < 0)


def lower_is_better(fit: FittedModel) -> bool:
    """Whether less of the outcome is better, as with symptoms."""
    scale = None if fit.design.family.event else fit.design.scales.get(fit.design.outcome.name)
    return scale is not None and not scale.higher_is_better


def better_words(fit: FittedModel) -> tuple[str, str]:
    """What more and what less of the outcome are called: better and worse where its scale says which is which.

    Of symptoms the words say both, since fewer points are better.
    """
    scale = None if fit.design.family.event else fit.design.scales.get(fit.design.outcome.name)
    known = scale is not None and bool(scale.instrument or not scale.higher_is_better)
    few = scale is not None and not scale.higher_is_better
    more, less = (SENTENCES("better", above=above, known=known, few=few) for above in (True, False))
    return more, less


def symptom_words(fit: FittedModel, direction: Claim) -> str:
    """What more or less of the outcome is where it is of symptoms, in brackets; empty elsewhere."""
    return SENTENCES("symptoms", few=lower_is_better(fit), above=direction.above)


def priors_words(fitted: Claim, direction: Claim) -> str:
    """What other priors leave of a claim, after a sentence that makes it; empty where they leave all."""
    less = fitted.word != direction.word
    return SENTENCES("priors", settled=direction.settled, word=direction.word) if less else ""


def answer_words(fit: FittedModel, fitted: Claim, direction: Claim, **words: str) -> str:
    """The declared contrast as a page says it first, settled or not.

    Parameters
    ----------
    fit
        The fit.
    fitted, direction
        The claim that its own row allows, and what holds of it under other priors, too.
    **words
        Its figures and its two ends.
    """
    above, below = better_words(fit)
    # What is good stands first.
    better, worse = (below, above) if lower_is_better(fit) else (above, below)
    way = direction.pick(above, below)
    name = "answer_settled" if direction.settled else "answer_unsettled"
    priors = fitted.settled and not direction.settled
    return SENTENCES(name, word=direction.word, way=way, better=better, worse=worse, priors=priors, **words)


def sure_words(estimates: Estimates, row: pd.Series, direction: Claim) -> str:
    """The word for certainty with the probability of direction; of what is settled the plain words say which."""
    words = estimates.direction(row)
    if words == "–":
        return words if direction.word == UNSETTLED else capital(direction.word)
    words = words.partition(" a")[0] if direction.settled else words
    # The probability is of the fit; a word that it alone would not give is that of other priors.
    return SENTENCES("sure", word=direction.word, said=words, priors=direction.word != claim(row).word)


def plain_words(fit: FittedModel, row: pd.Series, direction: Claim, where: str) -> str:
    """Direction and size in everyday words."""
    way = SENTENCES("plain", settled=direction.settled, way=direction.pick(*better_words(fit)), where=where)
    size = size_words(row, settled=direction.settled)
    return SENTENCES("plain_size", way=way, size=size, sd=row["estimand"] == "slope_per_sd")


def size_words(row: Row, *, settled: bool = True) -> str:
    """How large a difference is against the two margins; empty where there are none.

    Of what has no settled direction, under other priors say, none is said that would have one.
    """
    standing: str = standing_of(row) if pd.notna(row["rope_low"]) else ""
    if not settled and standing in ("above", "below"):
        standing = "undecided"
    reach = ""
    if pd.notna(row["p_relevant"]):
        p = float(row["p_relevant"])
        reach = "reached" if p >= DECIDED and settled else "short" if p <= 1 - DECIDED else "open"
    return SENTENCES("size", standing=standing, reach=reach)


@dataclass(frozen=True)
class Tally:
    """Of several differences, how many there are and are settled; and of those with a margin how many lie where."""

    n: int
    clear: int
    judged: int
    inside: int
    undecided: int

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Tally:
        """Count."""
        places = [standing_of(row) for row in rows if pd.notna(row["rope_low"])]
        clear = sum(map(excludes_zero, rows))
        return cls(len(rows), clear, len(places), places.count("inside"), places.count("undecided"))

    @property
    def beyond(self) -> int:
        """How many are beyond their margin, to either side."""
        return self.judged - self.inside - self.undecided

    @property
    def alike(self) -> bool:
        """Whether all are negligible."""
        return 0 < self.judged == self.inside


def standings_words(rows: Sequence[Row]) -> str:
    """How many differences are negligible, are more, or are undecided; a dash where there is no margin."""
    tally = Tally.of(rows)
    counts = {name: count(n) if (n := getattr(tally, name)) else "" for name in ("inside", "beyond", "undecided")}
    return SENTENCES("standings", **counts, n=count(tally.judged)) or "–"


def settled_words(rows: Sequence[Row]) -> str:
    """How many differences have an interval that excludes zero."""
    tally = Tally.of(rows)
    return SENTENCES("settled_of", clear=count(tally.clear), n=count(tally.n), one=tally.n == 1)


def differ_words(rows: Sequence[Row]) -> str:
    """Several differences, or one, in everyday words: settled or not, and how large."""
    tally = Tally.of(rows)
    return SENTENCES("differ", one=tally.n == 1, clear=tally.clear, alike=tally.alike, undecided=tally.undecided)


def told_apart(rows: Sequence[Row], slopes: Sequence[Row] | None = None) -> str:
    """The same, of one that is settled with the level in which it is higher or lower.

    Differences of slopes have the `slopes` themselves: one that is lower may be the steeper.
    """
    (first, *others) = rows
    if others or not excludes_zero(first):
        return differ_words(rows)
    return named_difference(first, clean(first["level"]), slopes)


def named_difference(row: Row, level: str, slopes: Sequence[Row] | None = None) -> str:
    """One difference of which a level is named, in everyday words: "lower in “coach”, negligible"."""
    above = float(row["mean"]) >= 0
    way = SENTENCES("way", above=above)
    if slopes is not None:
        sides = {float(one["mean"]) >= 0 for one in slopes}
        same = len(slopes) == 2 and all(map(excludes_zero, slopes)) and len(sides) == 1
        way = SENTENCES("slope_way", same=same, steeper=above in sides, way=way)
    return SENTENCES("named", way=way, level=level, size=size_words(row))


def rank_side(row: Row) -> str:
    """Whether the first of two groups is more often "lower" or more often "higher"; empty where that is open."""
    low, high = float(row["lower"]), float(row["upper"])
    return SENTENCES("way", above=low > 0.5) if high < 0.5 or low > 0.5 else ""


def verdict_of(row: pd.Series) -> str:
    """What a row comes to: "higher, more than negligible", "not settled, may be negligible"."""
    direction = claim(row)
    return SENTENCES("verdict", settled=direction.settled, way=direction.way, size=size_words(row))


def under_models(rows: Mapping[str, pd.Series]) -> tuple[bool, str]:
    """What an estimate comes to under each of several models.

    Parameters
    ----------
    rows
        Its row by what the models are called.

    Returns
    -------
    bool
        Whether it is the same under all of them.
    str
        What it is: "higher, negligible", or by model: "higher, negligible under A and B; not settled under C".
    """
    by_verdict: dict[str, list[str]] = {}
    for name, row in rows.items():
        by_verdict.setdefault(verdict_of(row), []).append(name)
    same = len(by_verdict) == 1
    groups = [(verdict, "" if same else join(names)) for verdict, names in by_verdict.items()]
    return same, SENTENCES("models", groups=groups)


def margin_verdict(row: Row) -> str:
    """What the probability of lying within a margin comes to, as the end of a sentence, undecided included."""
    return SENTENCES("margin", standing=standing_of(row), decided=percent(DECIDED))


def within_margin(estimates: Estimates, row: Row, *, margin: float, unit: str) -> str:
    """The probability that a difference lies within a margin, and what that comes to."""
    before: str = "" if pd.isna(row["p_rope_prior"]) else estimates.share_spoken(row, "p_rope_prior")
    inside = estimates.share_spoken(row, "p_rope")
    return SENTENCES(
        "within", margin=derived(margin), unit=unit, inside=inside, before=before, verdict=margin_verdict(row)
    )


def slope_sentence(
    estimates: Estimates, row: pd.Series, *, predictor: str, outcome: str, who: str, over: str = ""
) -> str:
    """What one more unit of a predictor goes with.

    Parameters
    ----------
    estimates, row
        A slope in points of the outcome.
    predictor, outcome
        Columns.
    who
        Among whom: "everybody", "those with elevated symptoms".
    over
        Over which levels of sampled factors it is an average, as `over_words` says it.
    """
    unit, _, per = str(row["unit"]).partition(" per ")
    direction, mean = claim(row), estimates.figures(row)[0]
    return SENTENCES(
        "slope_settled" if direction.settled else "slope_unsettled",
        who=who,
        outcome=column_name(outcome),
        predictor=column_name(predictor),
        word=direction.word,
        way=direction.way,
        though=direction.though,
        mean=mean.removeprefix(MINUS) if direction.settled else mean,
        unit=percent_unit(units(unit)),
        per=per,
        over=over,
        interval=estimates.spoken(row, lower=direction.lower),
        direction=estimates.direction_spoken(row, lower=direction.lower),
    )


def more_or_less(estimates: Estimates, row: pd.Series, *, unit: str) -> str:
    """A difference with its interval, and whether its sign is settled."""
    direction, mean = claim(row), estimates.figures(row)[0]
    return SENTENCES(
        "more_settled" if direction.settled else "more_unsettled",
        word=direction.word,
        way=direction.way,
        though=direction.leaning,
        mean=mean.removeprefix(MINUS) if direction.settled else mean,
        unit=unit,
        interval=estimates.spoken(row, lower=direction.lower),
        direction=estimates.direction_spoken(row, lower=direction.lower),
    )
