"""Effects of a fit made from moments are those of the fit from the rows, but for what moments cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import Flow
from alliance_bayes.effects import effects
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.moments import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from builders import OUTCOME_FORMULA, fitted, rows

NO_PERCENTILES = "percentiles of alliance need the analysed rows, and this fit was made from moments"
MODELS = {
    "outcome": (OUTCOME_FORMULA, {}),
    "no factor": ("who5_followup ~ alliance + sex", {"centre": {"alliance": 4.0}}),
    "products": (
        "who5_followup ~ alliance*age + I(age**2) + sex*alliance + provider_type + (alliance | country)"
        " + (1 | country:sex)",
        {"residual_by": "provider_type", "centre": {"alliance": 4.0}},
    ),
    "cube": ("who5_followup ~ alliance*age*who5_baseline + (1 | country)", {}),
    "another column bends": ("who5_followup ~ alliance + s(age) + sex + (alliance || country)", {}),
}


def without_rows(fit: FittedModel) -> FittedModel:
    """The same draws, with moments in place of the rows."""
    design, moments = design_of_moments(moments_of(fit.design, spec=fit.spec), fit.spec)
    assert design.terms == fit.design.terms
    return replace(fit, design=design, moments=moments, flow=Flow(design.n))


def pair(name: str, **options: object) -> tuple[FittedModel, FittedModel]:
    formula, spec = MODELS[name]
    fit = fitted(rows(300, countries=4), formula=formula, spec=spec, draws=100, **options)  # type: ignore[arg-type]
    return fit, without_rows(fit)


def compare(ours: pd.DataFrame, theirs: pd.DataFrame, *, but: set[str]) -> None:
    """Equal figures in every row but those of some estimands, which ours lacks."""
    assert list(ours.index) == list(theirs.index)
    lacking = theirs["estimand"].isin(but)
    assert ours.loc[lacking, ["mean", "median", "sd", "lower", "upper"]].isna().all(axis=None)
    figures = ["mean", "sd", "median", "lower", "upper", "p_direction", "p_rope", "p_relevant", "mcse_mean"]
    ours, theirs = (one.assign(**_not_judged(one)) for one in (ours, theirs))
    # Averages over rows are summed in another order, and a difference quotient with a step of 1e-4 SD multiplies
    # rounding by 1e4.
    np.testing.assert_allclose(
        ours.loc[~lacking, figures].to_numpy(float),
        theirs.loc[~lacking, figures].to_numpy(float),
        rtol=1e-8,
        atol=1e-10,
    )
    said = ["note", "unit", "denominator", "population"]
    rest = ~lacking & (theirs["estimand"] != "points_needed")
    pd.testing.assert_frame_equal(pd.DataFrame(ours.loc[rest, said]), pd.DataFrame(theirs.loc[rest, said]))


def _not_judged(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Without the verdict on a step of an SD, which is the declared contrast of moments only."""
    own = table["estimand"] == "slope_per_sd"
    return {name: table[name].mask(own) for name in ("p_rope", "p_relevant")}


@pytest.mark.slow
@pytest.mark.parametrize("population", ["sample", "equal", "new"])
@pytest.mark.parametrize("name", MODELS)
def test_every_effect_is_that_of_the_rows_but_percentiles(name: str, population: str) -> None:
    theirs, ours = pair(name)
    if population == "new" and all(factor.exhaustive for factor in theirs.design.factors):
        with pytest.raises(UsageError, match=r"^population 'new' averages over a new level"):
            effects(ours, population=population)
        return
    table = effects(ours, population=population)
    compare(table, effects(theirs, population=population), but={"slope_p10_p90"})
    # Moments tell no percentiles, so a step of an SD is the contrast that is judged.
    per_sd, of_rows = (
        one.loc[f"slope_per_sd/alliance/{population}"] for one in (table, effects(theirs, population=population))
    )
    assert per_sd["mean"] == pytest.approx(of_rows["mean"], rel=1e-9, nan_ok=True)
    assert (per_sd["rope_high"], np.isnan(of_rows["rope_high"])) == (2.0, True)
    row = table.loc[f"slope_p10_p90/alliance/{population}"]
    assert (row["note"], row["unit"]) == (NO_PERCENTILES, "WHO-5 point")


def test_what_the_predictors_range_says_is_left_out_of_the_note() -> None:
    theirs, ours = pair("outcome", sds={"beta": [1, 2.0, 0.1, 0.1, 0.1]})
    note = str(effects(ours).loc["points_needed/alliance/average", "note"])
    longer = str(effects(theirs).loc["points_needed/alliance/average", "note"])
    assert longer.startswith(f"{note}; in ")
    assert longer.endswith("more than the predictor's whole observed range")


def test_a_bend_along_the_focal_predictor_leaves_its_slope_open() -> None:
    formula = "who5_followup ~ s(alliance) + sex + (1 | country)"
    theirs = fitted(rows(300, countries=4), formula=formula, draws=100)
    ours = without_rows(theirs)
    table = effects(ours)
    slopes = {
        "slope",
        "slope_per_sd",
        "slope_p10_p90",
        "slope_standardised",
        "partial_correlation",
        "delta_r2",
        "points_needed",
        "slope_by_level",
        "contrast_of_slopes",
        "cohens_d_of_slopes",
    }
    compare(table, effects(theirs), but=slopes)
    assert set(table.loc[table["estimand"].isin(slopes - {"slope_p10_p90"}), "note"]) == {
        "it averages the slope of s(alliance) over its values, which moments do not hold"
    }


def test_a_product_of_four_columns_leaves_its_slopes_open() -> None:
    formula = "who5_followup ~ alliance + age:I(alliance**3) + (1 | country)"
    theirs = fitted(rows(300, countries=4), formula=formula, draws=100, spec={"autoscale": True})
    table, expected = effects(without_rows(theirs)), effects(theirs)
    compare(table.query("factor != 'country'"), expected.query("factor != 'country'"), but={
        "slope", "slope_per_sd", "slope_p10_p90", "slope_standardised", "partial_correlation", "delta_r2",
        "points_needed",
    })  # fmt: skip
    assert table.loc["slope/alliance/average", "note"] == (
        "it averages products of more columns than two ('age:I(alliance ** 3)'), which moments do not hold"
    )
    compare(table.query("estimand == 'mean'"), expected.query("estimand == 'mean'"), but=set())
