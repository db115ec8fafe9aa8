"""The posterior density of a model and its gradient, as machine code that is compiled once for all models."""

from alliance_bayes.engines.density.kernel import log_density
from alliance_bayes.engines.density.model_data import ModelData, model_data_of, starting_point, variables_of
from alliance_bayes.engines.density.recentring import Recentring, recentring_of

__all__ = [
    "ModelData",
    "Recentring",
    "log_density",
    "model_data_of",
    "recentring_of",
    "starting_point",
    "variables_of",
]
