"""The posterior density of a model and its gradient, as machine code that is compiled once for all models."""

from alliance_bayes.engines.density.kernel import log_density
from alliance_bayes.engines.density.plan import Plan, plan_of, starting_point, variables_of

__all__ = ["Plan", "log_density", "plan_of", "starting_point", "variables_of"]
