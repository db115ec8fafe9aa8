"""A measurement model of single ratings, joined to the outcome: the slope corrected for error and ceiling."""

from alliance_bayes.latent.fit import FORMULA, fit_latent
from alliance_bayes.latent.measurement import MEASUREMENT_PRIORS
from alliance_bayes.latent.result import LatentFit

__all__ = ["FORMULA", "MEASUREMENT_PRIORS", "LatentFit", "fit_latent"]
