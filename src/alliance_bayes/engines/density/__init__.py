"""The posterior density of a model and its gradient, as machine code that is compiled once for all models."""

from alliance_bayes.engines.density.kernel import log_density
from alliance_bayes.engines.density.model_data import ModelData, model_data_of, starting_point, variables_of

__all__ = ["ModelData", "log_density", "model_data_of", "starting_point", "variables_of"]
