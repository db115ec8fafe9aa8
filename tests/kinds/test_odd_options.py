"""Options of another kind than theirs, of every function that a table or a fit has: an error of the package's own."""

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.kinds import is_number, is_pair, is_several, is_text_list, is_whole
from builders import rows

ODD: tuple[Any, ...] = (
    3, -1, 1.5, math.nan, math.inf, 10**30, True, "x", "", [], {}, {"x": 1}, ["alliance"], [1], [None],
    ("a", 1), object(), b"x", set(), len, np.array([1, 2]), pd.DataFrame(), None,
)  # fmt: skip
MODEL = ab.Model("who5_followup ~ alliance + who5_baseline + (1 | country)")
TABLE = rows(60)
# The function, what it is given besides the odd option, and what is no option of numbers, names and choices.
DOORS: dict[str, tuple[Callable[..., Any], dict[str, Any], set[str]]] = {
    "fit": (MODEL.fit, {"cohort": TABLE, "draws": 50, "chains": 2, "seed": 1}, {"progress"}),
    "prior_predictive": (MODEL.prior_predictive, {"cohort": TABLE, "draws": 5}, set()),
    "read_cohort": (ab.read_cohort, {"source": TABLE}, set()),
    "effects": (ab.Fit.effects, {"estimands": ["slopes"]}, set()),
    "slopes": (ab.Fit.slopes, {}, set()),
    "adjusted_means": (ab.Fit.adjusted_means, {"factor": "country"}, set()),
    "contrasts": (ab.Fit.contrasts, {"factor": "country"}, set()),
    "predictions": (ab.Fit.predictions, {"at": {"alliance": 3}}, set()),
    "confounding": (ab.Fit.confounding, {}, set()),
    "improvement": (ab.Fit.improvement, {}, {"among"}),
}


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return MODEL.fit(TABLE, seed=1, draws=100, chains=2)


def options(door: str) -> Iterable[str]:
    call, _, apart = DOORS[door]
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [one.name for one in inspect.signature(call).parameters.values() if one.kind in kinds]
    return [name for name in named if name not in apart and name not in ("self", "fit", "cohort", "source")]


@pytest.mark.slow
@pytest.mark.parametrize(("door", "name"), [(door, name) for door in DOORS for name in options(door)])
def test_only_an_error_of_the_package_comes_of_an_odd_option(fit: ab.Fit, door: str, name: str) -> None:
    call, given, _ = DOORS[door]
    self = (fit,) if not given.keys() & {"cohort", "source"} else ()
    refused = 0
    for value in ODD:
        try:
            call(*self, **{**given, name: value})
        except ab.AllianceBayesError as error:
            refused += 1
            assert len(str(error)) < 3_000  # noqa: PT017 - of each of many values
    # Text files alone have these; anything passes for true or false.
    if (door, name) not in {("read_cohort", one) for one in ("encoding", "sep", "sheet", "set_aside")}:
        assert refused > len(ODD) / 3


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda fit: fit.effects(seed=-1), "seed"),
        (lambda fit: fit.effects(prob="0.9"), "prob"),
        (lambda fit: fit.effects(rope=3), "rope"),
        (lambda fit: fit.effects(relevant="10"), "relevant"),
        (lambda fit: fit.effects(predictor=3), "predictor"),
        (lambda fit: fit.adjusted_means(["country"]), "factor"),
        (lambda fit: fit.contrasts("country", levels=3), "levels"),
        (lambda fit: fit.improvement(by="10"), "by"),
        (lambda fit: fit.improvement(to=[1]), "to"),
        (lambda fit: MODEL.fit(TABLE, chains="4"), "chains"),
        (lambda fit: MODEL.fit(TABLE, same_people=3), "same_people"),
        (lambda fit: MODEL.prior_predictive(TABLE, seed=1.5), "seed"),
        (lambda fit: ab.read_cohort(TABLE, numeric=None), "numeric"),
        (lambda fit: ab.Report(prob="x"), "prob"),
    ],
)
def test_it_is_told_by_its_name(fit: ab.Fit, call: Callable[[ab.Fit], object], name: str) -> None:
    with pytest.raises(ab.UsageError, match=rf"^{name} should be"):
        call(fit)


def test_what_numbers_pairs_and_lists_are() -> None:
    assert is_number(np.float64(1.5))
    assert is_number(np.int64(1))
    assert not any(map(is_number, (True, np.True_, math.nan, math.inf, "1", None, 1j)))
    assert is_whole(np.int64(3), 1, 3)
    assert not any(is_whole(value, 1, 3) for value in (0, 4, 2.0, True, "2", None))
    assert is_pair(np.array([1, 2]))
    assert not any(map(is_pair, ((1,), (1, math.nan), {1: 2, 3: 4}, "ab", None)))
    assert is_text_list(("a", "b"))
    assert not any(map(is_text_list, ("ab", {"a", "b"}, ["a", ""], [1], None)))


def test_what_several_ones_are() -> None:
    """A set has another order in every process, which levels, rows and draws would follow."""
    several = [(), [], ["a"], np.arange(2), pd.Index(["a"]), pd.Series(["a"]), {"a": 1}, {"a": 1}.keys(), range(3)]
    assert all(map(is_several, several))
    assert not any(map(is_several, ["", "ab", b"ab", None, 3, {"a"}, frozenset("a"), object()]))


def test_a_set_of_levels_names_or_shifts_is_refused(fit: ab.Fit) -> None:
    levels = {"sex": {"male", "female"}}
    with pytest.raises(ab.ModelError, match="levels of 'sex' should be listed"):
        ab.Model("who5_followup ~ alliance + sex", levels=levels)  # type: ignore[dict-item]
    with pytest.raises(ab.UsageError, match="levels should map columns to lists of levels"):
        ab.read_cohort(TABLE, levels=levels)  # type: ignore[arg-type]
    with pytest.raises(ab.UsageError, match="estimands should be a sequence of names"):
        fit.effects({"slopes", "contrasts"})
    with pytest.raises(ab.UsageError, match="benchmarks should be a sequence of names"):
        fit.confounding(benchmarks={"who5_baseline"})  # type: ignore[arg-type]
