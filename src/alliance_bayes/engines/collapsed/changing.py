"""The collapsed engine on rows of which some change from one draw to the next: sums are renewed by the changed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alliance_bayes.compiled import njit
from alliance_bayes.engines.collapsed.blocks import contrasts
from alliance_bayes.engines.collapsed.equations import Equations, normal_equations
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.collapsed.proposal import Proposal, adapt, along_ridges, find_mode
from alliance_bayes.engines.collapsed.sample import marginal_posterior, named
from alliance_bayes.model import Design, PriorTable, Rows

__all__ = ["ChangingRows", "Walk"]

# Proposals, and small steps, of a draw of the hyperparameters; and of a round of adaptation, rounds and the efficiency
# at which to stop.
_STEPS, _SIZE, _ROUNDS, _GOOD = 4, 600, 4, 0.4
# Proposals from which independent draws are chosen; the second where the first are worth too few.
_POOLS, _WORTH = (400, 8000), 40
# Sizes of small steps, in posterior SDs of one set of values (Roberts, Gelman, Gilks 1997: 2.4 over the root of D).
_SIZES = np.array([0.6, 1.2, 2.4])
# Proposals that are drawn at once, for many sets of values: what they cost is one a call.
_AT_ONCE = 2048


@dataclass(eq=False)
class Walk:
    """Where a chain of hyperparameters is, and how often it took a proposal.

    Parameters
    ----------
    theta
        Hyperparameters, shape (D,); None before the first step.
    moved, asked
        Steps that were accepted, and proposed.
    """

    theta: np.ndarray | None = None
    moved: int = 0
    asked: int = 0


class ChangingRows:
    """Draws of a Gaussian model's parameters given rows of which some are new each time.

    Parameters
    ----------
    design, priors
        The model on all rows, with some value in place of what was not observed.
    changing
        Places of the rows that change.
    """

    def __init__(self, design: Design, priors: PriorTable, changing: np.ndarray) -> None:
        self.design, self.priors, self.changing = design, priors, changing
        self._marginal = marginal_posterior(design, priors)
        eq = self._marginal.equations
        self._places = np.empty(len(eq.order), dtype=np.int64)
        self._places[eq.order] = np.arange(len(eq.order))
        unchanged = np.ones(design.rows.n, dtype=bool)
        unchanged[changing] = False
        still = np.flatnonzero(unchanged)
        self._still = _Sums.of_nothing(eq)
        self._add(self._still, design.rows.take(still), design.outcome.coded[still])
        self._proposal: Proposal | None = None
        self._root: np.ndarray | None = None
        self._ready: tuple[np.ndarray, np.ndarray] | None = None

    def marginal(self, rows: Rows, outcome: np.ndarray) -> Marginal:
        """The marginal posterior of the hyperparameters with some values in the changing rows.

        Parameters
        ----------
        rows
            Design arrays of the changing rows, in their order, of levels that the design has (`Rows.of_seen_levels`).
        outcome
            Their outcome, shape (n_changing,).
        """
        sums = self._still.copy()
        if not self._add(sums, rows, outcome):
            # Levels meet that did not before: the sparse pattern is another.
            return replace(self._marginal, equations=self._anew(rows, outcome))
        eq = self._marginal.equations
        equations = replace(
            eq,
            n=sums.n,
            rss=sums.rss,
            size=sums.rss,
            g_d=sums.g_d + np.tril(sums.g_d, -1).transpose(0, 2, 1),
            r_d=sums.r_d,
            g_e=sums.g_e,
            r_e=sums.r_e,
            v=sums.v,
            rotate=lambda: self._anew(rows, outcome).compressed,
        )
        return replace(self._marginal, equations=equations)

    def adapt(self, marginals: Sequence[Marginal], rng: np.random.Generator) -> None:
        """Make the proposal of the hyperparameters anew, from several sets of values; walks then begin anew, too."""
        first = marginals[0]

        def log_density(theta: np.ndarray) -> np.ndarray:
            # The mean log density: what all sets have in common, and no set's own peak.
            return np.mean([marginal.log_density(theta) for marginal in marginals], axis=0)

        mode, covariance = find_mode(first, first.equations.outcome_sd)
        self._root = np.linalg.cholesky(covariance)
        start = along_ridges(log_density, mode, covariance, logarithms=first.hyper.positive)
        self._proposal = adapt(log_density, start, rng, size=_SIZE, rounds=_ROUNDS, good=_GOOD).proposal
        self._ready = None

    def _proposals(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The next proposals and their log densities, shapes (n, D) and (n,)."""
        assert self._proposal is not None
        if self._ready is None or len(self._ready[1]) < n:
            theta, _, log_q = self._proposal.draw(rng, max(n, _AT_ONCE))
            self._ready = theta, log_q
        theta, log_q = self._ready
        self._ready = theta[n:], log_q[n:]
        return theta[:n], log_q[:n]

    def draw(
        self, marginal: Marginal, walk: Walk, draws: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws given one set of values: hyperparameters (draws, D), and coefficients counted from the pilot.

        Parameters
        ----------
        marginal
            What :meth:`marginal` gave, after :meth:`adapt`.
        walk
            The chain's state, which goes on.
        draws
            How many.
        rng
            Generator.
        """
        assert self._proposal is not None
        assert self._root is not None
        size, thetas = len(self._root), []
        far, far_log_q = self._proposals(draws * _STEPS + 1, rng)
        # A walk that begins does so at a proposal.
        if walk.theta is None:
            walk.theta = far[-1]
        value = float(marginal.log_density(walk.theta[None])[0])
        log_q = float(self._proposal.log_density(walk.theta[None])[0])
        far_value = marginal.log_density(far)
        far_uniform, near_uniform = np.log(rng.random((2, draws * _STEPS)))
        # Small steps of several sizes: where one set of values has its peak is not where the proposal has it.
        steps = rng.standard_normal((draws * _STEPS, size)) @ self._root.T
        steps *= rng.choice(_SIZES, draws * _STEPS)[:, None] / np.sqrt(size)
        for step in range(draws * _STEPS):
            ratio = far_value[step] - far_log_q[step] - (value - log_q)
            walk.asked += 1
            if far_uniform[step] < ratio or not np.isfinite(value):
                walk.theta, value, log_q = far[step], float(far_value[step]), float(far_log_q[step])
                walk.moved += 1
            near = walk.theta + steps[step]
            near_value = float(marginal.log_density(near[None])[0])
            if near_uniform[step] < near_value - value:
                walk.theta, value = near, near_value
                log_q = float(self._proposal.log_density(near[None])[0])
            if (step + 1) % _STEPS == 0:
                thetas.append(walk.theta)
        chosen = np.array(thetas)
        seed = np.random.SeedSequence(int(rng.integers(2**63)))
        return chosen, *marginal.draw(chosen, seed=seed)

    def independent(
        self, marginal: Marginal, draws: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws given one set of values, as :meth:`draw` gives them, but without a walk.

        Hyperparameters are chosen among proposals by their importance weights, at even distances along the first of
        them: one generator chooses and draws alike for sets that differ little.

        Parameters
        ----------
        marginal
            What :meth:`marginal` gave, after :meth:`adapt`.
        draws
            How many.
        rng
            Generator.
        """
        assert self._proposal is not None
        for pool in _POOLS:
            theta, _, log_q = self._proposal.draw(rng, pool)
            order = np.argsort(theta[:, 0], kind="stable")
            theta = theta[order]
            log_weight = marginal.log_density(theta) - log_q[order]
            each = np.exp(log_weight - log_weight.max())
            if each.sum() ** 2 / (each**2).sum() >= _WORTH:
                break
        weight = np.cumsum(each)
        places = (np.arange(draws) + rng.random()) / draws * weight[-1]
        # They stand in no order, so that a part of them is like all.
        chosen = theta[rng.permutation(np.searchsorted(weight, places))]
        seed = np.random.SeedSequence(int(rng.integers(2**63)))
        return chosen, *marginal.draw(chosen, seed=seed)

    def natural(self, theta: np.ndarray, dense: np.ndarray, eliminated: np.ndarray) -> dict[str, np.ndarray]:
        """The draws by the names of the posterior's variables, shape (n_draws, ...)."""
        return named(self.design, self._marginal, theta, dense, eliminated)

    def _anew(self, rows: Rows, outcome: np.ndarray) -> Equations:
        """The normal equations from all rows."""
        design, at = self.design, self.changing
        whole, coded = design.rows.take(np.arange(design.rows.n)), design.outcome.coded.copy()
        whole.put(at, rows)
        coded[at] = outcome
        completed = replace(design, rows=whole, outcome=replace(design.outcome, values=coded, coded=coded))
        equations = normal_equations(completed, self.priors, None, scale=self._marginal.hyper.scale)
        # Coefficients of all draws are counted from one pilot.
        return _repiloted(equations, self._marginal.equations)

    def _add(self, sums: _Sums, rows: Rows, outcome: np.ndarray) -> bool:
        """Add some rows' products to ``sums``; False where a level meets columns that it did not meet before."""
        eq, design = self._marginal.equations, self.design
        left = outcome - rows.x @ eq.pilot
        if rows.offset is not None:
            left = left - rows.offset
        z, level = np.zeros((rows.n, 1)), np.full(rows.n, -1, dtype=np.int64)
        if eq.eliminated is not None:
            z, level = rows.z[eq.eliminated], self._places[rows.index[eq.eliminated]]
        dense = dense_columns(design, eq, rows)
        return bool(
            _add_rows(
                dense,
                np.ascontiguousarray(z),
                level,
                left,
                rows.strata.astype(np.int64),
                eq.ptr,
                eq.cols,
                sums.n,
                sums.rss,
                sums.g_d,
                sums.r_d,
                sums.g_e,
                sums.r_e,
                sums.v,
            )
        )


def dense_columns(design: Design, eq: Equations, rows: Rows) -> np.ndarray:
    """The dense columns of some rows as the normal equations have them, shape (n, d)."""
    out = np.zeros((rows.n, eq.g_d.shape[1]))
    out[:, : rows.x.shape[1]] = rows.x
    for smooth in design.smooths:
        start = eq.starts[smooth.name]
        out[:, start : start + len(smooth.labels)] = rows.basis[smooth.name]
    for factor in design.factors:
        if factor.name == eq.eliminated:
            continue
        levels, q, z = len(factor.levels), len(factor.terms), rows.z[factor.name]
        by_level = contrasts(levels) if factor.exhaustive else np.eye(levels)
        coded = by_level[rows.index[factor.name]]
        start = eq.starts[factor.name]
        width = coded.shape[1] * q
        # Of no rows at all (every one changes, as with an error of measurement) the width does not follow.
        out[:, start : start + width] = (coded[:, :, None] * z[:, None, :]).reshape(rows.n, width)
    return out


def _repiloted(eq: Equations, like: Equations) -> Equations:
    """Normal equations counted from another pilot estimate of the common coefficients."""
    by = like.pilot - eq.pilot
    k = len(by)
    g, r = eq.g_d[:, :, :k], eq.r_d[:, :k]
    cross = np.zeros((*eq.v.shape[:2], len(eq.order)))
    for level in range(len(eq.order)):
        span = slice(eq.ptr[level], eq.ptr[level + 1])
        cols = eq.cols[span]
        common = cols < k
        cross[:, :, level] = eq.v[:, :, span][:, :, common] @ by[cols[common]]
    rss = eq.rss - 2 * r @ by + np.einsum("i,sij,j->s", by, g[:, :k], by)
    return replace(
        eq,
        rss=rss,
        size=eq.size + np.abs(rss),
        r_d=eq.r_d - g @ by,
        r_e=eq.r_e - cross.transpose(0, 2, 1),
        pilot=like.pilot,
        offset=np.concatenate([eq.offset[:k] - by / eq.fixed[:k], eq.offset[k:]]),
    )


@dataclass(eq=False)
class _Sums:
    """The sums of :class:`Equations` that rows add to; of ``g_d`` the lower triangle."""

    n: np.ndarray
    rss: np.ndarray
    g_d: np.ndarray
    r_d: np.ndarray
    g_e: np.ndarray
    r_e: np.ndarray
    v: np.ndarray

    @classmethod
    def of_nothing(cls, eq: Equations) -> _Sums:
        return cls(*(np.zeros_like(part) for part in (eq.n, eq.rss, eq.g_d, eq.r_d, eq.g_e, eq.r_e, eq.v)))

    def copy(self) -> _Sums:
        parts = (self.n, self.rss, self.g_d, self.r_d, self.g_e, self.r_e, self.v)
        return _Sums(*(part.copy() for part in parts))


@njit(cache=True, nogil=True)
def _add_rows(dense, z, level, left, stratum, ptr, cols, n, rss, g_d, r_d, g_e, r_e, v):  # type: ignore[no-untyped-def]
    rows, d = dense.shape
    used = np.empty(d, dtype=np.int64)
    for i in range(rows):
        s, y = stratum[i], left[i]
        n[s] += 1.0
        rss[s] += y * y
        count = 0
        for a in range(d):
            if dense[i, a] != 0.0:
                used[count] = a
                count += 1
        for a in range(count):
            value = dense[i, used[a]]
            r_d[s, used[a]] += value * y
            for b in range(a + 1):
                g_d[s, used[a], used[b]] += value * dense[i, used[b]]
        lev = level[i]
        if lev < 0 or not np.any(z[i] != 0.0):
            continue
        met = 0
        for k in range(ptr[lev], ptr[lev + 1]):
            value = dense[i, cols[k]]
            if value != 0.0:
                met += 1
                for q in range(z.shape[1]):
                    v[s, q, k] += z[i, q] * value
        if met < count:
            return False
        for p in range(z.shape[1]):
            r_e[s, lev, p] += z[i, p] * y
            for q in range(z.shape[1]):
                g_e[s, lev, p, q] += z[i, p] * z[i, q]
    return True
