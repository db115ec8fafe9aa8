"""Pairwise differences: closed forms, denominators, and what must not change them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alliance_bayes.effects import EffectTable, adjusted_means, contrasts, ranks, slopes, slopes_by_level
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance + age + (alliance || provider_type) + (alliance || country)"


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return fitted(
        rows(80, countries=4), formula=FORMULA, chains=2, draws=40, sds={"u_country": 2.0, "u_provider_type": 1.0}
    )


def test_all_pairs_of_means(fit: FittedModel) -> None:
    table = contrasts(fit, "country")
    pairs = [("C1", "C0"), ("C2", "C0"), ("C3", "C0"), ("C2", "C1"), ("C3", "C1"), ("C3", "C2")]
    assert list(zip(table["level"], table["versus"], strict=True)) == pairs * 2
    assert table["estimand"].tolist() == ["contrast_of_means"] * 6 + ["cohens_d_of_means"] * 6
    assert table["unit"].tolist() == ["WHO-5 point"] * 6 + ["SD"] * 6
    assert table["denominator"].fillna("").tolist() == [""] * 6 + ["residual SD"] * 6
    assert table["rope_low"].tolist() == pytest.approx([-2.0] * 6 + [np.nan] * 6, nan_ok=True)
    means = adjusted_means(fit, "country")
    by_level = dict(zip(means["level"], means.draws.values(), strict=True))
    for number, (level, versus) in enumerate(pairs):
        points = by_level[level] - by_level[versus]
        np.testing.assert_allclose(table.draws[table.index[number]], points, rtol=0, atol=1e-12)
        d = points / fit.posterior["sigma"].values
        np.testing.assert_allclose(table.draws[table.index[number + 6]], d, rtol=0, atol=1e-12)


@pytest.mark.parametrize("population", ["average", "sample", "equal"])
def test_differences_keep_their_digits_beside_a_large_outcome(population: str) -> None:
    """An outcome of 1e30 has steps of 1e14; what levels and predictors change it by is in the coefficients."""
    formula = "who5_followup ~ alliance + I(age ** 2) + sex + (1 | country)"
    far = fitted(rows(80, countries=3), formula=formula, chains=2, draws=40, means={"beta": [1e30, 2.0, 0.01, 3.0]})
    near = fitted(rows(80, countries=3), formula=formula, chains=2, draws=40, means={"beta": [0.0, 2.0, 0.01, 3.0]})
    term = str(far.design.terms[-1])
    assert term.startswith("sex[")
    coefficient = far.posterior["beta"].sel(term=term).values
    sexes = contrasts(far, "sex", population=population)
    np.testing.assert_allclose(sexes.draws[sexes.index[0]], coefficient, rtol=1e-12)
    u = far.posterior["u_country"].sel(country_term="Intercept")
    countries = contrasts(far, "country", population=population)
    expected = (u.sel(country="C2") - u.sel(country="C1")).values
    drawn = countries.draws[countries.index[countries["level"].eq("C2") & countries["versus"].eq("C1")][0]]
    np.testing.assert_allclose(drawn, expected, rtol=1e-12)
    low, high = np.quantile(far.design.frame["alliance"], [0.1, 0.9])
    ends = slopes(far, predictor="alliance", population=population)
    expected = (high - low) * far.posterior["beta"].sel(term="alliance").values
    np.testing.assert_allclose(ends.draws[ends.index[ends["estimand"] == "slope_p10_p90"][0]], expected, rtol=1e-12)
    # A bent association has no one slope: its contrast is that of the design rows.
    low, high = np.quantile(far.design.frame["age"], [0.1, 0.9])
    expected = (high**2 - low**2) * far.posterior["beta"].sel(term="I(age ** 2)").values
    for fit in (far, near):
        bent = slopes(fit, predictor="age", population=population)
        drawn = bent.draws[bent.index[bent["estimand"] == "slope_p10_p90"][0]]
        np.testing.assert_allclose(drawn, expected, rtol=1e-9)


def test_all_pairs_of_slopes(fit: FittedModel) -> None:
    table = contrasts(fit, "country", of="slope", predictor="alliance")
    assert table["estimand"].tolist() == ["contrast_of_slopes"] * 6 + ["cohens_d_of_slopes"] * 6
    assert table["unit"].tolist() == ["WHO-5 point per alliance point"] * 6 + ["SD per alliance point"] * 6
    # The smallest relevant change is ten points, and no slope is in points.
    assert table["relevant"].isna().all()
    assert contrasts(fit, "country")["relevant"].tolist() == pytest.approx([10.0] * 6 + [np.nan] * 6, nan_ok=True)
    # Nothing but the country's own slope differs between countries.
    u = fit.posterior["u_country"].sel(country_term="alliance")
    expected = u.sel(country="C3") - u.sel(country="C1")
    actual = table.draws["contrast_of_slopes/alliance/country=C3 vs C1/average"]
    np.testing.assert_allclose(actual, expected.values, rtol=0, atol=1e-10)
    age = contrasts(fit, "country", of="slope", predictor="age")
    assert set(age["mean"]) == {0.0}
    assert set(age["p_direction"]) == {0.0}


@pytest.mark.parametrize("of", ["mean", "slope"])
def test_turning_a_contrast_round_changes_its_sign(fit: FittedModel, of: str) -> None:
    there = contrasts(fit, "country", of=of, levels=("C1", "C3"))
    back = contrasts(fit, "country", of=of, levels=("C3", "C1"))
    assert (there["level"].iloc[0], there["versus"].iloc[0]) == ("C3", "C1")
    for one, other in zip(there.draws.values(), back.draws.values(), strict=True):
        np.testing.assert_array_equal(one, -other)
    np.testing.assert_allclose(there["mean"], -back["mean"], rtol=1e-12)
    np.testing.assert_allclose(there["lower"], -back["upper"], rtol=1e-9)
    assert there["p_direction"].tolist() == back["p_direction"].tolist()


def test_contrasts_add_up(fit: FittedModel) -> None:
    table = contrasts(fit, "country").draws
    direct = table["contrast_of_means/country=C3 vs C0/average"]
    detour = table["contrast_of_means/country=C3 vs C2/average"] + table["contrast_of_means/country=C2 vs C0/average"]
    np.testing.assert_allclose(direct, detour, rtol=0, atol=1e-12)


def constant_t(nu: float) -> FittedModel:
    return fitted(
        rows(60),
        formula="who5_followup ~ alliance + (1 | sex)",
        means={"beta": [45.0, 2.0], "u_sex": [[-3.0], [3.0]], "sigma": 9.0, "nu": nu},
        sds=dict.fromkeys(("beta", "u_sex", "tau_sex", "sigma", "nu"), 0.0),
        spec={"family": "student_t"},
        chains=2,
        draws=5,
    )


def test_cohens_d_of_a_student_t_is_never_divided_by_its_scale() -> None:
    fit = constant_t(4.0)
    d = contrasts(fit, "sex").iloc[1]
    assert (d["estimand"], d["denominator"]) == ("cohens_d_of_means", "residual SD")
    sd = stats.t.std(df=4, scale=9)
    assert d["mean"] == pytest.approx(6 / sd, rel=1e-12)
    assert sd == pytest.approx(9 * np.sqrt(2))
    total = contrasts(fit, "sex", denominator="total_sd").iloc[1]
    eta = fit.linear_predictor()[0]
    assert total["mean"] == pytest.approx(6 / np.sqrt(eta.var(ddof=1) + sd**2), rel=1e-12)
    assert total["denominator"] == "total SD"


def test_an_infinite_variance_is_said_and_makes_d_zero() -> None:
    table = contrasts(constant_t(1.5), "sex")
    assert table["mean"].tolist() == pytest.approx([6.0, 0.0])
    assert table["note"].isna().tolist() == [True, False]
    assert (
        table["note"].iloc[1] == "the residual variance is infinite (nu <= 2) in 100.0% of the draws, which count as 0"
    )


def test_ranks_in_closed_form(fit: FittedModel) -> None:
    table = ranks(fit, "country")
    means = adjusted_means(fit, "country")
    block = np.stack(list(means.draws.values()))
    for level in range(4):
        higher = (block > block[level]).sum(axis=0)
        np.testing.assert_array_equal(table.draws[table.index[level]], higher + 1)
    assert table["estimand"].tolist() == ["rank_of_mean"] * 4
    assert table["unit"].tolist() == ["rank among 4"] * 4
    assert table["mean"].sum() == pytest.approx(10)
    of_slope = ranks(fit, "country", of="slope")
    assert (of_slope["estimand"].iloc[0], of_slope["term"].iloc[0]) == ("rank_of_slope", "alliance")
    # Levels that do not differ share the middle.
    assert ranks(fit, "country", of="slope", predictor="age")["mean"].tolist() == [2.5] * 4


def rebuilt(fit: FittedModel, frame: pd.DataFrame, **draws: np.ndarray) -> FittedModel:
    """The same draws (some replaced) on other rows."""
    other = fitted(frame, formula=FORMULA, chains=2, draws=40, spec={"centre": dict(fit.design.centres)})
    post = fit.posterior.drop_vars(["u_country", "u_provider_type"])
    posterior = other.posterior.assign({name: post[name] for name in post.data_vars})
    posterior = posterior.assign({name: (other.posterior[name].dims, values) for name, values in draws.items()})
    other.tree["posterior"] = posterior
    return other


def numbers(table: EffectTable, columns: tuple[str, ...] = ("mean", "sd", "lower", "upper")) -> pd.DataFrame:
    keyed = pd.DataFrame(table).set_index(["estimand", "term", "factor", "level", "versus"])
    return keyed[list(columns)].sort_index()


@given(order=st.permutations(range(80)))
@settings(max_examples=5, deadline=None)
def test_the_order_of_rows_does_not_matter(fit: FittedModel, order: list[int]) -> None:
    shuffled = rebuilt(
        fit,
        fit.design.frame.iloc[order].reset_index(drop=True),
        u_country=fit.posterior["u_country"].values,
        u_provider_type=fit.posterior["u_provider_type"].values,
    )
    for of in ("mean", "slope"):
        pd.testing.assert_frame_equal(
            numbers(contrasts(shuffled, "country", of=of)),
            numbers(contrasts(fit, "country", of=of)),
            rtol=1e-9,
            atol=1e-10,
        )
    pd.testing.assert_frame_equal(numbers(slopes(shuffled)), numbers(slopes(fit)), rtol=1e-9)


@given(order=st.permutations(range(4)))
@settings(max_examples=6, deadline=None)
def test_the_names_and_the_order_of_levels_do_not_matter(fit: FittedModel, order: list[int]) -> None:
    frame = fit.design.frame.copy()
    names = [f"n{number}" for number in range(4)]
    relabelled = frame["country"].astype(str).map(dict(zip(["C0", "C1", "C2", "C3"], names, strict=True)))
    frame["country"] = pd.Categorical(relabelled, categories=[names[k] for k in order], ordered=True)
    other = rebuilt(
        fit,
        frame,
        u_country=fit.posterior["u_country"].values[:, :, order],
        u_provider_type=fit.posterior["u_provider_type"].values,
    )
    means, before = adjusted_means(other, "country"), adjusted_means(fit, "country")
    np.testing.assert_allclose(means.set_index("level").loc[names, "mean"], before["mean"], rtol=1e-12)
    slope, before = slopes_by_level(other, "country"), slopes_by_level(fit, "country")
    np.testing.assert_allclose(slope.set_index("level").loc[names, "sd"], before["sd"], rtol=1e-9)
    pd.testing.assert_frame_equal(numbers(slopes(other)), numbers(slopes(fit)), rtol=1e-9)
    assert contrasts(other, "country", levels=("n0", "n2"))["mean"].to_numpy() == pytest.approx(
        contrasts(fit, "country", levels=("C0", "C2"))["mean"].to_numpy(), rel=1e-9
    )


@given(centre=st.floats(-30, 30))
@settings(max_examples=6, deadline=None)
def test_centring_does_not_matter(fit: FittedModel, centre: float) -> None:
    # The same function of alliance, written around another point: levels absorb what the slopes no longer say.
    moved = fitted(
        fit.design.frame,
        formula=FORMULA,
        chains=2,
        draws=40,
        spec={"centre": {**fit.design.centres, "alliance": centre}},
    )
    by = centre - fit.design.centres["alliance"]
    post = fit.posterior
    beta = post["beta"].values.copy()
    beta[:, :, 0] += by * beta[:, :, 1]
    shifted = {"beta": (post["beta"].dims, beta)}
    for name in ("u_country", "u_provider_type"):
        u = post[name].values.copy()
        u[:, :, :, 0] += by * u[:, :, :, 1]
        shifted[name] = (post[name].dims, u)
    moved.tree["posterior"] = moved.posterior.assign(sigma=post["sigma"], **shifted)
    tolerance = {"rtol": 1e-8, "atol": 1e-9}  # centring 30 points away costs two digits of sixteen
    pd.testing.assert_frame_equal(numbers(slopes(moved)), numbers(slopes(fit)), **tolerance)
    pd.testing.assert_frame_equal(
        numbers(adjusted_means(moved, "country")), numbers(adjusted_means(fit, "country")), **tolerance
    )
    for of in ("mean", "slope"):
        pd.testing.assert_frame_equal(
            numbers(contrasts(moved, "provider_type", of=of)),
            numbers(contrasts(fit, "provider_type", of=of)),
            **tolerance,
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"of": "median"}, "of should be one of 'mean', 'slope' but got 'median'."),
        ({"denominator": "sd"}, "denominator should be one of 'residual_sd', 'total_sd' but got 'sd'."),
        ({"factor": "sex"}, "'sex' is not a factor of this model. Its factors: provider_type, country."),
        ({"levels": ("C0", "C9", "D")}, "'country' has no level 'C9', 'D'. Its levels: 'C0', 'C1', 'C2', 'C3'."),
        ({"levels": ("C0", "C0")}, "levels should be two or more different levels of 'country' but got ('C0', 'C0')."),
        ({"levels": "C0"}, "levels should be two or more different levels of 'country' but got 'C0'."),
        ({"levels": ("C0",)}, "levels should be two or more different levels of 'country' but got ('C0',)."),
        (
            {"population": "new"},
            "population 'new' puts one new level in place of those of the sampled factor 'country', so there is "
            "nothing to compare. Use population='sample' or 'equal'.",
        ),
    ],
)
def test_what_cannot_be_compared(fit: FittedModel, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        contrasts(fit, **({"factor": "country"} | arguments))  # type: ignore[arg-type]


def test_too_many_levels_to_compare_all() -> None:
    fit = fitted(rows(200, countries=120), formula="who5_followup ~ alliance + (1 | country)", chains=1, draws=4)
    message = (
        "factor 'country' has 120 levels, which make 7,140 pairs; at most 100 levels are compared at once. "
        "Name them: levels=..."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        contrasts(fit, "country")
    message = "levels names 101 levels, but at most 100 are compared at once. Name fewer."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        contrasts(fit, "country", levels=[f"C{k}" for k in range(101)])
    assert len(contrasts(fit, "country", levels=("C100", "C7", "C3"))) == 6
