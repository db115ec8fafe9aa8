"""Smooths with declared knots, reduced where the table is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.moments import moments_of

FORMULA = (
    "who5_followup ~ s(alliance, knots=(2.5, 3.5, 4.5)) + s(age, knots=(30, 40)) + alliance:who5_baseline"
    " + (alliance || country)"
)


@pytest.fixture(scope="module")
def cohort() -> ab.Cohort:
    return ab.simulate_cohort(n=900, seed=2)


@pytest.fixture(scope="module")
def table(cohort: ab.Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smooths") / "cohort.parquet"
    cohort.data.to_parquet(path)
    return path


def model(cohort: ab.Cohort, formula: str = FORMULA) -> ab.Model:
    # A Parquet table does not tell the order of levels.
    levels = {"country": tuple(cohort.data["country"].cat.categories)}
    return ab.Model(formula, priors="literature", levels=levels)


def test_bases_and_moments_are_those_of_the_rows(cohort: ab.Cohort, table: Path) -> None:
    spec = model(cohort)
    design = spec.design(cohort.complete(spec.columns)[0])
    rows, reduced = moments_of(design, spec=spec), ab.reduce_table(table, spec)
    assert reduced.columns == rows.columns
    assert sum(label.startswith("s_") for label in reduced.columns) == 5
    assert set(reduced.bases) == {"s_alliance", "s_age"}
    for name, numbers in rows.bases.items():
        # The curve minus its line keeps some ten of the sixteen digits of the cubes it is made of.
        np.testing.assert_allclose(reduced.bases[name], numbers, rtol=1e-9, atol=1e-9)
    sizes = np.sqrt(np.diag(rows.total_cross) / rows.n)
    np.testing.assert_allclose((reduced.means - rows.means) / sizes, 0.0, atol=1e-9)
    np.testing.assert_allclose((reduced.cross - rows.cross) / np.outer(sizes, sizes), 0.0, atol=1e-8)


def test_the_posterior_is_that_of_the_rows(cohort: ab.Cohort, table: Path) -> None:
    spec = model(cohort)
    rows = spec.fit(cohort, seed=1, draws=100, progress=False)
    reduced = spec.fit(ab.reduce_table(table, spec), seed=1, draws=100, progress=False)
    for name in ("beta", "u_s_alliance", "tau_s_alliance", "u_s_age", "u_country", "sigma"):
        # The same seed; rounding of the moments is what differs.
        gap = np.abs(rows.posterior[name] - reduced.posterior[name]) / rows.posterior[name].std()
        assert float(gap.max()) < 1e-6, name


@pytest.mark.parametrize(
    ("smooth", "message"),
    [
        (
            "s(alliance)",
            "formula 'who5_followup ~ s(alliance)': the knots of s(alliance) would depend on every row, which cannot "
            "be worked out where the table is. Declare them, as in s(alliance, knots=(...)), or read the table and fit "
            "its rows.",
        ),
        (
            "s(alliance, knots=(0, 3))",
            "s(alliance): the knots 0, 3 should lie between the least and the largest value of the analysed rows, 1.7 "
            "and 5. Leave the others out.",
        ),
        (
            "s(alliance, knots=(3, 3.000001, 4))",
            "s(alliance): its knots are closer to each other, or to the least or largest value, than a millionth of "
            "the distance from 1.7 to 5, where no curve can be computed. Take the logarithm of 'alliance' in the "
            "table, correct values that are far from all others, or state knots further apart.",
        ),
    ],
)
def test_what_the_rows_would_have_to_tell_is_refused(cohort: ab.Cohort, table: Path, smooth: str, message: str) -> None:
    with pytest.raises(ab.ModelError) as caught:
        ab.reduce_table(table, model(cohort, f"who5_followup ~ {smooth}"))
    assert str(caught.value) == message
