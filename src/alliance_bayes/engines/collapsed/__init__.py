"""The collapsed engine: Gaussian models with all coefficients integrated out."""

from alliance_bayes.engines.collapsed.sample import marginal_posterior, sample_collapsed, why_not_collapsed

__all__ = ["marginal_posterior", "sample_collapsed", "why_not_collapsed"]
