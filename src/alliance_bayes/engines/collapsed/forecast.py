"""What a fit by the collapsed engine will take, from its own counts and a measurement of one of each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_bayes.engines.collapsed.equations import eliminated_factor
from alliance_bayes.engines.collapsed.hyper import Hyper
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.collapsed.proposal import starting_point
from alliance_bayes.engines.forecast import Forecast, seconds_of
from alliance_bayes.engines.nuts import SamplerSettings
from alliance_bayes.machine import processors
from alliance_bayes.model import Design

__all__ = ["Counts", "counts_of", "forecast_of", "memory_of", "shown"]

# Evaluations along a line through the mode for each hyperparameter, in rounds of adaptation (two of at most four), and
# before a chain's first draw.
_LINE, _ADAPTATION, _BEFORE = 56, 800, 50
# Gradients: two for each hyperparameter's curvature, and those of the search, a line search's among them.
_SEARCH = 25
# Numbers in memory for each pair of dense columns while a gradient is computed.
_GRADIENT = 8
# Where an evaluation takes longer, a gradient is not measured first but counted as this many of them: of a large dense
# matrix it needs the inverse.
_SHORT, _INVERSE = 0.2, 27.0
# Multiplications of a second that every machine does; what takes a second of them is over before it is measured.
_SPEED = 5e8


@dataclass(frozen=True)
class Counts:
    """Sizes of a model's normal equations.

    Parameters
    ----------
    rows, columns
        Of the design.
    strata, dense, levels, terms
        Residual strata, dense columns, and levels and terms of the eliminated factor.
    met
        The most that its levels meet of the dense columns, added up.
    hyper
        Hyperparameters.
    """

    rows: int
    columns: int
    strata: int
    dense: int
    levels: int
    terms: int
    met: int
    hyper: int

    def __str__(self) -> str:
        text = f"{self.dense:,} dense columns"
        text += f", {self.levels * self.terms:,} eliminated ones" if self.levels else ""
        return text + (f" and {self.strata:,} residual SDs" if self.strata > 1 else "")

    @property
    def equations(self) -> int:
        """Numbers of all normal equations."""
        return self.strata * self.one_stratum + self.met

    @property
    def one_stratum(self) -> int:
        """Numbers of the normal equations of one stratum."""
        q = self.terms
        return self.dense * (self.dense + 1) + self.levels * q * (q + 1) + q * self.met

    @property
    def multiplications(self) -> float:
        """Of one evaluation of the density."""
        width = self.met / self.levels if self.levels else 0.0
        added = self.strata * self.one_stratum if self.strata > 1 else 0
        return self.dense**3 / 6 + self.terms * self.met * width / 2 + added


def counts_of(design: Design, hyper: Hyper) -> Counts:
    """Sizes of the normal equations that a design will have, before any is made."""
    rows = design.rows
    widest = eliminated_factor(design)
    # Columns of each dense block, and how many of them a level of the eliminated factor meets in one row.
    blocks = [(len(design.terms), len(design.terms))]
    blocks += [(len(smooth.labels), len(smooth.labels)) for smooth in design.smooths]
    for factor in design.factors:
        if factor is not widest:
            q = len(factor.terms)
            width = (len(factor.levels) - factor.exhaustive) * q
            blocks.append((width, width if factor.exhaustive else q))
    levels, terms = (0, 1) if widest is None else (len(widest.levels), len(widest.terms))
    return Counts(
        rows=rows.n,
        columns=1 + len({*design.terms, *(term for factor in design.factors for term in factor.terms)}),
        strata=1 if design.residual is None else len(design.residual.levels),
        dense=sum(width for width, _ in blocks),
        levels=levels,
        terms=terms,
        met=sum(min(levels * width, design.n * once if once < width else levels * width) for width, once in blocks),
        hyper=hyper.size,
    )


def memory_of(counts: Counts, settings: SamplerSettings, numbers: int) -> int:
    """Bytes that a fit takes at its peak, on top of its table; ``numbers`` are those of one draw."""
    q, square = counts.terms, counts.dense**2
    threads = min(settings.cores, processors())
    drawing = threads * (square + q * counts.met + (counts.one_stratum if counts.strata > 1 else 0))
    drawing += settings.chains * settings.draws * numbers
    gradient = _GRADIENT * square + 2 * q * counts.met
    rows = 2 * counts.rows * (counts.columns + 1)
    return 8 * (counts.equations + max(drawing, gradient, rows))


def shown(counts: Counts, settings: SamplerSettings, numbers: int) -> str:
    """Those counts as a clause."""
    return f"{settings.chains * settings.draws:,} draws of {numbers:,} numbers from a density with {counts}"


def forecast_of(marginal: Marginal, counts: Counts, settings: SamplerSettings, numbers: int) -> Forecast | None:
    """Measure one step of each kind and say what all will take; None where that is no time.

    Parameters
    ----------
    marginal
        The density.
    counts
        Sizes of its normal equations.
    settings
        Draws and chains.
    numbers
        Numbers of one draw.
    """
    draws = settings.chains * settings.draws
    evaluations = 1 + _LINE * counts.hyper + _ADAPTATION + settings.chains * _BEFORE + draws
    gradients = 2 * counts.hyper + _SEARCH
    steps = evaluations + draws + 8 * gradients
    if steps * (counts.multiplications + counts.dense + counts.levels * counts.terms) < _SPEED:
        return None
    theta = starting_point(marginal, marginal.equations.outcome_sd)
    seed = np.random.SeedSequence(0)
    evaluation = seconds_of(lambda: marginal.log_density(theta[None]))
    gradient = _INVERSE * evaluation
    if evaluation < _SHORT:
        gradient = seconds_of(lambda: marginal.value_and_gradient(theta))
    drawing = seconds_of(lambda: marginal.draw(theta[None], seed=seed.spawn(1)[0]))
    at_once = min(settings.cores, processors())
    return Forecast(
        (evaluations * evaluation + draws * drawing) / at_once + gradients * gradient,
        memory_of(counts, settings, numbers),
        f"{evaluations:,} evaluations of a density and {shown(counts, settings, numbers)}",
    )
