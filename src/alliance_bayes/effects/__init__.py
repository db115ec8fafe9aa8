"""Effects: slopes, adjusted means, contrasts and variance shares, computed draw by draw from a fitted model."""

from alliance_bayes.effects.contrasts import contrasts
from alliance_bayes.effects.means import adjusted_means, ranks
from alliance_bayes.effects.registry import DEFAULT_ESTIMANDS, ESTIMANDS, effects
from alliance_bayes.effects.slopes import slopes, slopes_by_level
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
    "ranks",
    "slopes",
    "slopes_by_level",
    "variance_partition",
]
