"""effects(): what is in the table by default, on request, and what is left out with a reason."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.effects import (
    DEFAULT_ESTIMANDS,
    ESTIMANDS,
    EffectTable,
    adjusted_means,
    bayesian_r2,
    contrasts,
    effects,
    ranks,
    slopes,
    slopes_by_level,
    variance_partition,
)
from alliance_bayes.errors import UsageError
from builders import fitted, rows


def same(one: EffectTable, other: EffectTable) -> None:
    numbers = [name for name in one.columns if one[name].dtype == float]
    assert one.index.tolist() == other.index.tolist()
    pd.testing.assert_frame_equal(pd.DataFrame(one)[numbers], pd.DataFrame(other)[numbers], rtol=1e-12)
    texts = [name for name in one.columns if name not in numbers]
    assert pd.DataFrame(one)[texts].equals(pd.DataFrame(other)[texts])


def test_everything_is_what_the_single_functions_give() -> None:
    fit = fitted(rows(60, countries=3), chains=2, draws=30)
    factors = ("provider_type", "sex", "country")
    made = effects(fit, prob=0.8, interval="hdi")
    options = {"prob": 0.8, "interval": "hdi"}
    single = [
        slopes(fit, **options),
        *(slopes_by_level(fit, factor, **options) for factor in factors),
        *(adjusted_means(fit, factor, **options) for factor in factors),
        *(contrasts(fit, factor, of=of, **options) for of in ("mean", "slope") for factor in factors),
        variance_partition(fit, **options),
        bayesian_r2(fit, **options),
    ]
    same(made, EffectTable.concat(single))
    assert made.left_out == ()
    for row in made.index[::7]:
        assert made.draws[row].shape == (2, 30)
    assert tuple(ESTIMANDS)[: len(DEFAULT_ESTIMANDS)] == DEFAULT_ESTIMANDS


def test_some_estimands_with_options() -> None:
    fit = fitted(rows(60, countries=3), chains=2, draws=30)
    made = effects(
        fit,
        estimands={"contrasts": {"of": "mean"}, "ranks": {}},
        denominator="total_sd",
        population="equal",
    )
    factors = ("provider_type", "sex", "country")
    options = {"population": "equal"}
    parts = [contrasts(fit, factor, denominator="total_sd", **options) for factor in factors]
    same(made, EffectTable.concat([*parts, *(ranks(fit, factor, **options) for factor in factors)]))


def test_the_predictor_asked_for_is_that_of_every_slope() -> None:
    fit = fitted(rows(60, countries=3), formula="who5_followup ~ alliance + age + (age || sex)", draws=20)
    made = effects(fit, predictor="age")
    of_slopes = made[made["estimand"].str.contains("slope")]
    assert len(of_slopes) == 8
    assert set(of_slopes["term"]) == {"age"}
    same(made[made["estimand"].str.endswith("_of_slopes")], contrasts(fit, "sex", of="slope", predictor="age"))


def test_categorical_common_terms_are_factors_too() -> None:
    fit = fitted(
        rows(60, countries=3), formula="who5_followup ~ alliance + sex + (1 | country) + (1 | sex:country)", draws=20
    )
    made = effects(fit, estimands=["adjusted_means"])
    assert made["factor"].unique().tolist() == ["country", "sex:country", "sex"]
    once = fitted(rows(60, countries=3), formula="who5_followup ~ sex + (1 | country) + (1 | sex)", draws=20)
    assert effects(once, estimands=["adjusted_means"])["factor"].unique().tolist() == ["country", "sex"]


def test_a_model_without_slopes() -> None:
    fit = fitted(rows(60, countries=3), formula="alliance ~ (1 | sex) + (1 | country)", means={"beta": 4.5}, draws=20)
    made = effects(fit)
    assert made.left_out == ("slopes: the model has no numeric predictor",)
    assert set(made["estimand"]) == {
        "mean", "contrast_of_means", "cohens_d_of_means", "variance_share", "icc", "bayesian_r2"
    }  # fmt: skip
    message = "the model has no numeric predictor, so it has no slope. Numeric predictors: none."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        effects(fit, estimands=["slopes"])


def test_factors_of_many_levels_are_left_out_and_named() -> None:
    frame = rows(260, countries=70)
    frame["provider_id"] = [f"p{k % 230}" for k in range(260)]
    fit = fitted(frame, formula="who5_followup ~ (1 | country) + (1 | provider_id)", chains=1, draws=4)
    made = effects(fit, estimands={"adjusted_means": {}, "contrasts": {"of": "mean"}, "ranks": {}})
    assert made["estimand"].value_counts().to_dict() == {"mean": 70, "rank_of_mean": 70}
    assert made.left_out == (
        "means by 'provider_id': 230 levels; ask for them with adjusted_means",
        "contrasts of means by 'country': 70 levels; ask for them with contrasts(levels=...)",
        "contrasts of means by 'provider_id': 230 levels; ask for them with contrasts(levels=...)",
        "ranks by 'provider_id': 230 levels; ask for them with ranks",
    )
    assert made.head(1).left_out == made.left_out
    assert len(adjusted_means(fit, "provider_id")) == 230


def test_a_new_level_has_means_but_no_contrasts() -> None:
    fit = fitted(
        rows(60, countries=3), formula="who5_followup ~ alliance + (1 | sex) + (alliance || country)", draws=20
    )
    made = effects(fit, population="new")
    assert made.left_out == (
        "contrasts of means by 'country': a new level has nothing to be compared with",
        "contrasts of slopes by 'country': a new level has nothing to be compared with",
    )
    assert made.loc["mean/country=(new level)/new", "sd"] > made.loc["mean/sex=male/new", "sd"] * 0.5
    assert np.isfinite(made.loc[made["estimand"] != "points_needed", "mean"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"estimands": ["slopes", "effect"]},
            f"an estimand should be one of {', '.join(map(repr, ESTIMANDS))} but got 'effect'.",
        ),
        (
            {"estimands": "slopes"},
            "estimands should be a sequence of names but got 'slopes'. Write ['slopes'].",
        ),
        ({"denominator": "sd"}, "denominator should be one of 'residual_sd', 'total_sd' but got 'sd'."),
        ({"interval": "ci"}, "interval should be one of 'eti', 'hdi' but got 'ci'."),
        (
            {"predictor": "sex"},
            "'sex' is not a numeric predictor of this model but a factor, whose levels are compared by contrasts(). "
            "Numeric predictors: alliance, who5_baseline, age, days_in_care.",
        ),
    ],
)
def test_wrong_use(arguments: dict[str, object], message: str) -> None:
    fit = fitted(rows(40), chains=1, draws=4)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        effects(fit, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("who5_followup ~ 1", "gaussian"),
        ("who5_followup ~ 0 + alliance", "gaussian"),
        ("who5_followup ~ alliance + (0 + alliance | country)", "gaussian"),
        ("who5_followup ~ (1 | country)", "cumulative"),
        ("who5_followup ~ bs(alliance, df=4) + sex:age + (1 | provider_type)", "student_t"),
    ],
)
def test_every_kind_of_model_gets_a_table(formula: str, family: str) -> None:
    fit = fitted(
        rows(50, countries=3), formula=formula, means={"beta": 0.1}, spec={"family": family}, chains=2, draws=10
    )
    made = effects(fit)
    # With a slope that points down, no increase of the predictor brings ten points more.
    rest = made[made["estimand"] != "points_needed"]
    assert rest["mean"].notna().all()
    assert rest["note"].isna().all()
