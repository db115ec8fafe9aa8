"""The basis of a smooth: a natural cubic spline without its straight line, on a scale of its own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, Smooth
from alliance_bayes.model.nodes import SmoothTerm
from alliance_bayes.model.smooth import _integrated_hats, _roughness_factor, build_smooth
from builders import rows

# Scores with many ties, some far from zero: 12 or more distinct values on a grid of quarters.
SCORES = st.builds(
    lambda ties, offset: np.r_[ties, np.arange(12) * 1.5] / 4 + offset,
    hnp.arrays(np.float64, st.integers(1, 80), elements=st.integers(0, 90).map(float)),
    st.sampled_from([0.0, -3.0, 500.0]),
)
SIZES = st.integers(1, 10)
# No deadlines: the first example of all loads SciPy's linear algebra.


def smooth_of(values: np.ndarray, size: int, knots: tuple[float, ...] | None = None) -> Smooth:
    return build_smooth(SmoothTerm("a", size, knots), pd.DataFrame({"a": values}))


@settings(deadline=None)
@given(SCORES, SIZES)
def test_the_basis_is_level_and_has_no_slope_over_the_rows_and_its_scale_is_one(values: np.ndarray, size: int) -> None:
    basis = smooth_of(values, size).evaluate(values)
    assert basis.shape == (values.size, size)
    away = (values - values.mean()) / values.std()
    # Squares of the columns add up to 1 on average, so these are correlations but for a factor up to one. The columns
    # are what is left of curves that are up to a thousand times larger: rounding is 1e-16 times that.
    assert np.abs(basis.mean(axis=0)).max() < 1e-11
    assert np.abs(away @ basis).max() / values.size < 1e-11
    assert (basis**2).sum(axis=1).mean() == pytest.approx(1.0, abs=1e-10)


@settings(deadline=None)
@given(SCORES, SIZES, st.integers(0, 5))
def test_the_same_rows_give_the_same_basis_bit_for_bit(values: np.ndarray, size: int, seed: int) -> None:
    first, again = smooth_of(values, size), smooth_of(values.copy(), size)
    np.testing.assert_array_equal(first.evaluate(values), again.evaluate(values))
    assert (first.knots, first.ends) == (again.knots, again.ends)
    some = np.random.default_rng(seed).choice(values, 7)
    whole = first.evaluate(values)
    # A matrix product of another shape may add up in another order.
    for value, row in zip(some, first.evaluate(some), strict=True):
        np.testing.assert_allclose(row, whole[np.flatnonzero(values == value)[0]], rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(SCORES, SIZES, st.floats(0.1, 20), st.floats(-50, 50))
def test_the_unit_of_the_column_does_not_matter(values: np.ndarray, size: int, unit: float, shift: float) -> None:
    # Tied values stay tied, and quantiles go along with the unit.
    one, other = smooth_of(values, size), smooth_of(values * unit + shift, size)
    np.testing.assert_allclose(other.evaluate(values * unit + shift), one.evaluate(values), atol=1e-6)


def test_the_span_is_that_of_natural_cubic_splines() -> None:
    values = np.linspace(1, 5, 400)
    smooth = smooth_of(values, 4, (2.0, 3.0, 3.5, 4.5))
    assert (smooth.knots, smooth.ends, smooth.declared) == ((2.0, 3.0, 3.5, 4.5), (1.0, 5.0), True)
    # Natural cubic splines through values at the six places: the classical construction, from SciPy.
    from scipy.interpolate import CubicSpline

    places = np.array([1.0, 2.0, 3.0, 3.5, 4.5, 5.0])
    natural = CubicSpline(places, np.eye(6), bc_type="natural")(values)
    ours = np.column_stack([np.ones(400), values, smooth.evaluate(values)])
    assert np.linalg.matrix_rank(ours) == 6
    rest = natural - ours @ np.linalg.lstsq(ours, natural, rcond=None)[0]
    assert np.abs(rest).max() < 1e-10  # rounding of a least-squares solution


def test_exchangeable_coefficients_are_the_penalty_on_the_second_derivative() -> None:
    values = np.linspace(0, 2, 300)
    smooth = smooth_of(values, 5)
    grid = np.linspace(0, 2, 20_001)
    second = np.gradient(np.gradient(smooth.evaluate(grid), grid, axis=0), grid, axis=0)[2:-2]
    roughness = second.T @ second * (grid[1] - grid[0])
    # u'u times one number, to the accuracy of differences on the grid.
    np.testing.assert_allclose(roughness / roughness[0, 0], np.eye(5), atol=2e-3)


def test_beyond_the_ends_it_is_a_straight_line_that_joins_smoothly() -> None:
    values = rows(200)["alliance"].to_numpy(float)
    smooth = smooth_of(values, 6)
    lower, upper = smooth.ends
    for start, way in ((upper, 1.0), (lower, -1.0)):
        steps = start + way * np.array([0.0, 1.0, 2.0, 40.0])
        at = smooth.evaluate(steps)
        np.testing.assert_allclose(at[2] - at[1], at[1] - at[0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose((at[3] - at[0]) / 40, at[1] - at[0], rtol=1e-9, atol=1e-9)
        inside = (at[0] - smooth.evaluate(np.array([start - way * 1e-6]))[0]) / 1e-6
        np.testing.assert_allclose(inside, at[1] - at[0], rtol=1e-4, atol=1e-4)  # a difference over 1e-6


def test_knots_are_quantiles_of_the_distinct_values() -> None:
    values = np.r_[np.full(1000, 5.0), np.arange(0, 5, 0.25)]
    assert smooth_of(values, 3).knots == (1.25, 2.5, 3.75)
    assert smooth_of(values, 3).declared is False


def test_in_a_design() -> None:
    frame = rows(120)
    spec = ModelSpec("who5_followup ~ s(alliance) + s(age, k=4) + (1 | country)")
    design = spec.design(frame)
    assert [(s.name, s.title, s.column, s.size, s.labels) for s in design.smooths] == [
        ("s_alliance", "s(alliance)", "alliance", 6, ("1", "2", "3", "4", "5", "6")),
        ("s_age", "s(age)", "age", 2, ("1", "2")),
    ]
    assert design.terms == ("Intercept", "alliance", "age")
    assert {name: basis.shape for name, basis in design.rows.basis.items()} == {
        "s_alliance": (120, 6),
        "s_age": (120, 2),
    }
    again = design.evaluate(frame)
    for name, basis in design.rows.basis.items():
        np.testing.assert_array_equal(again.basis[name], basis)
    assert ModelSpec("who5_followup ~ alliance").design(frame).rows.basis == {}


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (
            "who5_followup ~ s(sex)",
            "s(sex) needs a numeric column, but 'sex' has levels. Write it as a common term or pool over it.",
        ),
        (
            "who5_followup ~ s(few)",
            "s(few) with 6 knots needs at least 8 distinct values, but 'few' has 5 in the analysed rows. Ask for k of "
            "at most 5, or the column itself in place of s(few).",
        ),
        (
            "who5_followup ~ s(few, knots=(1, 2, 2.5, 3))",
            "s(few) with 4 knots needs at least 6 distinct values, but 'few' has 5 in the analysed rows. Ask for at "
            "most 3 knots, or the column itself in place of s(few).",
        ),
        (
            "who5_followup ~ s(two)",
            "s(two) with 6 knots needs at least 8 distinct values, but 'two' has 2 in the analysed rows. Write the "
            "column itself in place of s(two).",
        ),
        (
            "who5_followup ~ s(few, knots=(1, 4))",
            "s(few): the knots 1, 4 should lie between the least and the largest value of the analysed rows, 0 and 4. "
            "Leave the others out.",
        ),
        (
            "who5_followup ~ s(far)",
            "s(far): its knots are closer to each other, or to the least or largest value, than a millionth of the "
            "distance from 0 to 1e+40, where no curve can be computed. Take the logarithm of 'far' in the table, "
            "correct values that are far from all others, or state knots further apart.",
        ),
    ],
)
def test_refusals(formula: str, message: str) -> None:
    frame = rows(60).assign(few=np.arange(60.0) % 5, two=np.arange(60.0) % 2, far=[*np.arange(59.0), 1e40])
    with pytest.raises(ModelError) as caught:
        ModelSpec(formula, autoscale=True).design(frame)
    assert str(caught.value) == message


@pytest.mark.parametrize("gap", [2e-6, 1e-4, 1e-2])
def test_knots_that_are_close_together_make_hats_of_three_digits(gap: float) -> None:
    """Of all that are not refused; against cubes in fractions."""
    places = np.array([0.0, gap, 2 * gap, 3 * gap, 1.0])
    at = np.linspace(0.01, 1, 23)
    exact = [[Fraction(place) for place in places[k : k + 3]] for k in range(3)]
    expected = [
        [
            float(
                sum(
                    weight * max(Fraction(place) - corner, Fraction(0)) ** 3 / 6
                    for weight, corner in (
                        (1 / (b - a), a),
                        (-1 / (b - a) - 1 / (c - b), b),
                        (1 / (c - b), c),
                    )
                )
            )
            for a, b, c in exact
        ]
        for place in at
    ]
    np.testing.assert_allclose(_integrated_hats(at, places), expected, rtol=1e-3)
    assert np.isfinite(_roughness_factor(places)).all()


def test_a_curve_over_many_orders_of_magnitude_is_refused_and_one_over_their_logarithm_is_not() -> None:
    """The matrix of roughness had no factor, and the fit ended in an error of linear algebra."""
    values = 10.0 ** np.linspace(-60, 40, 120)
    with pytest.raises(ModelError, match="Take the logarithm of 'a'"):
        smooth_of(values, 6)
    assert np.isfinite(smooth_of(np.log10(values), 6).evaluate(np.log10(values))).all()
