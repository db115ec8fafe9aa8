"""Extend the PyMC graph: the model is an ordinary ``pymc.Model`` with named variables and dims.

Here the alliance slope of coaching is set against that of therapy by a prior of the analyst's own, added to the
graph as a potential: "I would be surprised if the two slopes differed by more than two points". Everything PyMC can
do works from here.
"""

from __future__ import annotations

import arviz as az
import pymc as pm

import alliance_bayes as ab

cohort = ab.simulate_cohort(n=800, seed=3)
model = ab.Model("who5_followup ~ alliance + who5_baseline + (alliance || provider_type)", priors="sceptical")

graph = model.pymc(cohort)
print("free variables:  ", [variable.name for variable in graph.free_RVs])
print("named quantities:", [variable.name for variable in graph.deterministics])
print("dims of u_provider_type:", graph.named_vars_to_dims["u_provider_type"])

levels = list(graph.coords["provider_type"])
terms = list(graph.coords["provider_type_term"])
with graph:
    slopes = graph["u_provider_type"][:, terms.index("alliance")]
    difference = pm.Deterministic(
        "coach_minus_therapist", slopes[levels.index("coach")] - slopes[levels.index("therapist")]
    )
    pm.Potential("alike", pm.logp(pm.Normal.dist(0.0, 1.0), difference))
    draws = pm.sample(
        draws=1000, tune=1000, chains=4, nuts_sampler="nutpie", target_accept=0.95, random_seed=5, progressbar=False
    )

summary = az.summary(draws, var_names=["coach_minus_therapist", "sigma"])
print(f"\n{summary}")

# The same model without the addition, for comparison.
fit = model.fit(cohort, seed=5)
contrasts = fit.contrasts("provider_type", of="slope")
contrasts = contrasts[contrasts["estimand"] == "contrast_of_slopes"]
shown = ["level", "versus", "mean", "lower", "upper", "interval", "prob"]
print(f"\nwithout the added prior:\n{contrasts[shown].to_string(index=False)}")
