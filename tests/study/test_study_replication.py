"""Published numbers beside their posteriors: all of them, and the regressions agree with least squares."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation.published import PUBLISHED, PublishedFigure, replicate
from alliance_bayes.study import beside_print
from alliance_bayes.study.replication import _row


@pytest.fixture(scope="module")
def cohort() -> ab.Cohort:
    return ab.simulate_cohort(n=800, seed=5)


@pytest.fixture(scope="module")
def table(cohort: ab.Cohort) -> pd.DataFrame:
    return beside_print(cohort, seed=1)


def test_every_published_figure_is_there_with_its_source(table: pd.DataFrame) -> None:
    assert table["figure"].tolist() == [figure.key for figure in PUBLISHED]
    assert table["published"].tolist() == [figure.value for figure in PUBLISHED]
    assert table["source"].tolist() == [figure.source for figure in PUBLISHED]
    assert table["status"].tolist() == [figure.status for figure in PUBLISHED]
    for figure, (_, row) in zip(PUBLISHED, table.iterrows(), strict=True):
        if figure.se is None:
            assert math.isnan(row["published_lower"])
        else:
            assert row["published_upper"] - row["published_lower"] == pytest.approx(2 * 1.959964 * figure.se)
    assert (table["lower"] <= table["mean"]).all()
    assert (table["mean"] <= table["upper"]).all()
    assert table["inside"].dtype == np.bool_


def test_posteriors_are_centred_where_the_cohort_is(cohort: ab.Cohort, table: pd.DataFrame) -> None:
    """Every posterior mean is within half a posterior SD of the figure recomputed as the study computed it.

    Weak priors and a few hundred rows move a coefficient by a few hundredths of its SD, the Monte Carlo error of 1,000
    draws is .03 SD; a Bayesian bootstrap has the sample's statistic as its mean up to terms of order 1 / n. Medians of
    few distinct values jump between them, and R squared counts the spread of the coefficients (5 coefficients of some
    200 rows: .02), so these are compared on their own.
    """
    assert cohort.sessions is not None
    found = replicate(cohort.data, cohort.sessions)
    rows = table.set_index("figure")
    apart = {"sessions_median", "days_median", "r2", "elevated_r2"} | {k for k in rows.index if "alliance_median" in k}

    for name in sorted(set(rows.index) - apart):
        sd = (rows.loc[name, "upper"] - rows.loc[name, "lower"]) / 3.92
        assert abs(rows.loc[name, "mean"] - found[name]) < 0.5 * sd, name
    for name in apart:
        slack = 0.03 if "r2" in name else 0.0
        assert rows.loc[name, "lower"] - slack <= found[name] <= rows.loc[name, "upper"] + slack, name


def test_the_same_seed_gives_the_same_table(cohort: ab.Cohort) -> None:
    one, two, other = (beside_print(cohort, draws=50, seed=seed) for seed in (3, 3, 4))

    pd.testing.assert_frame_equal(one, two)
    assert (one["mean"] != other["mean"]).sum() > 20


def test_a_table_alone_is_not_enough(cohort: ab.Cohort) -> None:
    alone = ab.Cohort(cohort.data, source="table.csv")

    with pytest.raises(UsageError) as caught:
        beside_print(alone)

    assert str(caught.value) == (
        "table.csv: this comparison needs the sessions behind the table (Cronbach's alpha). Give the three tables "
        "(read_tables()), or simulate a cohort."
    )


@pytest.mark.parametrize(
    ("status", "value", "expected"),
    [
        # Draws 0, ..., 100: the 90 % interval is 5 to 95, and the print is rounded to whole numbers.
        ("published", 5.0, True),
        ("published", 4.5, True),
        ("published", 4.4, False),
        ("published", 95.5, True),
        ("published", 95.6, False),
        # Of a derived figure the rounding is how far it is uncertain to either side.
        ("derived", 4.0, True),
        ("derived", 3.9, False),
        ("derived", 96.0, True),
        ("derived", 96.1, False),
    ],
)
def test_inside_is_inside_the_interval_widened_by_the_rounding(status: str, value: float, expected: bool) -> None:
    figure = PublishedFigure(key="k", value=value, rounding=1.0, se=None, status=status, source="s")  # type: ignore[arg-type]

    row = _row(figure, np.arange(101.0), "how", 0.9)

    assert (row["lower"], row["upper"], row["inside"]) == (pytest.approx(5.0), pytest.approx(95.0), expected)
    assert (row["figure"], row["how"], row["source"], row["mean"]) == ("k", "how", "s", 50.0)
