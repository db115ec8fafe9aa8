from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, Prior, Scale


def applied(levels: int, **spec: object):
    rng = np.random.default_rng(levels)
    frame = pd.DataFrame({"rating": np.r_[np.arange(levels), rng.integers(0, levels, 50)] / 7.0, "age": 36.0})
    frame["age"] += rng.normal(0, 9, len(frame))
    model = ModelSpec("rating ~ age", family="cumulative", **spec)
    design = model.design(frame)
    return design, model.priors_for(design)


@pytest.mark.parametrize(
    ("levels", "prior", "reason"),
    [
        (5, 1.0, "every share of the levels at the centring values equally likely"),
        (60, 1.0, "every share of the levels at the centring values equally likely"),
        (240, 0.25, "even shares of the 240 levels at the centring values, weighing as much as 60 participants"),
        (219, 0.274, "even shares of the 219 levels at the centring values, weighing as much as 60 participants"),
    ],
)
def test_every_distinct_value_is_a_level_and_many_share_the_weight_of_the_prior(levels, prior, reason):
    design, priors = applied(levels)
    assert design.outcome.levels is not None
    np.testing.assert_array_equal(design.outcome.levels, np.arange(levels) / 7.0)
    assert priors["cutpoints"].prior == Prior("Dirichlet", (prior,))
    assert priors["cutpoints"].reason == reason


def test_an_outcome_with_too_many_distinct_values_is_refused_before_anything_is_fitted():
    with pytest.raises(ModelError) as caught:
        applied(501)
    assert str(caught.value) == (
        "family 'cumulative' takes every distinct value for a level, up to 500, and 'rating' has 501. Round it, "
        "declare its step with scales=..., or use a continuous family."
    )


def test_before_there_are_rows_the_prior_is_shown_where_the_levels_are_known():
    assert ModelSpec("who5_followup ~ age", family="cumulative").priors["cutpoints"].prior == Prior("Dirichlet", (1.0,))
    assert "cutpoints" not in ModelSpec("rating ~ age", family="cumulative").priors
    fine = {"rating": Scale(50, 20, 0, 100, 0.5)}
    own = ModelSpec("rating ~ age", family="cumulative", scales=fine).priors["cutpoints"].prior
    assert own == Prior("Dirichlet", (0.299,))  # 60 participants over 201 levels, to three figures
    given = ModelSpec("rating ~ age", family="cumulative", priors={"cutpoints": "Dirichlet(2)"})
    assert given.priors["cutpoints"].prior == Prior("Dirichlet", (2.0,))
