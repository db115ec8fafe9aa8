"""Special functions as machine code, for the families' kernels."""

from __future__ import annotations

import math

from alliance_bayes.compiled import njit

__all__ = ["MUCH", "digamma", "log_ndtr", "rising"]

#: Logarithms are taken of products of factors between 1 and what a double holds many times over: one for several rows.
#: A product is turned into a logarithm before it can pass what a double holds.
MUCH = 1e150
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_2 = math.sqrt(2.0)
# Below it the complementary error function comes near the smallest number there is.
_FAR = -36.0


@njit(cache=True, nogil=True)
def digamma(x):  # type: ignore[no-untyped-def]
    """Derivative of the log gamma function at x > 0: the recurrence up to 8, from there its asymptotic series.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 5.5.2 and 5.11.2. The first term left out is below 1e-13.
    """
    value = 0.0
    while x < 8.0:
        value -= 1.0 / x
        x += 1.0
    r = 1.0 / (x * x)
    series = 1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r * (1 / 132 - r * (691 / 32760 - r / 12)))))
    return value + math.log(x) - 0.5 / x - r * series


@njit(cache=True, nogil=True)
def log_ndtr(z):  # type: ignore[no-untyped-def]
    """Logarithm of the standard normal distribution function, and its derivative, in both tails."""
    if z < _FAR:
        # The asymptotic series; what is left out is below 1e-10 of it.
        r = 1.0 / (z * z)
        tail = 1.0 - r * (1.0 - r * (3.0 - 15.0 * r))
        return -0.5 * z * z - _HALF_LOG_2PI - math.log(-z) + math.log(tail), -z / tail
    below = 0.5 * math.erfc(-z / _SQRT_2)
    value = math.log1p(-0.5 * math.erfc(z / _SQRT_2)) if z > 0.0 else math.log(below)
    return value, math.exp(-0.5 * z * z - _HALF_LOG_2PI) / below


@njit(cache=True, nogil=True, error_model="numpy")
def rising(start, times):  # type: ignore[no-untyped-def]
    """Logarithm of start (start + 1) ... (start + times - 1), and its derivative by start.

    The product's own derivative follows from multiplications alone.
    """
    logs, slopes, product, slope = 0.0, 0.0, 1.0, 0.0
    for j in range(times):
        factor = start + j
        slope = slope * factor + product
        product *= factor
        if product > MUCH:
            logs += math.log(product)
            slopes += slope / product
            product, slope = 1.0, 0.0
    return logs + math.log(product), slopes + slope / product
