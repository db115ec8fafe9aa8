"""Moments of rows that are here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from alliance_bayes.model import Design, ModelSpec, card_text
from alliance_bayes.moments.histogram import Histogram, empty_histogram
from alliance_bayes.moments.moments import Moments
from alliance_bayes.moments.pooling import cell_moments, cell_numbers
from alliance_bayes.moments.terms import arithmetic, base_components, calls, refuse_offsets, split_label
from alliance_bayes.rounding import ON_LEVEL

__all__ = ["moments_of"]


def moments_of(design: Design, *, spec: ModelSpec | None = None) -> Moments:
    """Moments of a design's rows.

    Parameters
    ----------
    design
        A formula applied to rows.
    spec
        The model the design is of; its card then goes with the moments.

    Raises
    ------
    ModelError
        A model with an offset: its moments would be of the outcome less the offset, which nobody else could tell.

    Notes
    -----
    Two passes: cell means first, then cross-products about them, so that values far from zero lose no digits.
    """
    if spec is not None:
        refuse_offsets(spec.parsed)
    keys = tuple(name for name in design.frame.columns if isinstance(design.frame[name].dtype, pd.CategoricalDtype))
    levels = {key: tuple(map(str, design.frame[key].cat.categories)) for key in keys}
    codes = np.empty((design.rows.n, len(keys)), dtype=np.int64)
    for position, key in enumerate(keys):
        codes[:, position] = design.frame[key].cat.codes
    distinct, number = cell_numbers(codes, [len(levels[key]) for key in keys])
    # Short integers are sorted by counting, which takes a fifth of the time.
    order = np.argsort(number.astype(np.uint16) if len(distinct) < 2**16 else number, kind="stable")
    lengths = np.bincount(number, minlength=len(distinct))
    columns, centres = _columns(design)
    # A column's values lie side by side, so that sums run over neighbouring numbers.
    values = np.empty((len(columns), design.rows.n))
    for position, column in enumerate(columns.values()):
        values[position] = column[order]
    cells = cell_moments(values, lengths)
    return Moments(
        tuple(columns),
        keys,
        levels,
        distinct,
        cells.counts,
        cells.means,
        cells.cross,
        centres,
        histogram=_histogram(design, number, len(distinct)),
        rest=cells.rest,
        parts=_parts(columns, centres, levels),
        bases={smooth.name: smooth.numbers for smooth in design.smooths},
        card="" if spec is None else card_text(spec),
    )


def _columns(design: Design) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Values of the outcome, every design column once, the smooths' bases and base columns; and all centres."""
    offset = design.rows.offset
    columns = {design.outcome.name: design.outcome.coded if offset is None else design.outcome.coded - offset}
    numeric = []
    sources = [(design.columns, design.rows.x)]
    sources += [(factor.columns, design.rows.z[factor.name]) for factor in design.factors]
    for described, array in sources:
        for position, column in enumerate(described):
            if column.label != "Intercept":
                columns.setdefault(column.label, array[:, position])
                numeric.append(column.numeric)
    for smooth in design.smooths:
        basis = design.rows.basis[smooth.name]
        columns |= {f"{smooth.name}[{label}]": basis[:, position] for position, label in enumerate(smooth.labels)}
    plain = [
        str(name)
        for name in design.frame
        if name != design.outcome.name and not isinstance(design.frame[name].dtype, pd.CategoricalDtype)
    ]
    expressions = {}
    if any(name not in plain for names in numeric for name in names):
        # Parsing the formula again takes longer than all sums, so only formulas with calls pay for it.
        expressions = {name: arithmetic(call) for name, call in calls(design.formula).items()}
    centres = dict(design.centres)
    for name in base_components(columns, numeric, expressions, plain):
        values = design.frame[name].to_numpy(float)
        centres.setdefault(name, float(values.mean()))
        columns[name] = values - centres[name]
    return columns, centres


def _parts(
    columns: Iterable[str], centres: Mapping[str, float], levels: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Components of each column that has more than one, or is an indicator."""
    known = {f"{key}[{level}]" for key in levels for level in levels[key]}
    return {label: split_label(label, lambda text: text in centres or text in known) for label in columns}


def _histogram(design: Design, number: np.ndarray, n_cells: int) -> Histogram:
    values = design.outcome.values
    scale = design.scales.get(design.outcome.name)
    levels = None if scale is None else scale.levels
    on_levels = False
    if levels is not None:
        step = levels[1] - levels[0]
        place = np.clip(np.rint((values - levels[0]) / step).astype(np.int64), 0, len(levels) - 1)
        on_levels = bool((np.abs(values - levels[place]) <= ON_LEVEL * step).all())
    low, high = float(values.min()), float(values.max())
    return empty_histogram(scale, low, high, on_levels=on_levels, n_cells=n_cells).filled(values, number)
