"""Weighted points in place of rows: the design of moments has the moments of the design of rows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, ModelSpec
from alliance_bayes.moments import moments_of, with_minimum
from alliance_bayes.moments.moments import fingerprint
from alliance_bayes.moments.terms import SMALL
from alliance_bayes.moments.weighted import design_of_moments, weighted_points
from builders import OUTCOME_FORMULA, rows

MODELS = {
    "outcome": ModelSpec(OUTCOME_FORMULA),
    "products": ModelSpec(
        "who5_followup ~ alliance*age + I(age**2) + sex*alliance + (alliance | country) + (1 | country:sex)",
        residual_by="provider_type",
        centre={"alliance": 4.0},
    ),
    "smooth": ModelSpec("who5_followup ~ s(alliance) + sex + (age | country)"),
    "autoscale": ModelSpec("rating ~ load + (1 | country)", autoscale=True, levels={"country": ("C2", "C1", "C0")}),
}


def frame_for(name: str, n: int = 300):  # type: ignore[no-untyped-def]
    frame = rows(n, countries=3, seed=3)
    return frame.rename(columns={"who5_followup": "rating", "age": "load"}) if name == "autoscale" else frame


def gram(design: Design) -> np.ndarray:
    """Second moments of everything that enters the posterior, scaled to at most 1."""
    blocks = [design.outcome.values[:, None], design.rows.x, *design.rows.z.values(), *design.rows.basis.values()]
    for factor in design.factors:
        blocks.append(np.eye(len(factor.levels))[design.rows.index[factor.name]])
    if design.residual is not None:
        blocks.append(np.eye(len(design.residual.levels))[design.rows.residual])
    columns = np.hstack(blocks)
    weights = np.ones(len(columns)) if design.weights is None else design.weights
    found = columns.T @ (columns * weights[:, None])
    size = np.sqrt(np.diag(found))
    return found / np.outer(size, size)


@pytest.mark.parametrize("name", MODELS)
def test_the_design_has_the_moments_and_the_meaning_of_the_rows(name: str) -> None:
    spec = MODELS[name]
    of_rows = spec.design(frame_for(name))
    design, moments = design_of_moments(moments_of(of_rows, spec=spec), spec)
    assert design.n == of_rows.n == 300
    assert design.rows.n < 300
    assert design.terms == of_rows.terms
    assert [(f.name, f.levels, f.terms) for f in design.factors] == [
        (f.name, f.levels, f.terms) for f in of_rows.factors
    ]
    assert design.centres == of_rows.centres == {name: moments.centres[name] for name in design.centres}
    # Sums of some hundred products of numbers near 1, in another order.
    np.testing.assert_allclose(gram(design), gram(of_rows), rtol=0, atol=1e-12)
    np.testing.assert_allclose(design.residual_shares, of_rows.residual_shares, rtol=0, atol=1e-14)
    priors, expected = spec.priors_for(design), spec.priors_for(of_rows)
    assert {n: (str(s.prior), s.reason) for n, s in priors.items()} == {
        n: (str(s.prior), s.reason) for n, s in expected.items()
    }
    for column in of_rows.frame.select_dtypes("number"):
        assert design.sd(column) == pytest.approx(of_rows.sd(column), rel=1e-12)  # rounding
        values = design.frame[column].to_numpy(float)
        assert float(design.average(values)) == pytest.approx(of_rows.frame[column].mean(), rel=1e-12)
    new = frame_for(name, 20)
    mine, its = design.evaluate(new), of_rows.evaluate(new)
    np.testing.assert_array_equal(mine.x, its.x)
    for basis, other in zip(mine.basis.values(), its.basis.values(), strict=True):
        np.testing.assert_array_equal(basis, other)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 60))
def test_points_have_every_cells_moments_and_are_never_more_than_the_rows(seed: int, n: int) -> None:
    spec = MODELS["products"]
    frame = rows(n, countries=3, seed=seed)
    # Some columns depend on others, and one does not vary in some cells.
    frame["age"] = np.where(frame["sex"] == "male", 40.0, frame["age"])
    # A product that is zero for everybody is refused, rightly.
    assume(frame.groupby("sex")["alliance"].nunique().min() > 1)
    moments = moments_of(spec.design(frame))
    points, cell, weights = weighted_points(moments)
    assert len(points) <= n
    np.testing.assert_allclose(np.bincount(cell, weights=weights), moments.counts, rtol=1e-13)
    scale = np.sqrt(np.einsum("cii->ci", moments.cross).max(axis=0)) + 1.0
    for number in range(moments.n_cells):
        own, share = points[cell == number], weights[cell == number]
        mean = share @ own / share.sum()
        away = own - mean
        # Directions below 1e-12 of the largest are taken for rounding.
        np.testing.assert_allclose(mean / scale, moments.means[number] / scale, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            away.T @ (away * share[:, None]) / np.outer(scale, scale),
            moments.cross[number] / np.outer(scale, scale),
            rtol=0,
            atol=1e-11,
        )


def test_a_smaller_model_takes_its_part_and_its_own_centres() -> None:
    spec, smaller = MODELS["outcome"], ModelSpec("who5_followup ~ alliance + (1 | country)", centre={"alliance": 3.0})
    frame = rows(200)
    design, moments = design_of_moments(moments_of(spec.design(frame), spec=spec), smaller)
    assert moments.keys == ("country",)
    assert design.centres == {"alliance": 3.0}
    np.testing.assert_allclose(gram(design), gram(smaller.design(frame)), rtol=0, atol=1e-12)


def test_moments_at_other_centres_are_brought_to_the_mean() -> None:
    spec = MODELS["outcome"]
    frame = rows(200)
    moments = moments_of(spec.design(frame), spec=spec)
    design, found = design_of_moments(moments.recentred({"alliance": 1.0}), spec)
    assert design.centres["alliance"] == pytest.approx(frame["alliance"].mean(), rel=1e-13)
    np.testing.assert_allclose(gram(design), gram(spec.design(frame)), rtol=0, atol=1e-12)
    again, same = design_of_moments(found, spec)
    assert same.centres == found.centres
    np.testing.assert_array_equal(again.rows.x, design.rows.x)


def test_what_moments_cannot_tell_is_refused() -> None:
    spec = MODELS["outcome"]
    moments = moments_of(spec.design(rows(60)))
    cases = [
        (
            ModelSpec(OUTCOME_FORMULA, family="student_t"),
            "moments hold what a Gaussian model needs to know of its rows, and the family is student_t. Use family "
            "'gaussian', or fit the model to the table itself.",
        ),
        (
            ModelSpec("who5_followup ~ log(alliance)"),
            "formula 'who5_followup ~ log(alliance)': 'log(alliance)' cannot be worked out from moments. Make a column "
            "of it in the table, name that in the formula, and reduce the table again.",
        ),
        (
            ModelSpec("who5_followup ~ n_sessions"),
            "the moments lack the column(s) 'n_sessions' of the model. Reduce the table again with this model's card.",
        ),
        (
            ModelSpec("who5_followup ~ alliance:age"),
            "the moments lack the column(s) 'alliance:age' of the model. Reduce the table again with this model's "
            "card.",
        ),
    ]
    for other, message in cases:
        with pytest.raises(ModelError) as caught:
            design_of_moments(moments, other)
        assert str(caught.value) == message
    one = dataclasses.replace(moments.keep_keys([]), counts=np.ones(1))
    with pytest.raises(ModelError, match=r"^the model needs at least 2 complete rows but the moments are of 1\.$"):
        design_of_moments(one, ModelSpec("who5_followup ~ alliance"))


def test_levels_that_were_merged_can_be_pooled_over_but_not_be_terms() -> None:
    frame = rows(300, countries=3)
    spec = ModelSpec("who5_followup ~ alliance + (1 | country)")
    moments = with_minimum(moments_of(spec.design(frame)), 95, small="merge")
    assert moments.levels["country"] == ("C1", SMALL)
    design, _ = design_of_moments(moments, spec)
    assert design.factors[0].levels == ("C1", SMALL)
    assert design.n == 300
    coded = ModelSpec("who5_followup ~ alliance + sex")
    small = frame[(frame["sex"] == "female") | (frame.index < 20)]
    moments = moments_of(coded.design(small))
    few = int(moments.counts.min())
    merged = with_minimum(moments, few + 1, small="merge")
    with pytest.raises(ModelError) as caught:
        design_of_moments(merged, coded)
    assert str(caught.value) == (
        "small cells of 'sex' were merged, so that these moments do not tell its levels apart, and the formula has a "
        "term of it. Pool over it, leave it out, or lower the least number of rows in a cell."
    )


def test_a_fingerprint_is_of_the_numbers_and_labels() -> None:
    spec = MODELS["outcome"]
    moments = moments_of(spec.design(rows(60)))
    assert fingerprint(moments) == fingerprint(moments_of(spec.design(rows(60)), spec=spec))
    assert fingerprint(moments) != fingerprint(moments_of(spec.design(rows(61))))
    renamed = dataclasses.replace(moments, levels={**moments.levels, "sex": ("f", "m")})
    assert fingerprint(moments) != fingerprint(renamed)
