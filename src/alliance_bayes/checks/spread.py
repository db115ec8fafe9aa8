"""Whether the residuals' spread differs along numeric columns, and along the expected outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.bins import bin_numbers
from alliance_bayes.checks.check import Check, CheckResult, Plot, percent, some
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.drawing import BAND, GREY, OBSERVED, axes_of, called, label_of, legend, slug
from alliance_bayes.checks.lack_of_fit import Basis, discrepancies, judged, orthonormal, spline_basis
from alliance_bayes.checks.residuals import edges_of, fired_of, named
from alliance_bayes.model import Design, ModelSpec
from alliance_bayes.model.grammar import in_formula, windowed_named
from alliance_bayes.wording import Wording, capital

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Spread", "SpreadResiduals"]

SENTENCES = Wording("alliance_bayes.checks", "sentences/spread.toml")
#: What the expected outcome is called among the columns.
EXPECTED = "expected outcome"
_COLUMNS = ["column", "low", "high", "mean", "n", "spread", "limit", "share", "p"]
# Replicates x rows that are worked on at once (doubles): 4 MB.
_BLOCK = 500_000


class Spread(Check):
    """Compare the size of residuals along every numeric column with that of replicates.

    ``warn`` when a column's test fires. Numeric columns of the model, those given as ``extra``, those of the table that
    the model does not use, and the expected outcome are looked at. The table has one row a column of the model and part
    of its range, as in :class:`Curvature`: ``spread`` is the mean size of the residuals over the one that the model
    expects there, and parts of one column keep within 1 plus and minus ``limit`` together; ``share`` is how much of the
    variance of the residuals' sizes goes along the column, and ``p`` the column's, adjusted for the number of columns.
    Of the expected outcome, and of a column that the model does not use, there is one row, whose ``n`` is 0.

    Notes
    -----
    The size of a residual is its absolute value, from which the mean over replicates of that row is taken, over their
    SD. That asks nothing of the family, and does not break where residuals have heavy tails. Glejser (1969), Journal of
    the American Statistical Association 64:316-323, tests the spread so.
    """

    name = "spread"
    title = "Residual spread along numeric columns"
    looks_at = "the spread of residuals along numeric columns"
    meaning = (
        "Outcomes vary more for some people than the model says, and less for others: intervals of slopes may be too "
        "narrow or too wide, and what is predicted for single people is off."
    )
    concerns = ("effects", "endpoints")
    needs_rows = "The spread of residuals along a predictor"

    def examine(self, context: Context) -> CheckResult:
        """Compare the size of residuals along every numeric column with that of replicates."""
        looked_at, context = context.sampled, context.sample
        design = context.fit.design
        if np.unique(design.outcome.values).size < 3:
            return self.result("info", SENTENCES("two_values") + looked_at, nothing=True)
        columns = {**context.numeric, **context.unused_numbers, EXPECTED: context.expected.mean(axis=0)}
        residuals = SpreadResiduals(context)
        tests = judged(
            discrepancies(
                context, {name: spline_basis(values) for name, values in columns.items()}, _known(design), of=residuals
            )
        )
        parts = {name: _indicators(values) for name, values in context.numeric.items()}
        sizes = dict(zip(parts, residuals.of_parts(list(parts.values()), context.rate), strict=True)) if parts else {}
        records: list[dict[str, object]] = []
        for name, values in columns.items():
            about = {"column": name, "share": tests[name].share, "p": tests[name].p}
            if name not in parts:
                records.append(about | {"n": values.size})
                continue
            for at, spread, limit in zip(parts[name].T, *sizes[name], strict=True):
                inside = values[at]
                ends = {"low": inside.min(), "high": inside.max(), "mean": inside.mean(), "n": inside.size}
                records.append(about | ends | {"spread": spread, "limit": limit})
        table = pd.DataFrame(records, columns=_COLUMNS)
        fired = fired_of(tests, context.rate)
        kind = "sigma" if "sigma" in design.family.parameters else "other"
        sentence = (
            SENTENCES(
                "fired",
                columns=named(fired, tests),
                first=next((name for name in fired if name != EXPECTED), ""),
                expected=fired == [EXPECTED],
                kind=kind,
                one=len([name for name in fired if name != EXPECTED]) == 1,
                sigma=_sigma_along(context.fit.spec, [name for name in fired if name != EXPECTED]),
                instead=context.fit.spec.residual_by or "",
                alternatives=design.family.alternatives,
                ends=design.outcome.lower is not None or design.outcome.upper is not None,
            )
            if fired
            else SENTENCES("level", columns=some(tests, 8), share=percent(1 - context.rate))
        )
        shown = table[table["spread"].notna()]
        return self.result(
            "warn" if fired else "pass",
            sentence + looked_at,
            table,
            plots=tuple(spread_along(design, str(name), rows) for name, rows in shown.groupby("column", sort=False)),
        )


def _indicators(values: np.ndarray) -> np.ndarray:
    """Which part of a column's range each row is in, shape (n, n_parts)."""
    edges = edges_of(values)
    parts = np.where(np.isfinite(values), bin_numbers(values, edges), -1)
    return np.asarray(parts[:, None] == np.arange(edges.size - 1))


