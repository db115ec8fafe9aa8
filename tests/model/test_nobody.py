"""People without a level of a factor over which nothing is pooled for them, such as therapists in one arm."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.effects import adjusted_means, effects, predictions, slopes
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.levels import NOBODY
from alliance_bayes.model.nobody import in_turn
from alliance_bayes.report.small_counts import averaged_words
from builders import fitted

FORMULA = "y ~ arm + x + (0 + arm | therapist)"
ROLE = {"roles": {"therapist": "provider"}}


def trial(n: int = 90, therapists: int = 6) -> pd.DataFrame:
    """Every other row is of the control arm, whose people have no therapist."""
    rng = np.random.default_rng(4)
    arm = np.arange(n) % 2.0
    who = np.where(arm == 1, [f"T{k % therapists}" for k in np.arange(n) // 2], None)
    x = rng.normal(size=n)
    return pd.DataFrame({"arm": arm, "x": x, "therapist": who, "y": 3 + x - 2 * arm + rng.normal(size=n)})


def complete(table: pd.DataFrame, formula: str = FORMULA, **options: object) -> tuple[ModelSpec, pd.DataFrame, int]:
    spec = ModelSpec(formula, roles={"therapist": "provider"}, **options)  # type: ignore[arg-type]
    frame, flow = spec.complete(spec.derive(ab.read_cohort(table)))
    return spec, frame, flow.analysed


def test_empty_cells_are_no_missing_values_where_nothing_is_pooled() -> None:
    table = trial()
    spec, frame, n = complete(table)
    assert n == len(table)
    design = spec.design(frame)
    (factor,) = design.factors
    assert factor.levels == tuple(f"T{k}" for k in range(6))
    assert factor.idle == (NOBODY,)
    lacking = design.rows.lacking["therapist"]
    np.testing.assert_array_equal(lacking, table["arm"] == 0)
    np.testing.assert_array_equal(design.rows.z["therapist"][:, 0], table["arm"])


def test_a_level_of_ones_own_for_them_is_the_same_model() -> None:
    table = trial()
    spec, frame, _ = complete(table)
    empty = spec.design(frame)
    spec, frame, _ = complete(table.fillna({"therapist": "none"}))
    named = spec.design(frame)
    assert named.factors[0].levels == empty.factors[0].levels
    assert named.factors[0].idle == ("none",)
    np.testing.assert_array_equal(named.rows.index["therapist"], empty.rows.index["therapist"])


@pytest.mark.parametrize(
    "formula",
    ["y ~ arm + x + (arm | therapist)", "y ~ arm + x + (0 + x | therapist)", "y ~ x * arm + therapist:arm + x"],
)
def test_elsewhere_an_empty_cell_is_a_missing_value(formula: str) -> None:
    table = trial().assign(arm=lambda rows: np.where(rows.index == 1, 0.0, rows["arm"]))
    spec = ModelSpec(formula)
    data = spec.derive(ab.read_cohort(table)).data
    assert data["therapist"].isna().sum() == table["therapist"].isna().sum()


def test_an_empty_cell_in_the_arm_with_therapists_stays_missing() -> None:
    table = trial()
    table.loc[[1, 3], "therapist"] = None
    _, frame, n = complete(table)
    assert n == len(table) - 2
    assert (frame["therapist"] == NOBODY).sum() == 45


def test_products_are_zero_where_one_of_their_columns_is() -> None:
    _, frame, n = complete(trial(), "y ~ arm * x + (0 + arm + arm:x || therapist)")
    assert n == 90
    assert (frame["therapist"] == NOBODY).sum() == 45


def test_declared_levels_need_not_name_those_without() -> None:
    spec, frame, _ = complete(trial(), levels={"therapist": ("T5", "T4", "T3", "T2", "T1", "T0")})
    assert spec.design(frame).factors[0].levels == ("T5", "T4", "T3", "T2", "T1", "T0")


def test_numbered_therapists() -> None:
    table = trial()
    table["therapist"] = table["therapist"].str[1:].astype(float)
    spec, frame, n = complete(table)
    assert n == 90
    assert spec.design(frame).factors[0].levels == ("0", "1", "2", "3", "4", "5")


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 200))
def test_levels_in_turn_follow_their_shares(counts: list[int], n: int) -> None:
    dealt = np.bincount(in_turn(np.array(counts), n), minlength=len(counts))
    assert dealt.sum() == n
    # Each count is the rounded end of its share minus that of the one before.
    np.testing.assert_array_less(np.abs(dealt - n * np.array(counts) / sum(counts)), 1 + 1e-9)


def built(level: np.ndarray | float = 0.0) -> FittedModel:
    _, frame, _ = complete(trial())
    return fitted(frame, formula=FORMULA, means={"u_therapist": level}, spec={"roles": {"therapist": "provider"}})


def test_numbers_by_therapist_are_of_the_treated() -> None:
    fit = built(np.arange(6.0)[:, None])
    frame = fit.design.frame
    arm = frame["arm"].to_numpy()
    u = fit.tree["posterior"]["u_therapist"].to_numpy()
    beta = fit.tree["posterior"]["beta"].to_numpy()
    x = frame["x"].to_numpy() - fit.design.centres["x"]
    treated = x[arm == 1].mean()
    means = adjusted_means(fit, "therapist")
    assert list(means["level"]) == [f"T{k}" for k in range(6)]
    expected = beta[..., 0] + beta[..., 1] + beta[..., 2] * treated + u[..., 3, 0]
    np.testing.assert_allclose(means["mean"].iloc[3], expected.mean(), rtol=1e-9)
    # Over the therapists in the data, the untreated get each of them as often as the treated have.
    share = np.bincount([int(name[1]) for name in frame["therapist"][arm == 1]], minlength=6) / 45
    sample = slopes(fit, predictor="arm", population="sample")["mean"].iloc[0]
    np.testing.assert_allclose(sample, (beta[..., 1] + u[..., 0] @ share).mean(), rtol=1e-9)
    average = slopes(fit, predictor="arm", population="average")["mean"].iloc[0]
    np.testing.assert_allclose(average, beta[..., 1].mean(), rtol=1e-9)


def test_over_the_therapists_in_the_data_the_order_of_rows_does_not_matter() -> None:
    formula = "y ~ arm * x + (0 + arm + arm:x || therapist)"
    found = []
    for table in (trial().sort_values("x"), trial().sort_values("x", ascending=False), trial()):
        _, frame, _ = complete(table.reset_index(drop=True), formula)
        level = np.column_stack([np.arange(6.0), np.arange(6.0) ** 2])
        fit = fitted(
            frame, formula=formula, means={"u_therapist": level}, sds={"u_therapist": 0.0, "beta": 0.0}, spec=ROLE
        )
        found.append(slopes(fit, predictor="arm", population="sample")["mean"].iloc[0])
    x, arm = frame["x"].to_numpy() - fit.design.centres["x"], frame["arm"].to_numpy()
    names = frame["therapist"].astype(str).to_numpy()
    # By row and therapist; those who have none get each of them by its share.
    each = np.arange(6.0) + np.arange(6.0) ** 2 * x[:, None]
    share = np.array([np.mean(names[arm == 1] == f"T{k}") for k in range(6)])
    own = [
        row @ share if name == NOBODY else row[int(name.removeprefix("T"))]
        for row, name in zip(each, names, strict=True)
    ]
    np.testing.assert_allclose(found, np.mean(own), rtol=1e-9)


def test_a_level_called_as_rows_without_one_are_is_refused() -> None:
    table = trial()
    table.loc[1, "therapist"] = NOBODY
    with pytest.raises(ab.ModelError, match="Rename it"):
        complete(table)


def test_nobody_is_set_to_having_no_level() -> None:
    with pytest.raises(ab.UsageError, match=r"Its levels: 'T0'.*'T5'\.$"):
        predictions(built(), at={"therapist": NOBODY})


def test_two_people_of_one_therapist_are_two_who_have_one() -> None:
    fit = built()
    draws = fit.tree["posterior"]
    tau, sigma = draws["tau_therapist"].to_numpy()[..., 0], draws["sigma"].to_numpy()
    table = effects(fit, ["variance_partition"])
    icc = table.loc[table["estimand"] == "icc"].iloc[0]
    np.testing.assert_allclose(icc["mean"], (tau**2 / (tau**2 + sigma**2)).mean(), rtol=1e-9)
    assert "who have a therapist" in icc["note"]


def test_new_rows_without_a_therapist_and_with_one_more() -> None:
    fit = built()
    new = pd.DataFrame({"arm": [0.0, 0.0], "x": [0.0, 0.0], "therapist": [None, "T1"]})
    predicted = fit.predict(new).to_numpy()
    np.testing.assert_array_equal(predicted[..., 0], predicted[..., 1])
    with pytest.raises(ab.ModelError, match="missing values in 'therapist'"):
        fit.predict(new.assign(arm=[1.0, 0.0]))


def test_those_without_are_no_level_in_any_table() -> None:
    fit = built()
    table = effects(fit)
    assert NOBODY not in {*table["level"], *table["versus"]}
    # Those of six therapists, once, and that of the two arms.
    assert (table["estimand"] == "contrast_of_means").sum() == 15 + 1
    assert not (table["estimand"] == "contrast_of_slopes").any()
    assert averaged_words(fit, "sample", "therapist") == "averaged over those analysed who have one"


@pytest.mark.parametrize("pooled", ["(1 | therapist)", "(arm | therapist)"])
def test_a_model_that_loses_the_control_arm_is_told_the_way(pooled: str) -> None:
    spec = ModelSpec(f"y ~ arm + x + {pooled}")
    with pytest.raises(ab.ModelError, match=r"\(0 \+ arm \| therapist\)'; empty cells of 'therapist' are then right"):
        spec.complete(spec.derive(ab.read_cohort(trial())))


def test_a_level_that_stands_for_the_whole_control_arm_is_remarked_on(caplog: pytest.LogCaptureFixture) -> None:
    table = trial().fillna({"therapist": "none"})
    model = ab.Model("y ~ arm + x + (1 | therapist)", roles={"therapist": "provider"})
    with caplog.at_level(logging.INFO, logger="alliance_bayes"):
        model.fit(table, seed=1, draws=50, progress=False)
    assert [record for record in caplog.records if "all rows with 'arm' = 0 are of one level" in record.message]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="alliance_bayes"):
        ab.Model(FORMULA, roles={"therapist": "provider"}).fit(table, seed=1, draws=50, progress=False)
    assert not [record for record in caplog.records if "are of one level" in record.message]


def test_moments_say_what_they_cannot_tell(tmp_path) -> None:  # type: ignore[no-untyped-def]
    table = trial().fillna({"therapist": "none"})
    table.to_csv(tmp_path / "trial.csv", index=False)
    model = ab.Model(FORMULA, roles={"therapist": "provider"})
    of_rows = model.fit(table, seed=1, draws=100, progress=False)
    of_moments = model.fit(ab.reduce_table(tmp_path / "trial.csv", model), seed=1, draws=100, progress=False)
    rows, moments = of_rows.slopes(), of_moments.slopes()
    np.testing.assert_allclose(moments.loc["slope/arm/average", "mean"], rows.loc["slope/arm/average", "mean"], 1e-6)
    assert moments.loc[moments["estimand"] == "slope_in_sample", "mean"].isna().all()
    assert of_moments.adjusted_means("therapist")["mean"].isna().all()
