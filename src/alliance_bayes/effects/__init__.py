"""Effects: slopes, adjusted means, contrasts and variance shares, computed draw by draw from a fitted model."""

from alliance_bayes.effects.contrasts import contrasts
from alliance_bayes.effects.equivalence import equivalence
from alliance_bayes.effects.improvement import improvement
from alliance_bayes.effects.means import adjusted_means, overall_mean, ranks
from alliance_bayes.effects.moderation import moderation
from alliance_bayes.effects.ratings import group_ratings
from alliance_bayes.effects.registry import DEFAULT_ESTIMANDS, ESTIMANDS, effects
from alliance_bayes.effects.regression_to_mean import regression_to_mean
from alliance_bayes.effects.responders import responders
from alliance_bayes.effects.slopes import slopes, slopes_by_level
from alliance_bayes.effects.superiority import superiority
from alliance_bayes.effects.table import COLUMNS, Draws, EffectTable
from alliance_bayes.effects.variance import bayesian_r2, variance_partition

__all__ = [
    "COLUMNS",
    "DEFAULT_ESTIMANDS",
    "ESTIMANDS",
    "Draws",
    "EffectTable",
    "adjusted_means",
    "bayesian_r2",
    "contrasts",
    "effects",
    "equivalence",
    "group_ratings",
    "improvement",
    "moderation",
    "overall_mean",
    "ranks",
    "regression_to_mean",
    "responders",
    "slopes",
    "slopes_by_level",
    "superiority",
    "variance_partition",
]
