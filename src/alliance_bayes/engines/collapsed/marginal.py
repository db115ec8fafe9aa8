"""The posterior of the hyperparameters with all coefficients integrated out, and exact draws of the coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from alliance_bayes.engines.collapsed.equations import Equations
from alliance_bayes.engines.collapsed.gradient import log_density_and_gradient
from alliance_bayes.engines.collapsed.hyper import Hyper
from alliance_bayes.engines.collapsed.kernels import draw_coefficients, log_densities
from alliance_bayes.engines.collapsed.orthogonal import draw_by_rows, gradient_by_rows, log_densities_by_rows

__all__ = ["Marginal"]

# Sets of hyperparameters in one piece of work. Pieces do not depend on the number of cores, nor do the draws.
_PIECE = 250


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

    Notes
    -----
    log p(y | theta) = -n log(sigma sqrt(2 pi)) - log|A| / 2 - (s / sigma^2 - b'A^-1 b) / 2 with A = I + C'GC / sigma^2
    and b = C'r / sigma^2, where C is a square root of the coefficients' prior covariance. Where a residual SD is so
    small that G, r and s have not the digits for that, it is computed from the rotated rows (:class:`Compressed`).
    """

    equations: Equations
    hyper: Hyper
    terms: dict[str, tuple[int, bool]]
    cores: int = 1

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Log of prior times marginal likelihood at each theta (N, size), shape (N,); -inf where not computable."""
        theta = np.ascontiguousarray(theta, dtype=float)
        out, sure = np.empty(len(theta)), np.empty(len(theta), dtype=bool)
        eq = self.equations

        def work(piece: slice) -> None:
            log_densities(
                theta[piece], *self._layout, eq.n, eq.squares, eq.fixed, eq.group, eq.kernel, out[piece], sure[piece]
            )

        self._share(work, len(theta))
        if not sure.all():
            unsure = np.flatnonzero(~sure)
            again, rows = np.empty(len(unsure)), eq.compressed.kernel

            def work_again(piece: slice) -> None:
                log_densities_by_rows(
                    theta[unsure[piece]], *self._layout, eq.n, eq.fixed, eq.group, rows, eq.kernel, again[piece]
                )

            self._share(work_again, len(unsure))
            out[unsure] = again
        return np.where(np.isfinite(out), out, -np.inf)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density and its gradient at one theta (size,)."""
        theta = np.ascontiguousarray(theta, dtype=float)
        eq, out = self.equations, np.empty(self.hyper.size)
        value, sure = log_density_and_gradient(
            theta, *self._layout, eq.n, eq.squares, eq.fixed, eq.group, eq.kernel, *self._columns, out
        )
        if not sure:
            value = gradient_by_rows(
                theta, *self._layout, eq.n, eq.fixed, eq.group, eq.compressed.kernel, eq.kernel, *self._columns, out
            )
        if not (np.isfinite(value) and np.isfinite(out).all()):
            return -np.inf, np.zeros(self.hyper.size)
        return float(value), out

    def draw(self, theta: np.ndarray, *, seed: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray]:
        """Exact draws of the coefficients given each theta, shapes (N, d) and (N, L, q), counted from the pilot."""
        theta, eq = np.ascontiguousarray(theta, dtype=float), self.equations
        dense = np.empty((len(theta), eq.g_d.shape[1]))
        eliminated = np.empty((len(theta), eq.g_e.shape[1], eq.g_e.shape[2]))
        streams = seed.spawn(len(theta) // _PIECE + 1)
        sizes, place, _ = self._layout

        def work(piece: slice) -> None:
            rng = np.random.default_rng(streams[piece.start // _PIECE])
            z_d, z_e, sure = dense[piece], eliminated[piece], np.empty(len(theta[piece]), dtype=bool)
            rng.standard_normal(out=z_d)
            rng.standard_normal(out=z_e)
            draw_coefficients(
                theta[piece], sizes, place, eq.n, eq.squares, eq.fixed, eq.group, eq.kernel, z_d, z_e, sure
            )
            if sure.all():
                return
            again_d, again_e, rows = z_d[~sure], z_e[~sure], eq.compressed.kernel
            draw_by_rows(theta[piece][~sure], sizes, place, eq.fixed, eq.group, rows, eq.kernel, again_d, again_e)
            z_d[~sure], z_e[~sure] = again_d, again_e

        self._share(work, len(theta))
        return dense, eliminated

    @cached_property
    def _layout(self) -> tuple[Any, ...]:
        """What the kernels know of theta: sizes, places of scales and correlations, priors."""
        eq, hyper = self.equations, self.hyper
        correlated = [factor for factor, (_, together) in self.terms.items() if together]
        first = -1 if eq.eliminated is None else self._first_scale[eq.eliminated]
        eliminated = correlated.index(eq.eliminated) if eq.eliminated in correlated else -1
        widths = np.array([self.terms[factor][0] for factor in correlated], dtype=np.int64)
        dense = np.array([f for f, factor in enumerate(correlated) if factor != eq.eliminated], dtype=np.int64)
        return (len(hyper.sigma), len(hyper.tau), eq.g_e.shape[2]), (widths, dense, first, eliminated), hyper.prior

    @cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Scales of dense columns without correlations (T,); columns, scales and levels of the others (B, 3)."""
        eq, alone, starts = self.equations, np.ones(len(self.hyper.tau), dtype=bool), []
        levels = {int(start): int(count) for start, count, _ in eq.correlated}
        for factor, (terms, correlated) in self.terms.items():
            first = self._first_scale[factor]
            if correlated or factor == eq.eliminated:
                alone[first : first + terms] = False
            if correlated and factor != eq.eliminated:
                starts.append((eq.starts[factor], first, levels[eq.starts[factor]]))
        return alone, np.array(starts, dtype=np.int64).reshape(-1, 3)

    @cached_property
    def _first_scale(self) -> dict[str, int]:
        first, at = {}, len(self.hyper.tau) - sum(terms for terms, _ in self.terms.values())
        for factor, (terms, _) in self.terms.items():
            first[factor] = at
            at += terms
        return first

    def _share(self, work: Callable[[slice], None], n: int) -> None:
        if 0 < n <= _PIECE:
            # One set of hyperparameters after the other is what walks ask for, tens of thousands of times.
            work(slice(0, n))
            return
        pieces = list(_pieces(n))
        if self.cores == 1 or len(pieces) == 1:
            for piece in pieces:
                work(piece)
            return
        with ThreadPoolExecutor(self.cores) as pool:
            list(pool.map(work, pieces))


def _pieces(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _PIECE, n)) for start in range(0, n, _PIECE))
