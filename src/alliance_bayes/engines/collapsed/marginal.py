"""The posterior of the hyperparameters with all coefficients integrated out, and exact draws of the coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alliance_bayes.engines.collapsed.equations import Equations
from alliance_bayes.engines.collapsed.gradient import expected_moments
from alliance_bayes.engines.collapsed.hyper import Hyper
from alliance_bayes.engines.collapsed.kernels import draw_coefficients, log_likelihoods

__all__ = ["Marginal"]

# Sets of hyperparameters in one piece of work. Pieces do not depend on the number of cores, nor do the draws.
_PIECE = 250
_STEP = 1e-6


@dataclass(frozen=True, eq=False)
class Marginal:
    """Log density, gradient and conditional draws of one Gaussian model.

    Parameters
    ----------
    equations
        Normal equations of the data.
    hyper
        Layout and priors of the hyperparameters.
    terms
        Number of terms of each pooled factor, and whether they are correlated, in the design's order.
    cores
        Pieces of work done at once.
    """

    equations: Equations
    hyper: Hyper
    terms: dict[str, tuple[int, bool]]
    cores: int = 1

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Log of prior times marginal likelihood at each theta (N, size), shape (N,); -inf where not computable.

        Notes
        -----
        log p(y | theta) = -n log(sigma sqrt(2 pi)) - log|A| / 2 - (s / sigma^2 - b'A^-1 b) / 2 with A = I + C'GC /
        sigma^2 and b = C'r / sigma^2, where C is a square root of the coefficients' prior covariance.
        """
        out = np.empty(len(theta))

        def work(piece: slice) -> None:
            eq = self.equations
            log_likelihoods(
                *self._scales(theta[piece]),
                eq.n,
                eq.rss,
                eq.fixed,
                eq.group,
                eq.kernel,
                out[piece],
            )

        self._share(work, len(theta))
        with np.errstate(invalid="ignore"):
            out += self.hyper.log_prior(theta)
        return np.where(np.isfinite(out), out, -np.inf)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density and its gradient at one theta (size,).

        Notes
        -----
        By Fisher's identity the gradient is the posterior expectation of the gradient of the complete-data log density
        given theta, which needs first and second moments of the coefficients only.
        """
        theta = np.asarray(theta, dtype=float)
        eq = self.equations
        d, q = eq.g_d.shape[1], eq.g_e.shape[2]
        sigma, tau, k_dense, ce = (part[0] for part in self._scales(theta[None]))
        m_e, second, mean, residual = np.empty((q, q)), np.empty((d, d)), np.empty(d), np.empty(len(sigma))
        value = expected_moments(
            sigma, tau, k_dense, ce, eq.n, eq.rss, eq.fixed, eq.group, eq.kernel, m_e, second, mean, residual
        )
        value += float(self.hyper.log_prior(theta[None])[0])
        if not np.isfinite(value):
            return -np.inf, np.zeros(self.hyper.size)
        out = self.hyper.grad_log_prior(theta)
        strata = len(sigma)
        out[:strata] += residual / sigma**2 - eq.n
        away = second + np.outer(mean, mean) - np.eye(d)
        at = self.hyper.positive
        alone = np.bincount(eq.group + 1, np.diag(away), minlength=tau.size + 1)[1:]
        root = self.hyper.natural(theta[None])[2]
        for factor, (terms, correlated) in self.terms.items():
            first = strata + self._first_scale[factor]
            if factor == eq.eliminated:
                m = m_e
            elif correlated:
                start, levels = eq.starts[factor], self._levels(factor)
                blocks = away[start : start + levels * terms, start : start + levels * terms]
                m = np.einsum("aiaj->ij", blocks.reshape(levels, terms, levels, terms))
            else:
                continue
            if not correlated:
                out[first : first + terms] += np.diag(m)
                continue
            free = terms * (terms - 1) // 2
            k = root[factor][0]
            inverse = np.linalg.inv(k)
            out[first : first + terms] += np.diag(k @ m @ inverse)
            out[at : at + free] += self._root_gradient(theta, factor, at, free, m @ inverse)
            at += free
        out[strata : strata + tau.size] += alone * self._independent
        return value, out

    def draw(self, theta: np.ndarray, *, seed: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray]:
        """Exact draws of the coefficients given each theta, shapes (N, d) and (N, L, q), counted from the pilot."""
        eq = self.equations
        dense = np.empty((len(theta), eq.g_d.shape[1]))
        eliminated = np.empty((len(theta), eq.g_e.shape[1], eq.g_e.shape[2]))
        streams = seed.spawn(len(theta) // _PIECE + 1)

        def work(piece: slice) -> None:
            rng = np.random.default_rng(streams[piece.start // _PIECE])
            z_d, z_e = dense[piece], eliminated[piece]
            rng.standard_normal(out=z_d)
            rng.standard_normal(out=z_e)
            draw_coefficients(*self._scales(theta[piece]), eq.fixed, eq.group, eq.kernel, z_d, z_e)

        self._share(work, len(theta))
        return dense, eliminated

    def _scales(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What the kernels take: sigma, tau, Cholesky factors of dense correlated factors, root of the eliminated."""
        eq = self.equations
        sigma, tau, roots = self.hyper.natural(theta)
        dense = [factor for factor, (_, correlated) in self.terms.items() if correlated and factor != eq.eliminated]
        widest = max((self.terms[factor][0] for factor in dense), default=1)
        k_dense = np.zeros((len(theta), len(dense), widest, widest))
        for b, factor in enumerate(dense):
            q = self.terms[factor][0]
            k_dense[:, b, :q, :q] = roots[factor]
        q = eq.g_e.shape[2]
        ce = np.zeros((len(theta), q, q))
        if eq.eliminated is not None:
            first = self._first_scale[eq.eliminated]
            root = roots.get(eq.eliminated, np.broadcast_to(np.eye(q), (len(theta), q, q)))
            ce[:] = tau[:, first : first + q, None] * root
        return np.ascontiguousarray(sigma), np.ascontiguousarray(tau), k_dense, ce

    @cached_property
    def _first_scale(self) -> dict[str, int]:
        first, at = {}, len(self.hyper.tau) - sum(terms for terms, _ in self.terms.values())
        for factor, (terms, _) in self.terms.items():
            first[factor] = at
            at += terms
        return first

    @cached_property
    def _independent(self) -> np.ndarray:
        """1 for scales of dense columns without correlations, whose gradient is a plain sum."""
        out = np.ones(len(self.hyper.tau))
        for factor, (terms, correlated) in self.terms.items():
            if correlated or factor == self.equations.eliminated:
                out[self._first_scale[factor] : self._first_scale[factor] + terms] = 0.0
        return out

    def _levels(self, factor: str) -> int:
        start = self.equations.starts[factor]
        return int(next(row[1] for row in self.equations.correlated if row[0] == start))

    def _root_gradient(self, theta: np.ndarray, factor: str, at: int, free: int, m: np.ndarray) -> np.ndarray:
        """Gradient by the partial correlations; the small Cholesky factor is differentiated numerically."""
        steps = np.repeat(theta[None], 2 * free, axis=0)
        for k in range(free):
            steps[2 * k, at + k] += _STEP
            steps[2 * k + 1, at + k] -= _STEP
        roots = self.hyper.natural(steps)[2][factor]
        slopes = (roots[::2] - roots[1::2]) / (2 * _STEP)
        return np.einsum("ij,kji->k", m, slopes)

    def _share(self, work: Callable[[slice], None], n: int) -> None:
        pieces = list(_pieces(n))
        if self.cores == 1 or len(pieces) == 1:
            for piece in pieces:
                work(piece)
            return
        with ThreadPoolExecutor(self.cores) as pool:
            list(pool.map(work, pieces))


def _pieces(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _PIECE, n)) for start in range(0, n, _PIECE))
