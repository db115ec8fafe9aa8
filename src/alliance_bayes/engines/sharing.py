"""Common columns whose coefficient the data cannot tell from the mean of level effects."""

from __future__ import annotations

from alliance_bayes.model import Design, PriorTable

__all__ = ["shared_terms"]


def shared_terms(design: Design, priors: PriorTable) -> tuple[str, ...]:
    """Common columns with a normal prior whose effects differ, uncorrelated, by the levels of a sampled factor.

    The data inform the sum of such a column's coefficient and the level mean only, so the sum is what is sampled.
    """
    factors = [factor for factor in design.factors if not (factor.exhaustive or factor.correlated)]
    pooled = {term for factor in factors for term in factor.terms}
    return tuple(t for t in design.terms if t in pooled and priors[t].prior.distribution == "Normal")
