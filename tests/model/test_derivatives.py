"""Derivatives of design columns are those of calculus, and steps and corners have none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import BSpline

import alliance_bayes as ab
from alliance_bayes.effects import slopes, slopes_by_level
from alliance_bayes.model import Design, ModelSpec
from alliance_bayes.model.derivative import RoughnessError
from builders import fitted, rows


def frame_of(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return rows(n).assign(x=rng.uniform(0.5, 6.0, n), w=rng.normal(2, 1, n))


def changes(right: str, frame: pd.DataFrame | None = None, column: str = "x") -> tuple[Design, dict[str, np.ndarray]]:
    frame = frame_of() if frame is None else frame
    design = ModelSpec(f"who5_followup ~ {right}", autoscale=True).design(frame)
    change = design.change(frame, column, design.rows)
    found = dict(zip(design.terms, change.x.T, strict=True))
    if change.offset is not None:
        found["offset"] = change.offset
    for factor in design.factors:
        found |= {f"{factor.name}|{term}": own for term, own in zip(factor.terms, change.z[factor.name].T, strict=True)}
    return design, found


# Term, and its derivative along x by calculus, given x, w and the mean of w.
CALCULUS = {
    "x": lambda x, w, m: np.ones_like(x),
    "log(x)": lambda x, w, m: 1 / x,
    "log1p(x)": lambda x, w, m: 1 / (1 + x),
    "log2(x)": lambda x, w, m: 1 / (x * np.log(2)),
    "log10(x)": lambda x, w, m: 1 / (x * np.log(10)),
    "sqrt(x)": lambda x, w, m: 0.5 / np.sqrt(x),
    "exp(x)": lambda x, w, m: np.exp(x),
    "np.exp(-x / 2)": lambda x, w, m: -np.exp(-x / 2) / 2,
    "I(x ** 3 - 2 * x)": lambda x, w, m: 3 * x**2 - 2,
    "I(x / (1 + x))": lambda x, w, m: 1 / (1 + x) ** 2,
    "I(x ** 0.5)": lambda x, w, m: 0.5 / np.sqrt(x),
    "I(w * x)": lambda x, w, m: w,
    "I(x * (w >= 2))": lambda x, w, m: (w >= 2).astype(float),
    "abs(x - 3)": lambda x, w, m: np.sign(x - 3),
    "minimum(x, 4)": lambda x, w, m: (x < 4).astype(float),
    "maximum(x, w)": lambda x, w, m: (x > w).astype(float),
    "scale(x)": lambda x, w, m: np.full_like(x, 1 / x.std()),
    "center(x)": lambda x, w, m: np.ones_like(x),
    "log(scale(x) + 5)": lambda x, w, m: 1 / (x.std() * ((x - x.mean()) / x.std() + 5)),
    # Of products without x as a term, w is not centred.
    "x:w": lambda x, w, m: w,
    "log(x):w": lambda x, w, m: w / x,
    "x * w": lambda x, w, m: w - m,
    "offset(x ** 2)": lambda x, w, m: 2 * x,
}


@pytest.mark.parametrize("term", CALCULUS)
def test_columns_change_as_calculus_says(term: str) -> None:
    frame = frame_of()
    x, w = frame["x"].to_numpy(), frame["w"].to_numpy()
    right = f"w + {term}"
    design, found = changes(right)
    label = "offset" if term.startswith("offset") else design.terms[-1]
    expected = CALCULUS[term](x, w, w.mean())
    np.testing.assert_allclose(found[label], expected, rtol=1e-11, atol=1e-12)
    assert not found["w"].any()
    assert not found["Intercept"].any()


def test_interactions_with_levels_and_pooled_columns() -> None:
    frame = frame_of()
    male = (frame["sex"] == "male").to_numpy(float)
    w = frame["w"].to_numpy()
    _, found = changes("x * sex + (log(x) + x:w || country)")
    np.testing.assert_array_equal(found["x:sex[male]"], male)
    np.testing.assert_allclose(found["country|log(x)"], 1 / frame["x"], rtol=1e-12)
    np.testing.assert_allclose(found["country|x:w"], w, rtol=1e-12)
    assert not found["sex[male]"].any()


def test_polynomials_and_splines() -> None:
    frame = frame_of()
    x = frame["x"].to_numpy()
    design, found = changes("poly(x, 4)")
    # The columns are polynomials: fitted to their own values, they have the derivative of the fit.
    for label in design.terms[1:]:
        values = design.rows.x[:, design.terms.index(label)]
        exact = np.polynomial.Polynomial.fit(x, values, 4).deriv()(x)
        np.testing.assert_allclose(found[label], exact, rtol=1e-9, atol=1e-9)
    for degree in (2, 3):
        design, found = changes(f"bs(x, df=6, degree={degree})")
        moved = [design.evaluate(frame.assign(x=x + by)).x for by in (-1e-5, 1e-5)]
        made = np.column_stack([found[label] for label in design.terms])
        np.testing.assert_allclose(made, (moved[1] - moved[0]) / 2e-5, rtol=1e-5, atol=1e-6)
    design, found = changes("bs(x, knots=(2.5, 4), lower_bound=0, upper_bound=7)")
    knots = np.r_[[0] * 4, 2.5, 4, [7] * 4]
    basis = np.column_stack([BSpline(knots, own, 3).derivative()(x) for own in np.eye(6)])
    made = np.column_stack([found[label] for label in design.terms[1:]])
    # Centring mixes the basis: every derivative lies in the span of the basis' own.
    left = made - basis @ np.linalg.lstsq(basis, made, rcond=None)[0]
    assert np.abs(left).max() < 1e-10


def test_smooths_within_and_beyond_their_ends() -> None:
    design = ModelSpec("who5_followup ~ s(x, k=6)", autoscale=True).design(frame_of())
    smooth = design.smooths[0]
    at = np.linspace(-1, 8, 50)
    step = 1e-5
    numeric = (smooth.evaluate(at + step) - smooth.evaluate(at - step)) / (2 * step)
    np.testing.assert_allclose(smooth.change(at), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "term",
    [
        "I(x >= 4.5)",
        "I((x < 2) * w)",
        "I(w + (x != 1))",
        "I(x * (log(x) > 1))",
        "w:I(x > 3)",
        "offset(1 * (x > 3))",
        "I(abs(x - 3) > 1)",
    ],
)
def test_a_step_has_no_derivative_however_it_is_written(term: str) -> None:
    frame = frame_of()
    design = ModelSpec(f"who5_followup ~ x + w + {term}", autoscale=True).design(frame)
    with pytest.raises(RoughnessError):
        design.change(frame, "x", design.rows)
    # Along another column, the same term may well have one.
    if term == "I(x * (log(x) > 1))":
        assert not design.change(frame, "w", design.rows).x[:, -1].any()


@pytest.mark.parametrize("term", ["abs(x - 3)", "minimum(x, 3)", "maximum(3, x)", "bs(x, knots=(3,), degree=1)"])
def test_a_corner_matters_where_somebody_is_at_it(term: str) -> None:
    frame = frame_of()
    changes(term, frame)
    with pytest.raises(RoughnessError, match="has a corner where 1 of the rows lie"):
        changes(term, frame.assign(x=np.r_[3.0, frame["x"].to_numpy()[1:]]))


@pytest.mark.parametrize("family", ["gaussian", "beta_binomial"])
def test_the_row_of_a_step_is_empty_and_the_contrast_stands(family: str) -> None:
    frame = frame_of()
    means = {"beta": 0.1} if family == "beta_binomial" else None
    fit = fitted(
        frame,
        formula="who5_followup ~ I(x >= 4.5) + sex",
        spec={"family": family, "focal": "x", "autoscale": True},
        means=means,
    )
    table = slopes(fit).set_index("estimand")
    empty = ["slope", "slope_per_sd", "slope_standardised", "partial_correlation"]
    assert table.loc[empty, ["mean", "lower", "upper"]].isna().all(axis=None)
    assert set(table.loc[empty, "note"]) == {"'I(x >= 4.5)' compares 'x', so that it jumps"}
    assert np.isfinite(table.loc["slope_p10_p90", "mean"])
    if family == "gaussian":
        beta = fit.stacked["beta"][:, fit.design.terms.index("I(x >= 4.5)")]
        assert table.loc["slope_p10_p90", "mean"] == pytest.approx(beta.mean(), rel=1e-10)
    assert slopes_by_level(fit, "sex")["mean"].isna().all()


@pytest.mark.parametrize(("centre", "sd"), [(1e16, 1e6), (1e9, 1.0), (0.0, 1e-12), (1e-12, 1e-13), (0.0, 1e12)])
def test_slopes_of_numbers_of_any_size_are_exact(centre: float, sd: float) -> None:
    frame = frame_of()
    frame["x"] = centre + np.round(sd * np.random.default_rng(1).normal(size=len(frame)) / 4, 14) * 4
    fit = fitted(
        frame,
        formula="who5_followup ~ x + w",
        spec={"autoscale": True, "focal": "x"},
        means={"beta": [45.0, 2.0, 0.0]},
        sds={"beta": 0.0},
    )
    table = slopes(fit).set_index("estimand")
    x = frame["x"].to_numpy()
    own = (x - x[0]).std(ddof=1)
    assert table.loc["slope", "mean"] == pytest.approx(2.0, rel=1e-12)
    assert table.loc["slope_per_sd", "mean"] == pytest.approx(2.0 * own, rel=1e-9)


def test_numbers_whose_differences_are_lost_to_rounding_are_refused_before_anything_is_fitted() -> None:
    frame = frame_of().assign(x=1e16 + 2 * np.arange(60.0))
    with pytest.raises(ab.ModelError, match="'x' differs by less than its digits can tell"):
        ModelSpec("who5_followup ~ x", autoscale=True).design(frame)
