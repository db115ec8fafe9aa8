from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import moments_of, with_minimum
from builders import rows

FORMULA = "who5_followup ~ alliance * age * who5_baseline + I(age**2) + age:sex + (alliance | provider_type)"
FRAME = rows(250)
CENTRES = {"alliance": 4.0, "age": 40.0, "who5_baseline": 50.0}


def of(centre, formula=FORMULA):
    return moments_of(ModelSpec(formula, centre=centre).design(FRAME))


def assert_close(one, other, digits=1e-10):
    assert one.columns == other.columns
    assert dict(one.centres) == pytest.approx(dict(other.centres), rel=1e-14)
    # Rounding is relative to the largest numbers that were added: a column's own SD times the digits of a double.
    size = np.sqrt(np.diagonal(other.total_cross) + other.n * other.total_mean**2)
    np.testing.assert_allclose(one.means / size, other.means / size, rtol=0, atol=digits)
    scale = size[:, None] * size
    np.testing.assert_allclose(one.cross / scale, other.cross / scale, rtol=0, atol=digits)


def test_moments_with_other_centres_are_those_of_a_design_with_them():
    moved = of({}).recentred(CENTRES)
    assert_close(moved, of(CENTRES))


@given(st.floats(-10, 10), st.floats(-100, 100), st.floats(-100, 100))
def test_there_and_back_is_where_it_began(alliance, age, baseline):
    start = of(CENTRES)
    there = start.recentred({"alliance": alliance, "age": age, "who5_baseline": baseline})
    # A shift of some SDs in each of three components of a product costs their ratio cubed, up to 1e4, of 16 digits.
    assert_close(there.recentred(CENTRES), start, digits=1e-8)


def test_components_that_are_not_named_keep_their_centres():
    moments = of(CENTRES)
    moved = moments.recentred({"age": 30.0})
    assert dict(moved.centres) == {**moments.centres, "age": 30.0}
    np.testing.assert_array_equal(moved.means[:, moved.column("alliance")], moments.means[:, 1])


def test_an_interaction_with_a_factor_needs_no_column_of_the_factor():
    # age:sex alone: what d times the indicator of a sex adds is known from the cell, which has one sex.
    formula = "who5_followup ~ alliance + age:sex + (1 | sex)"
    assert_close(of({}, formula).recentred({"age": 20.0}), of({"age": 20.0}, formula))


def test_a_product_without_its_components_says_which_is_missing():
    moments = of({}, "who5_followup ~ alliance:age:who5_baseline")
    with pytest.raises(ModelError) as error:
        moments.recentred({"age": 30.0})
    assert str(error.value) == (
        "the centre of 'age' cannot be changed: 'alliance:age:who5_baseline' would need the column "
        "'alliance:who5_baseline', which these moments do not have. State the centres of the model (centre) "
        "and reduce the table again."
    )


def test_cells_of_pooled_levels_no_longer_tell_an_indicator():
    formula = "who5_followup ~ age:sex + (1 | country)"
    moments = with_minimum(of({}, formula), 130, small="merge")
    assert "(small cells)" in moments.levels["sex"]
    with pytest.raises(ModelError) as error:
        moments.recentred({"age": 30.0})
    assert str(error.value) == (
        "the centre of 'age' cannot be changed: 'age:sex[female]' would need the column 'sex[female]', which these "
        "moments do not have. State the centres of the model (centre) and reduce the table again."
    )


@pytest.mark.parametrize(
    ("centres", "message"),
    [
        (
            {"height": 1.0},
            "centres names 'height', but the numeric components of these moments are alliance, age.",
        ),
        ({"age": float("nan")}, "centre of 'age' should be a finite number but got nan."),
    ],
)
def test_centres_that_cannot_be_are_refused(centres, message):
    with pytest.raises(ModelError) as error:
        of({}, "who5_followup ~ alliance + age").recentred(centres)
    assert str(error.value) == message