@dataclass(frozen=True, eq=False)
class SpreadResiduals:
    """Sizes of residuals, less what a model expects of each row, in SDs."""

    context: Context
    scales: tuple[float, float] = (1.0, 1.0)

    @cached_property
    def expected(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD over replicates of the size of each row's residual, shape (n,) each."""
        first, second = (np.zeros(self.context.fit.design.rows.n) for _ in range(2))
        for _, replicated in self._blocks():
            first += replicated.sum(axis=0)
            second += np.einsum("ij,ij->j", replicated, replicated)
        mean = first / self.context.replicates
        sd = np.sqrt(np.maximum(second / self.context.replicates - mean**2, 0.0))
        # A row whose outcome cannot vary has no spread to compare.
        return mean, np.where(sd > 1e-9 * max(float(sd.max()), 1e-300), sd, np.inf)

    def products(self, basis: Basis) -> tuple[np.ndarray, np.ndarray]:
        """See `Residuals`."""
        mean, sd = self.expected
        pairs = [
            [((part - mean) / sd) @ basis for part in (observed, replicated)] for observed, replicated in self._blocks()
        ]
        observed, replicated = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return observed, replicated

    def of_parts(self, parts: Sequence[np.ndarray], rate: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each column: size of residuals over the expected one in parts of it, and how far from 1 all may be.

        ``parts`` are indicators of a column's parts, shape (n, n_parts).
        """
        shares = np.hstack(parts)
        shares = shares / (self.expected[0] @ shares)
        pairs = [(observed @ shares, replicated @ shares) for observed, replicated in self._blocks()]
        observed, replicated = (np.concatenate(blocks) for blocks in zip(*pairs, strict=True))
        ends = np.cumsum([indicators.shape[1] for indicators in parts])[:-1]
        return [
            (seen.mean(axis=0), _limit(null, rate))
            for seen, null in zip(np.split(observed, ends, axis=1), np.split(replicated, ends, axis=1), strict=True)
        ]

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Sizes of observed and replicated residuals, some replicates at a time."""
        context, outcome = self.context, self.context.fit.design.outcome.values
        step = max(1, _BLOCK // outcome.size)
        for start in range(0, context.replicates, step):
            some = slice(start, start + step)
            middle = context.expected[some]
            yield np.abs(outcome - middle), np.abs(context.simulated[some] - middle)


def _limit(replicated: np.ndarray, rate: float) -> np.ndarray:
    """How far from 1 parts are, all of which lie as near in all but a share of replicates."""
    sd = replicated.std(axis=0)
    worst = (np.abs(replicated - 1) / np.where(sd > 0, sd, 1.0)).max(axis=1)
    return float(np.quantile(worst, 1 - rate)) * sd


def _sigma_along(spec: ModelSpec, columns: Sequence[str]) -> str:
    """The model of the residual SD that differs along some columns, too; empty where the fit can have none."""
    if not columns or spec.missing == "impute" or spec.weights_kind == "sampling":
        return ""
    sigma, known = spec.parsed_sigma, spec.residual_by or ""
    if sigma is not None:
        # Along what is there already the logarithm of the SD bends: a spline takes the place of the line.
        left = replace(sigma, common=tuple(name for name in sigma.common if name not in columns))
        known = str(left).partition("~")[2].strip() if left.common != ("Intercept",) else ""
    before = () if sigma is None else sigma.columns
    splines = "" if sigma is None else sigma.text
    more = [
        f"bs({in_formula(name)}, df=4)" if name in before else name if windowed_named(name) else in_formula(name)
        for name in columns
        if f"bs({in_formula(name)}," not in splines
    ]
    return f"~ {' + '.join([*([known] if known else []), *more])}" if more else ""


def _known(design: Design) -> np.ndarray:
    """What the residual spread may be as it likes by: everybody's, that of each level, or along columns."""
    n = design.rows.n
    if design.rows.sigma is not None:
        return orthonormal(np.column_stack([np.ones(n), design.rows.sigma]), 1e-10)
    if design.rows.residual is None:
        return np.full((n, 1), 1 / np.sqrt(n))
    return orthonormal(np.eye(int(design.rows.residual.max()) + 1)[design.rows.residual], 1e-10)


def spread_along(design: Design, column: str, parts: pd.DataFrame) -> Plot:
    """Size of residuals over the expected one in parts of a column's range, with limits.

    Parameters
    ----------
    design
        For labels.
    column
        Name of the column.
    parts
        Columns ``mean``, ``spread``, ``limit``.
    """

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        x, limit = parts["mean"].to_numpy(float), parts["limit"].to_numpy(float)
        axes.fill_between(
            x, 1 - limit, 1 + limit, color=BAND, alpha=0.6, linewidth=0, label="limits, all parts at once"
        )
        axes.axhline(1, color=GREY, linewidth=1)
        axes.plot(x, parts["spread"], "o-", color=OBSERVED, markersize=5, linewidth=1.2, label="size of residuals")
        axes.set_xlabel(label_of(design, column))
        axes.set_ylabel(f"{capital(called(design))} over expected\nsize of residuals")
        legend(figure, axes)

    outside = int(((parts["spread"] - 1).abs() > parts["limit"]).sum())
    of = f"{outside or 'None'} of the {len(parts)} parts {'is' if outside == 1 else 'are'} outside."
    return Plot(
        f"spread-{slug(column)}",
        f"Residual spread along {column}",
        f"Mean size of the residuals over the one that the model expects, in {len(parts)} parts of the range of "
        f"{column}, with a band that they keep within when the model is right. {of}",
        draw,
        column=column,
    )
