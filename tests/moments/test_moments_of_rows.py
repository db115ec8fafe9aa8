from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, Scale, card_text
from alliance_bayes.moments import Moments, moments_of
from builders import OUTCOME_FORMULA, rows

# Sums of some hundred products of numbers of order one, in double precision, differ by their order of addition alone.
ROUNDING = 1e-12


def dense(design):
    """Outcome and common columns, without the intercept."""
    return np.column_stack([design.outcome.coded, design.rows.x[:, 1:]])


def by_cell(design, keys):
    grouped = design.frame.groupby(list(keys), observed=True, sort=True)
    return [(labels if isinstance(labels, tuple) else (labels,), part.index) for labels, part in grouped]


@pytest.fixture(scope="module")
def design():
    return ModelSpec(OUTCOME_FORMULA).design(rows(400))


def test_cells_hold_count_mean_and_centred_cross_products(design):
    moments = moments_of(design)
    assert moments.columns == ("who5_followup", "alliance", "who5_baseline", "age", "days_in_care")
    assert moments.keys == ("provider_type", "sex", "country")
    assert moments.levels["provider_type"] == ("coach", "therapist", "both")
    expected = by_cell(design, moments.keys)
    assert moments.n_cells == len(expected)
    values = dense(design)
    for cell, (labels, index) in enumerate(expected):
        assert tuple(moments.levels[key][moments.codes[cell, k]] for k, key in enumerate(moments.keys)) == labels
        part = values[index]
        away = part - part.mean(axis=0)
        assert moments.counts[cell] == len(part)
        np.testing.assert_allclose(moments.means[cell], part.mean(axis=0), rtol=ROUNDING, atol=ROUNDING)
        np.testing.assert_allclose(moments.cross[cell], away.T @ away, rtol=ROUNDING, atol=ROUNDING * 1e4)


