"""Moments of rows that stay where they are: one grouped query in place of a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, Literal

import numpy as np

from alliance_bayes.cohort.cells import MISSING, level_label
from alliance_bayes.cohort.convert import ReadOptions
from alliance_bayes.cohort.flow import ROW
from alliance_bayes.cohort.header import check_mapping
from alliance_bayes.cohort.items import check_prorate
from alliance_bayes.cohort.read import check_decimal, check_texts
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Column, ModelSpec, Smooth, card_text, scale_of
from alliance_bayes.model.complete import Emptied, refuse, term_columns
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.levels import joined_level
from alliance_bayes.model.smooth import check_knots, hat_corners, smooth_of_moments
from alliance_bayes.moments.columns import Levels, read_columns
from alliance_bayes.moments.histogram import Histogram, empty_histogram
from alliance_bayes.moments.minimum import check_minimum, with_minimum
from alliance_bayes.moments.moments import Moments
from alliance_bayes.moments.persons import Persons, numbered, unnamed
from alliance_bayes.moments.pooling import Cells, cell_numbers, pool, sum_exactly
from alliance_bayes.moments.profile import Profile, profile_of
from alliance_bayes.moments.recentring import Source, Sources, derived
from alliance_bayes.moments.sources import fetched, opened
from alliance_bayes.moments.structure import Structure, expressions_of, structure_of
from alliance_bayes.moments.windows import columns_needed, with_windows
from alliance_bayes.remedies import setting
from alliance_bayes.rounding import ROUNDING

__all__ = ["cell_query", "reduce_table"]

# Column, declared knots, and least and largest value of the analysed rows.
type Curve = tuple[str, tuple[float, ...], tuple[float, float]]


def reduce_table(
    source: str | os.PathLike[str] | Any,
    spec: ModelSpec,
    *,
    columns: Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
    decimal: str = ".",
    prorate: float | None = None,
    min_cell: int = 1,
    small: Literal["refuse", "merge"] = "refuse",
    threads: int | None = None,
    memory: str = "1GB",
    person: str | None = None,
    time: str | None = None,
    unit: str = ROW,
) -> Moments:
    """Reduce a table to a model's moments where it is, without reading its rows.

    Parameters
    ----------
    source
        Path or glob of .csv, .tsv, .tab or .parquet files (``"cohort/*.parquet"``), which DuckDB queries, or an Ibis
        table of any backend that has covariances (PostgreSQL, Spark).
    spec
        A Gaussian model. Its formula may have columns, products (``a:b``, ``a * b``), ``I(...)`` of sums, products and
        powers, smooths with declared knots, and categorical terms.
    columns
        Canonical name -> name in the table, for those that differ.
    missing, decimal
        Of text, as in `read_cohort`.
    prorate
        Least share of WHO-5 items that the table's scores were made of; as in `read_cohort`, these may then lie between
        the steps of 4.
    min_cell, small
        Least number of people in a cell, and what to do about smaller ones; see `alliance_bayes.moments.with_minimum`.
    threads, memory
        What DuckDB may use; all processors by default.
    person, time
        Columns that say whose and when a row is, of which ``within(x)``, ``between(x)`` and ``lag(x)`` in the formula
        are made, by window functions over the whole table. All rows of a person have to be in it. People are counted
        by `person`, or by a factor that the model pools over and whose role is that of persons; it has to be in the
        model where somebody has several rows. Moments number persons anew, and hold no name of them.
    unit
        What a row is called, as in `read_cohort`. Only with `person`.

    Returns
    -------
    Moments
        With the participant flow and the model's card.

    Raises
    ------
    UsageError
        An impossible option, no such file, or Ibis not installed.
    ModelError
        A model that moments are not enough for, or that the rows cannot tell anything about; one without an effect of
        `person`.
    DataError
        The table cannot be queried, lacks columns, or holds values that cannot be: all of them at once.

    Notes
    -----
    The columns that the model needs are judged by the rules of `read_cohort`, from their distinct values with counts.
    A first pass then takes the means that columns are centred at (unless the card states them); the second takes count,
    means and covariances by cell, by the database's own numerically stable aggregates. Indicators are the same for all
    rows of a cell, so they are made afterwards.
    """
    mapping = check_mapping(columns)
    check_minimum(min_cell, small)
    check_prorate(prorate)
    reading = ReadOptions(check_decimal(decimal), check_texts("missing", missing), of_model=True)
    _check_model(spec)
    persons = Persons.of(spec, person, time, unit)
    needed = columns_needed(spec, persons)
    with opened(source, mapping, needed, reading, threads=threads, memory=memory) as remote:
        persons.check_in_model(spec, remote)
        remote = with_windows(spec, remote, persons, prorated=prorate is not None)
        kinds = read_columns(spec, remote, prorated=prorate is not None)
        levels = kinds.levels
        whole = structure_of(spec.parsed, kinds.numeric, {key: levels[key].order for key in kinds.keys})
        person = persons.several(spec, remote, kinds)
        notes = persons.notes(spec, person, kinds)
        spec = unnamed(spec, person) if person else spec
        profile = profile_of(spec, remote, kinds, whole, person=person, unit=unit)
        products = whole.products
        curves = _curves_of(spec, profile.rows, remote.source)
        answer = fetched(cell_query(profile, whole, kinds.outcome, kinds.keys, curves), remote.source)
        codes, order = _coded(answer, kinds.keys, levels)
        refuse(_emptied(profile, spec, levels, order), spec.parsed)
        cells, counted = _read(answer, 1 + len(products) + sum(len(knots) for _, knots, _ in curves))
        distinct, number = cell_numbers(codes, [len(order[key]) for key in kinds.keys])
        # Codes that the database tells apart (1 and 1.0 as text) may be one level, and then one cell.
        cells = pool(cells, number, len(distinct))
        # Columns are those of the levels that analysed rows have, which the cells have only now told.
        structure = structure_of(spec.parsed, kinds.numeric, order)
        reader = Sources((kinds.outcome, *map(_joined, products)), dict(_named(products)), order, distinct)
        straight = [(1 + products.index((column,)), profile.centres[column]) for column, _, _ in curves]
        cells, smooths = _with_bases(cells, curves, straight, 1 + len(products))
        bent = [f"{smooth.name}[{label}]" for smooth in smooths for label in smooth.labels]
        columns_of = [label for label in structure.parts if label not in structure.base]
        labels = (kinds.outcome, *columns_of, *bent, *structure.base)
        read = [Source(0, None), *(_source(reader, structure, label) for label in columns_of)]
        read += [Source(1 + len(products) + number, None) for number in range(len(bent))]
        read += [_source(reader, structure, label) for label in structure.base]
        cells = derived(_with_outcome(cells, profile.middle), read)
        histogram = _histogram(profile, spec, kinds.keys, levels, order, distinct, remote.source)
    moments = Moments(
        labels,
        kinds.keys,
        order,
        distinct,
        cells.counts,
        cells.means,
        cells.cross,
        profile.centres,
        histogram=histogram,
        rest=cells.rest,
        parts={kinds.outcome: (kinds.outcome,), **structure.parts},
        bases={smooth.name: smooth.numbers for smooth in smooths},
        flow=profile.flow,
        card=card_text(spec),
        person=person,
        notes=notes,
    )
    assert counted == profile.flow.analysed
    _check_informative(moments, structure)
    return with_minimum(numbered(moments), min_cell, small=small)


def _check_model(spec: ModelSpec) -> None:
    expressions_of(spec.parsed)
    if spec.weights is not None:
        raise ModelError(
            f"{setting('weights', spec.weights)}: moments hold no weights of rows. Read the table and fit its rows."
        )
    if not spec.observation.conjugate:
        raise ModelError(
            f"family '{spec.family}' needs every row; count, means and covariances are enough for family 'gaussian' "
            "only. Read the table and fit its rows."
        )
    if spec.sigma is not None:
        raise ModelError(
            f"{setting('sigma', spec.sigma)} needs every row, which moments do not hold. Use {setting('residual_by')}, "
            "or read the table and fit its rows."
        )
    if spec.among or spec.events or spec.rows != "participants":
        raise ModelError(
            f"{setting('rows')}, {setting('events')} and {setting('among')} are applied to rows as they are read. Read "
            "the table and fit its rows, or make a table of the rows that are wanted where it is, and take them out of "
            "the model."
        )
    free = [term.column for term in spec.parsed.smooths if term.knots is None]
    if free:
        raise ModelError(
            f"formula {shown(spec.formula)}: the knots of {', '.join(f's({name})' for name in free)} would depend on "
            f"every row, which cannot be worked out where the table is. Declare them, as in s({free[0]}, "
            "knots=(...)), or read the table and fit its rows."
        )


def cell_query(
    profile: Profile, structure: Structure, outcome: str, keys: Sequence[str], curves: Sequence[Curve] = ()
) -> Any:
    """The grouped query: keys, count, means and covariances of the outcome and of products of numeric components."""
    rows = profile.rows
    values = [rows[outcome] - profile.middle]
    for names in structure.products:
        centred = [structure.component(name, rows.__getitem__) - profile.centres[name] for name in names]
        product = centred[0]
        for factor in centred[1:]:
            product = product * factor
        values.append(product)
    values += _hats(curves, rows)
    inner = rows.select(
        **{f"key_{place}": rows[key] for place, key in enumerate(keys)},
        **{f"value_{place}": value for place, value in enumerate(values)},
    )
    aggregates: dict[str, Any] = {"n": inner.count()}
    for i in range(len(values)):
        value = inner[f"value_{i}"]
        aggregates[f"mean_{i}"] = value.mean()
        aggregates[f"cov_{i}_{i}"] = value.var(how="pop")
        for j in range(i):
            aggregates[f"cov_{i}_{j}"] = value.cov(inner[f"value_{j}"], how="pop")
    by = [f"key_{place}" for place in range(len(keys))]
    return inner.group_by(by).aggregate(**aggregates) if by else inner.aggregate(**aggregates)


def _read(answer: Any, width: int) -> tuple[Cells, int]:
    """The cells of an answer as they come, and the number of rows in them."""

    def numbers(name: str) -> np.ndarray:
        return answer[name].to_numpy().astype(float)

    counts = numbers("n")
    means = np.stack([numbers(f"mean_{i}") for i in range(width)], axis=1)
    cross = np.empty((len(counts), width, width))
    for i in range(width):
        for j in range(i + 1):
            # Some databases have no covariance of one row; it is 0.
            covariance = np.where(counts == 1, 0.0, numbers(f"cov_{i}_{j}"))
            cross[:, i, j] = cross[:, j, i] = covariance * counts
    return Cells(counts, means, np.zeros_like(means), cross), int(counts.sum())


def _with_outcome(cells: Cells, middle: float) -> Cells:
    """The outcome, of which the query took the middle away, on its own scale again."""
    means, rest = cells.means.copy(), cells.rest.copy()
    means[:, 0], rest[:, 0] = sum_exactly(np.full(len(cells.counts), middle), cells.means[:, 0])
    return Cells(cells.counts, means, rest, cells.cross)


def _coded(
    answer: Any, keys: Sequence[str], levels: Mapping[str, Levels]
) -> tuple[np.ndarray, dict[str, tuple[str, ...]]]:
    """Level numbers of an answer's rows among the levels that occur in it, and those levels."""
    codes = np.empty((len(answer), len(keys)), dtype=np.int64)
    order: dict[str, tuple[str, ...]] = {}
    for place, key in enumerate(keys):
        labels = [levels[key].labels[value] for value in answer[f"key_{place}"].to_pylist()]
        present = set(labels)
        order[key] = tuple(level for level in levels[key].order if level in present)
        number = {label: code for code, label in enumerate(order[key])}
        codes[:, place] = [number[label] for label in labels if label is not None]
    return codes, order


