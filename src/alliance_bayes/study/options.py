"""What a study is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alliance_bayes.cohort import Cohort
from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import WHO5
from alliance_bayes.kinds import is_number, is_pair, is_text_list, is_whole
from alliance_bayes.model.missingness import MISSING
from alliance_bayes.model.scales import BUILT_IN, Scale, scale_of, scales_of
from alliance_bayes.remedies import argument
from alliance_bayes.report.endpoints import ELEVATED
from alliance_bayes.report.small_counts import SMALL

__all__ = ["StudyOptions", "alliance_scale"]

# The column whose reference SD a margin is a tenth of by default.
_MEASURED = {"margin": "who5_followup", "alliance_margin": "alliance"}


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """Choices that all parts of a study share.

    Parameters
    ----------
    full
        Whether the models that need minutes are fitted too: other families, latent alliance, sessions.
    prob
        Probability of the intervals (equal-tailed).
    elevated
        WHO-5 score at or below which depressive symptoms count as elevated.
    improvement
        Smallest relevant change, WHO-5 points.
    margin
        Largest difference that counts as none, in WHO-5 points (for slopes: points per alliance point); 2 are a tenth
        of the SD of 19.
    alliance_margin
        The same for ratings of the alliance, in alliance points; 0.07 are a tenth of the SD of 0.7.
    population_mean
        Lowest and highest mean WHO-5 that the population of the participants may have, to which low scores regress;
        by default the range of European countries.
    seed
        Seed of every random number.
    small
        Fewest people that a shown count stands for.
    same_people
        Whether all models are fitted to those who have a value in every column of all of them, so that no two of them
        differ by a few people.
    missing
        ``"drop"``: who lacks a value of a model's column is left out of it. ``"impute"``: the parts on change,
        association, moderation and outcome by modality draw missing values together with their parameters, given the
        study's other columns too; see :class:`alliance_bayes.Model`.
    auxiliary
        Further columns that tell something of the missing values, where they are drawn.

    Raises
    ------
    UsageError
        A value outside its range; all of them are named.
    """

    full: bool = False
    prob: float = 0.89
    elevated: float = float(ELEVATED)
    improvement: float = float(WHO5.smallest_relevant_change or 10)
    margin: float = 2.0
    alliance_margin: float = 0.07
    population_mean: tuple[float, float] = WHO5.population_means or (47.0, 70.0)
    seed: int = 7
    small: int = SMALL
    same_people: bool = False
    missing: str = "drop"
    auxiliary: Sequence[str] = ()

    @property
    def imputes(self) -> bool:
        """Whether missing values are drawn."""
        return self.missing == "impute"

    def reason(self, name: str, scale: Scale | None = None) -> str:
        """Why a margin (``"margin"`` or ``"alliance_margin"``) is what it is.

        Parameters
        ----------
        name
            Of the margin.
        scale
            Of what it is a margin of; by default that of its name.

        Returns
        -------
        str
            A sentence.
        """
        scale = scale or scale_of(_MEASURED[name], {})
        assert scale is not None
        # 2 stands for a tenth of 19.
        near = abs(10 * getattr(self, name) / scale.sd - 1) < 0.1
        return f"a tenth of the reference SD of {scale.sd:g}" if near else "chosen by the analyst"

    @property
    def rope(self) -> tuple[float, float]:
        """Region of practical equivalence in WHO-5 points."""
        return -self.margin, self.margin

    @property
    def alliance_rope(self) -> tuple[float, float]:
        """Region of practical equivalence in alliance points."""
        return -self.alliance_margin, self.alliance_margin

    def __post_init__(self) -> None:
        faults = [
            f"{argument(name)} should be {rule} but got {getattr(self, name)!r}"
            for names, rule, holds in _RULES
            for name in names
            if not holds(getattr(self, name))
        ]
        if not faults:
            object.__setattr__(self, "auxiliary", tuple(self.auxiliary))
            faults += filter(None, [_contradiction(self)])
        if faults:
            raise UsageError(f"run_study: {'; '.join(faults)}. Nothing was fitted.")
        low, high = self.population_mean
        object.__setattr__(self, "population_mean", (float(low), float(high)))


def _contradiction(options: StudyOptions) -> str:
    """What does not go together; empty where everything does."""
    if options.imputes and options.same_people:
        return (
            f"{argument('missing', 'impute')} draws what people lack, and {argument('same_people', True)} leaves them "
            "out; choose one"
        )
    if options.auxiliary and not options.imputes:
        return f"{argument('auxiliary')} is of use where values are drawn: {argument('missing', 'impute')}"
    return ""


def alliance_scale(cohort: Cohort) -> Scale:
    """The scale of the alliance score."""
    return scales_of(cohort).get("alliance", BUILT_IN["alliance"])


def _range(means: Any) -> bool:
    """Whether something is two numbers from 0 to 100, the lower first."""
    return is_pair(means) and 0 <= means[0] < means[1] <= 100


# Which fields should be what.
_RULES: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (("prob",), "in the interval (0, 1)", lambda value: is_number(value) and 0 < value < 1),
    (("elevated",), "in the interval [0, 100)", lambda value: is_number(value) and 0 <= value < 100),
    (
        ("improvement", "margin", "alliance_margin"),
        "a finite number above 0",
        lambda value: is_number(value) and value > 0,
    ),
    (("population_mean",), "two numbers from 0 to 100, the lower first,", _range),
    (("seed",), "a whole number, 0 or more,", lambda value: is_whole(value, least=0)),
    (("small",), "a whole number, 1 or more,", lambda value: is_whole(value, least=1)),
    (("same_people",), "True or False", lambda value: isinstance(value, bool)),
    (("missing",), " or ".join(map(repr, MISSING)), lambda value: value in MISSING),
    (("auxiliary",), "a list of names of columns", is_text_list),
)
