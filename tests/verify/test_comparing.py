"""Figures of a page against those of a refit: the same, within Monte Carlo error, or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alliance_bayes.report.page import GIVEN, NUMBERS
from alliance_bayes.verify.comparing import compare

PROB = 0.89


def summary(draws: np.ndarray) -> dict[str, Any]:
    low, high = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2])
    return {
        "mean": float(draws.mean()),
        "sd": float(draws.std(ddof=1)),
        "median": float(np.median(draws)),
        "lower": float(low),
        "upper": float(high),
        "p_direction": float(max((draws > 0).mean(), (draws < 0).mean())),
        "p_rope": float((np.abs(draws) <= 2).mean()),
        "p_relevant": float((np.abs(draws) >= 3).mean()),
        "interval": "eti",
        "prob": PROB,
        "rope_low": -2.0,
        "rope_high": 2.0,
        "relevant": 3.0,
        "mcse_mean": 0.01,
    }


def normal(seed: int, *, mean: float = 1.5) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.2, (4, 1000))


def disagreeing(page: dict[str, Any], draws: np.ndarray) -> list[str]:
    return [figure.name for figure in compare("row", page, summary(draws), lambda: draws) if not figure.agree]


def test_every_figure_but_the_error_itself_is_compared() -> None:
    draws = normal(0)
    figures = compare("row", summary(draws), summary(draws), lambda: draws)
    assert sorted(figure.name for figure in figures) == sorted({*NUMBERS, *GIVEN} - {"mcse_mean"})
    assert all(figure.agree and np.isnan(figure.error) for figure in figures)


@pytest.mark.parametrize("seed", range(1, 6))
def test_another_run_agrees_and_its_differences_are_of_the_size_of_their_errors(seed: int) -> None:
    draws, other = normal(0), normal(seed)
    figures = [figure for figure in compare("row", summary(other), summary(draws), lambda: draws) if figure.error > 0]
    assert {figure.name for figure in figures} == set(NUMBERS)
    assert all(figure.agree for figure in figures)
    # Eight figures, hardly independent: their mean square is near 1, and below 0.01 only if the errors were too large.
    assert 0.01 < np.mean([((figure.page - figure.again) / figure.error) ** 2 for figure in figures]) < 6


@pytest.mark.parametrize("name", NUMBERS)
def test_a_figure_off_by_more_than_chance_is_named(name: str) -> None:
    draws = normal(0)
    page = summary(draws)
    # Some seven standard errors of the least certain of them, a limit of the interval.
    page[name] += 0.4
    assert disagreeing(page, draws) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [("interval", "hdi"), ("prob", 0.9), ("rope_low", -1.9), ("rope_high", 2.1), ("relevant", 10.0)],
)
def test_what_a_row_is_told_by_must_be_the_same(name: str, value: Any) -> None:
    draws = normal(0)
    assert disagreeing({**summary(draws), name: value}, draws) == [name]


@pytest.mark.parametrize("name", ["mean", "p_rope", "relevant"])
def test_a_figure_that_only_one_of_them_has_differs(name: str) -> None:
    draws = normal(0)
    assert disagreeing({**summary(draws), name: None}, draws) == [name]


def test_a_figure_that_neither_has_is_not_compared() -> None:
    draws = normal(0)
    page, again = ({**summary(draws), "p_rope": value} for value in (None, float("nan")))
    figures = compare("row", page, again, lambda: draws)
    assert "p_rope" not in [figure.name for figure in figures]
    assert all(figure.agree for figure in figures)


def test_a_share_that_no_draw_has_may_differ_by_a_few_draws_only() -> None:
    draws = normal(0, mean=12.0)
    assert summary(draws)["p_rope"] == 0.0
    assert disagreeing({**summary(draws), "p_rope": 1 / 4000}, draws) == []
    assert disagreeing({**summary(draws), "p_rope": 0.01}, draws) == ["p_rope"]


@pytest.mark.parametrize("end", [np.inf, -np.inf, np.nan])
def test_a_figure_that_is_not_finite_is_none_in_a_page_and_nothing_else(end: float) -> None:
    draws = normal(1)
    again = {**summary(draws), "upper": end}
    for value, agree in ((None, True), (3.0, False)):
        figures = compare("row", {**again, "upper": value}, again, lambda: draws)
        assert all(figure.agree for figure in figures) is agree
