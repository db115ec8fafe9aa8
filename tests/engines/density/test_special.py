"""Special functions as machine code against SciPy, in the middle and far out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from alliance_bayes.model.families.special import digamma, log_ndtr


def test_digamma_is_scipys() -> None:
    x = np.concatenate([np.geomspace(1e-3, 1e6, 200), [7.999999, 8.0, 8.000001]])
    # The function crosses zero at 1.46, where its error counts against the size of the terms, about 1.
    np.testing.assert_allclose([digamma(value) for value in x], special.digamma(x), rtol=1e-12, atol=1e-12)


def test_normal_tail_is_scipys() -> None:
    z = np.concatenate([np.linspace(-60, 9, 691), [-36.0000001, -35.9999999, -1e4]])
    values, slopes = np.array([log_ndtr(value) for value in z]).T
    np.testing.assert_allclose(values, special.log_ndtr(z), rtol=1e-12, atol=1e-300)
    # The derivative is the density over the distribution function, by logarithms; of the last, about 5e7, too little is
    # left after a difference, and minus z minus 1 / z is exact to 1e-12.
    expected = np.exp(stats.norm.logpdf(z) - special.log_ndtr(z))
    np.testing.assert_allclose(slopes[:-1], expected[:-1], rtol=1e-9, atol=1e-300)
    assert slopes[-1] == pytest.approx(1e4 + 1e-4, rel=1e-12)