def _source(reader: Sources, structure: Structure, label: str) -> Source:
    """Where a design column is read: the product of its numeric components, in the cells that have its levels."""
    numeric = structure.numeric[label]
    inside = [part for part in structure.parts[label] if part not in numeric]
    factor = reader.indicator(inside) if inside else None
    return Source(reader.columns.index(_joined(numeric)) if numeric else None, factor)


def _joined(names: Sequence[str]) -> str:
    return ":".join(names)


def _named(products: Sequence[tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    return [(_joined(names), names) for names in products]


def _histogram(
    profile: Profile,
    spec: ModelSpec,
    keys: Sequence[str],
    levels: Mapping[str, Levels],
    order: Mapping[str, tuple[str, ...]],
    distinct: np.ndarray,
    source: str,
) -> Histogram:
    """The outcome's histogram by cell, from a second grouped query."""
    outcome = spec.parsed.outcome
    scale = scale_of(outcome, spec.scales)
    empty = empty_histogram(scale, profile.low, profile.high, on_levels=profile.on_levels, n_cells=len(distinct))
    value = profile.rows[outcome]
    if empty.levels is None:
        # Places of bins, not values: there may be as many values as rows.
        value = reduce(add, [(value >= float(edge)).cast("int64") for edge in empty.inner])
    inner = profile.rows.select(value=value, **{f"key_{place}": profile.rows[key] for place, key in enumerate(keys)})
    query = inner.group_by([*(f"key_{place}" for place in range(len(keys))), "value"]).aggregate(n=inner.count())
    answer = fetched(query, source)
    codes, _ = _coded(answer, keys, levels)
    _, number = cell_numbers(codes, [len(order[key]) for key in keys])
    values = answer["value"].to_numpy()
    if empty.levels is None:
        values = empty.values[values.astype(np.int64)]
    return empty.filled(values, number, answer["n"].to_numpy())


def _size(moments: Moments, column: Column) -> float:
    """Size of the numbers that a column was computed from; see `column_sizes`."""
    size = float(np.abs(moments.means[:, moments.column(column.label)]).max())
    spread = np.sqrt(np.diag(moments.total_cross) / moments.n)
    known = {name: spread[moments.columns.index(name)] for name in column.numeric if name in moments.columns}
    for name in column.numeric:
        others = [known.get(other, 0.0) for other in column.numeric if other != name]
        size = max(size, abs(moments.centres.get(name, 0.0)) * float(np.prod(others)))
    return size


def _emptied(
    profile: Profile, spec: ModelSpec, levels: Mapping[str, Levels], order: Mapping[str, tuple[str, ...]]
) -> list[Emptied]:
    """Columns, and combinations pooled over, that have one value in the complete rows; as for rows."""
    by_level = [] if spec.residual_by is None else [spec.residual_by]
    factors = [group.factor for group in spec.parsed.groups] + by_level
    out = []
    for name in dict.fromkeys([*factors, *term_columns(spec.parsed)]):
        if name in profile.constant:
            out.append(profile.query.emptied(name, {name: [profile.constant[name]]}, lambda values: f"{values[0]:.6g}"))
        parts = [name] if name in order else name.split(":")
        if not set(parts) <= set(order) or any(len(order[part]) > 1 for part in parts):
            continue
        complete = {part: [v for v, label in levels[part].labels.items() if label == order[part][0]] for part in parts}
        out.append(profile.query.emptied(name, complete, lambda values: repr(joined_level(map(level_label, values)))))
    return out


def _check_informative(moments: Moments, structure: Structure) -> None:
    """Refuse columns that are too large, and a common column without variation, as for rows."""
    for position, label in enumerate(moments.columns):
        if not (
            np.isfinite(moments.means[:, position]).all() and np.isfinite(moments.cross[:, position, position]).all()
        ):
            raise ModelError(f"'{label}' is too large to be squared. Use another unit, such as thousands.")
    for column in structure.common:
        if column.label == "Intercept":
            continue
        position = moments.column(column.label)
        if moments.total_cross[position, position] <= moments.n * (ROUNDING * _size(moments, column)) ** 2:
            raise ModelError(
                f"'{column.label}' has the same value in all {moments.n:.0f} analysed rows, so its coefficient "
                "cannot be estimated. Remove the term or check the table."
            )


def _curves_of(spec: ModelSpec, rows: Any, source: str) -> list[Curve]:
    """Column, knots and ends of every smooth of a formula.

    Raises
    ------
    ModelError
        A smooth whose knots are not declared, lie beyond the rows, or are too many for them.
    """
    curves: list[Curve] = []
    for term in spec.parsed.smooths:
        assert term.knots is not None
        value = rows[term.column]
        answer = fetched(rows.aggregate(low=value.min(), high=value.max(), distinct=value.nunique()), source)
        low, high, distinct = (answer[name].to_pylist()[0] for name in ("low", "high", "distinct"))
        if distinct < len(term.knots) + 2:
            raise ModelError(
                f"s({term.column}) with {len(term.knots)} knots needs at least {len(term.knots) + 2} distinct values, "
                f"but '{term.column}' has {distinct} in the analysed rows. Declare fewer knots."
            )
        ends = (float(low), float(high))
        check_knots(term.column, term.knots, ends)
        curves.append((term.column, term.knots, ends))
    return curves


def _hats(curves: Sequence[Curve], rows: Any) -> list[Any]:
    """Integrated hat functions of every curve as expressions of the database."""
    values = []
    for column, knots, ends in curves:
        place = (rows[column] - ends[0]) / (ends[1] - ends[0])
        weights, corners = hat_corners(knots, ends)
        for k in range(len(knots)):
            total = None
            for weight, corner in zip(weights[:, k], corners[:, k], strict=True):
                ramp = (place - float(corner)).clip(lower=0.0)
                cube = ramp * ramp * ramp * float(weight / 6)
                total = cube if total is None else total + cube
            values.append(total)
    return values


def _with_bases(
    cells: Cells, curves: Sequence[Curve], linear: Sequence[tuple[int, float]], first: int
) -> tuple[Cells, list[Smooth]]:
    """Basis columns in place of the hat functions they are sums of.

    Parameters
    ----------
    cells
        Moments whose columns from number ``first`` on are the curves' hat functions.
    curves
        The curves.
    linear
        For each curve, the number of its own column among those of ``cells``, and what that was centred at.
    first
        Number of the first hat function.
    """
    smooths: list[Smooth] = []
    total = pool(cells, np.zeros(len(cells.counts), dtype=np.int64), 1)
    width = cells.means.shape[1]
    transform, shift = np.eye(width), np.zeros(width)
    at = first
    for (column, knots, ends), (index, centre) in zip(curves, linear, strict=True):
        size, span = len(knots), ends[1] - ends[0]
        place = [index, *range(at, at + size)]
        unit = np.array([1 / span, *np.ones(size)])
        mean = total.means[0, place] * unit
        mean[0] += (centre - ends[0]) / span
        cross = total.cross[0][np.ix_(place, place)] * np.outer(unit, unit)
        smooth = smooth_of_moments(column, knots, ends, n=float(cells.counts.sum()), mean=mean, cross=cross)
        columns = slice(at, at + size)
        transform[columns, columns] = smooth.transform
        transform[index, columns] = -smooth.line[1] / span
        shift[columns] = -smooth.line[0] - smooth.line[1] * (centre - ends[0]) / span
        smooths.append(smooth)
        at += size
    moved = Cells(
        cells.counts,
        cells.means @ transform + shift,
        cells.rest @ transform,
        transform.T @ cells.cross @ transform,
    )
    return moved, smooths