def test_totals_are_those_of_all_rows(design):
    moments, values = moments_of(design), dense(design)
    away = values - values.mean(axis=0)
    assert moments.n == len(values) == 400
    np.testing.assert_allclose(moments.total_mean, values.mean(axis=0), rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(moments.total_cross, away.T @ away, rtol=1e-10)


@pytest.mark.parametrize("n", [200, 6000])
def test_both_ways_of_summing_agree(n):
    # 200 rows in 28 cells are summed column by column, 6,000 in 30 by a matrix product for each cell.
    design = ModelSpec(OUTCOME_FORMULA).design(rows(n))
    moments = moments_of(design)
    for cell, (_, index) in enumerate(by_cell(design, moments.keys)):
        part = dense(design)[index]
        away = part - part.mean(axis=0)
        np.testing.assert_allclose(moments.cross[cell], away.T @ away, rtol=1e-10, atol=1e-8)


def test_a_value_far_from_zero_loses_no_digits():
    # An outcome of 1e9 with SD 1, in quarters, so that every number and every difference is exact in binary.
    rng = np.random.default_rng(3)
    steps = np.round(rng.normal(size=(900, 2)) * 4) / 4
    groups = rng.choice(["a", "b", "c"], 900)
    near = pd.DataFrame({"y": steps[:, 0], "x": steps[:, 1], "g": groups})
    far = near.assign(y=near["y"] + 1e9, x=near["x"] - 1e9)
    spec = ModelSpec("y ~ x + (1 | g)", autoscale=True)
    one, other = (moments_of(spec.design(frame)) for frame in (near, far))
    # Twelve digits, as for values near zero: 1e9 has 7e-8 between neighbours, which the means' rest keeps.
    np.testing.assert_allclose(other.cross, one.cross, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(other.total_cross, one.total_cross, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose((other.means - [1e9, 0])[:, 0] + other.rest[:, 0], one.means[:, 0], rtol=1e-12)
    assert np.abs(other.rest[:, 0]).max() > 1e-9


def test_columns_appear_once_and_interactions_know_their_parts():
    spec = ModelSpec("who5_followup ~ alliance * sex + age:sex + (alliance + age || country)", levels={})
    moments = moments_of(spec.design(rows(300)))
    assert moments.columns == (
        "who5_followup",
        "alliance",
        "sex[male]",
        "alliance:sex[male]",
        "age:sex[female]",
        "age:sex[male]",
        "age",
    )
    assert moments.parts["alliance:sex[male]"] == ("alliance", "sex[male]")
    assert moments.parts["sex[male]"] == ("sex[male]",)


def test_components_of_products_and_squares_are_added_once():
    spec = ModelSpec("who5_followup ~ alliance:age + I(days_in_care ** 2) + I(n_sessions*who5_baseline) + age")
    frame = rows(300)
    moments = moments_of(spec.design(frame))
    assert moments.columns[-4:] == ("alliance", "days_in_care", "n_sessions", "who5_baseline")
    assert set(moments.centres) == {
        "alliance",
        "age",
        "I(days_in_care ** 2)",
        "I(n_sessions * who5_baseline)",
        "days_in_care",
        "n_sessions",
        "who5_baseline",
    }
    own = {"alliance", "age", "I(days_in_care ** 2)", "I(n_sessions * who5_baseline)"}
    assert moments.centres_for(spec.parsed) == {name: moments.centres[name] for name in own}
    assert moments.centres["days_in_care"] == frame["days_in_care"].mean()
    # Centred at their means, so the overall mean is 0 but for rounding.
    np.testing.assert_allclose(moments.total_mean[-4:], 0, atol=1e-12)


def test_a_component_of_an_interaction_with_a_factor_is_added():
    moments = moments_of(ModelSpec("who5_followup ~ alliance:sex").design(rows(200)))
    assert moments.columns == ("who5_followup", "alliance:sex[female]", "alliance:sex[male]", "alliance")


def test_smooths_bring_their_basis():
    design = ModelSpec("who5_followup ~ s(alliance, k=5) + (1 | country)").design(rows(300))
    moments = moments_of(design)
    assert moments.columns == ("who5_followup", "alliance", "s_alliance[1]", "s_alliance[2]", "s_alliance[3]")
    assert list(moments.bases) == ["s_alliance"]
    basis = design.rows.basis["s_alliance"]
    away = basis - basis.mean(axis=0)
    np.testing.assert_allclose(moments.total_cross[2:, 2:], away.T @ away, rtol=1e-10, atol=1e-10)


def test_the_residual_factor_is_a_key():
    design = ModelSpec("who5_followup ~ alliance", residual_by="sex").design(rows(100))
    assert moments_of(design).keys == ("sex",)


def test_without_factors_there_is_one_cell():
    moments = moments_of(ModelSpec("who5_followup ~ alliance").design(rows(50)))
    assert (moments.keys, moments.n_cells, moments.codes.shape) == ((), 1, (1, 0))
    assert repr(moments) == "<Moments: 50 rows in one cell; columns: who5_followup, alliance>"


def test_the_histogram_counts_levels_of_a_known_scale(design):
    moments = moments_of(design)
    assert moments.histogram.levels.tolist() == [4.0 * k for k in range(26)]
    assert moments.histogram.edges is None
    for cell, (_, index) in enumerate(by_cell(design, moments.keys)):
        expected = [(design.outcome.values[index] == level).sum() for level in moments.histogram.levels]
        assert moments.histogram.counts[cell].tolist() == expected


def test_values_between_levels_are_counted_in_bins_over_the_scale():
    frame = rows(200).assign(who5_followup=lambda f: np.clip(f["who5_followup"] + 0.5, 0, 100))
    histogram = moments_of(ModelSpec("who5_followup ~ alliance").design(frame)).histogram
    np.testing.assert_array_equal(histogram.edges, np.linspace(0, 100, 51))
    np.testing.assert_array_equal(histogram.counts[0], np.histogram(frame["who5_followup"], histogram.edges)[0])


def test_an_outcome_without_a_scale_is_counted_between_its_ends():
    frame = rows(200).assign(y=np.random.default_rng(0).normal(size=200))
    histogram = moments_of(ModelSpec("y ~ alliance", scales={"y": Scale(0, 1)}).design(frame)).histogram
    assert (histogram.edges[0], histogram.edges[-1]) == (frame["y"].min(), frame["y"].max())
    np.testing.assert_array_equal(histogram.counts[0], np.histogram(frame["y"], histogram.edges)[0])
    assert histogram.values[0] == pytest.approx((histogram.edges[0] + histogram.edges[1]) / 2)


def test_the_card_goes_with_the_moments_when_the_model_is_given(design):
    spec = ModelSpec(OUTCOME_FORMULA)
    assert moments_of(design).card == ""
    assert moments_of(design, spec=spec).card == card_text(spec)


def test_a_column_is_found_by_its_label_or_the_labels_are_listed(design):
    moments = moments_of(design)
    assert moments.column("age") == 3
    with pytest.raises(ModelError) as error:
        moments.column("phq9")
    assert str(error.value) == (
        "the moments have no column 'phq9'. Their columns: who5_followup, alliance, who5_baseline, age, days_in_care. "
        "Reduce the table again with this model's card."
    )


def test_keeping_keys_pools_the_cells_exactly(design):
    whole = moments_of(design)
    kept = whole.keep_keys(["sex"])
    # The same rows with sex as their only factor.
    others = design.frame.drop(columns=["provider_type", "country"])
    alone = moments_of(dataclasses.replace(design, frame=others))
    assert (kept.keys, kept.n_cells) == (("sex",), 2)
    np.testing.assert_array_equal(kept.counts, alone.counts)
    np.testing.assert_allclose(kept.means, alone.means, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(kept.cross, alone.cross, rtol=1e-10, atol=1e-8)
    np.testing.assert_array_equal(kept.histogram.counts, alone.histogram.counts)
    one = whole.keep_keys([])
    np.testing.assert_allclose(one.cross[0], whole.total_cross, rtol=0)
    with pytest.raises(ModelError) as error:
        whole.keep_keys(["sex", "clinic"])
    assert str(error.value) == ("the moments have no key 'clinic'. Their keys: provider_type, sex, country.")


def test_many_levels_do_not_overflow_the_numbering_of_cells():
    # Seven columns of 1,000 possible levels have 1e21 crosses, more than 64 bits number.
    rng = np.random.default_rng(1)
    n = 1000
    frame = pd.DataFrame({"y": rng.normal(size=n)})
    for k in range(7):
        frame[f"g{k}"] = np.array([f"l{i}" for i in rng.permutation(n)])
    spec = ModelSpec("y ~ 1" + "".join(f" + (1 | g{k})" for k in range(7)), autoscale=True)
    moments = moments_of(spec.design(frame))
    assert isinstance(moments, Moments)
    assert (moments.n_cells, moments.n) == (1000, 1000.0)
