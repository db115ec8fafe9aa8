"""Values and parameters drawn in turn have the posterior of the joint density, written as a PyMC graph."""

from __future__ import annotations

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.diagnostics import convergence
from imputing import FORMULA, graph, table


@pytest.mark.slow
def test_posterior_is_that_of_the_graph() -> None:
    """With an interaction with a missing indicator, a square of a missing number, missing outcomes, an auxiliary."""
    import pymc as pm

    data = table()
    model = ab.Model(FORMULA, missing="impute", auxiliary=("aux",))
    fit = model.fit(ab.read_cohort(data), seed=3, draws=4000, progress=False)
    with graph(fit, data):
        reference = pm.sample(
            2000, tune=1500, chains=4, cores=2, random_seed=1, nuts_sampler="nutpie", progressbar=False
        )
    for name in (*fit.design.terms, "sigma"):
        own = fit.posterior["sigma"] if name == "sigma" else fit.posterior["beta"].sel(term=name)
        other = reference["posterior"]["sigma" if name == "sigma" else f"beta[{name}]"]
        both = [np.asarray(draws.values) for draws in (own, other)]
        errors = []
        for draws in both:
            size = convergence(draws[None], np.quantile(draws, [[0.055, 0.945]]))["ess_mean"][0]
            errors.append(draws.std() / np.sqrt(size))
        assert abs(both[0].mean() - both[1].mean()) < 4 * np.hypot(*errors), name
        # The error of an SD is about the mean's over the root of two; of a skew sigma's, up to twice that.
        assert abs(both[0].std() - both[1].std()) < 4 * np.hypot(*errors) * np.sqrt(2), name
