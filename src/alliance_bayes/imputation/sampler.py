"""Values that were not observed and the parameters of a model drawn in turn: one posterior of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from alliance_bayes.engines.collapsed import why_not_collapsed
from alliance_bayes.engines.nuts import Progress, SamplerSettings
from alliance_bayes.errors import SamplingError
from alliance_bayes.imputation.agreement import agree
from alliance_bayes.imputation.drawn import Drawn, State
from alliance_bayes.imputation.evaluation import ChangingDesign
from alliance_bayes.imputation.explained import ExplainedColumns
from alliance_bayes.imputation.linked import Gaps, Touch, touches
from alliance_bayes.imputation.outcome import outcome_of
from alliance_bayes.imputation.parameters import Found, by_chain, joined, parameters_of
from alliance_bayes.imputation.persons import ranks
from alliance_bayes.imputation.regressions import NormalRegression
from alliance_bayes.imputation.table import Column, as_designed
from alliance_bayes.imputation.together import Blocks, Together
from alliance_bayes.model import Design, ModelSpec, PriorTable, Rows
from alliance_bayes.model.levels import NOBODY
from alliance_bayes.model.sigma import GAMMA

__all__ = ["Imputer"]

# Step of a difference quotient in SDs of a column.
_STEP = 0.05
# Chains go on while they do not agree, for so many times as long at most.
_LONGEST = 8
# The set of values after which the time that one takes is known: the first ones compile.
_TIMED = 5


class Imputer:
    """Gibbs sampling of unknown values, of the regressions that explain them, and of a model.

    The joint density is that of the columns in turn: each unknown predictor given the known ones and those before it,
    the outcome given the predictors by the model, each auxiliary column given all of these and those before it. A
    value is drawn from every density that it is in, so that products, squares, smooths and pooled slopes of it in the
    model are respected.

    Unknown factors of many levels come first, by the shares of their levels (:class:`Shares`), and the known columns
    are then given these, with intercepts that are pooled over them: a level that was not observed is told by what
    those who have it are like (the general location model of Olkin and Tate 1961, with pooled means).

    Columns of persons come before those that differ between a person's rows: in a regression with a row for each
    person on the other columns of persons and on means of the others over the person's rows. A value is drawn
    from the densities of all rows of its person.

    Parameters
    ----------
    spec
        The model.
    columns
        Its columns, those that parts of it are made of, and then the auxiliary ones, by name.
    design
        The model on the analysed rows, with some value in place of those that were not observed.
    priors
        The model's.
    gaps
        All rows, with these values, and the auxiliary columns.
    settings
        How many chains, which go on side by side, and how parameters are sampled.
    rng
        Generator of all that is drawn.

    References
    ----------
    Bartlett, Seaman, White, Carpenter (2015), Statistical Methods in Medical Research 24:462-487, doi
    10.1177/0962280214521348. Ibrahim, Chen, Lipsitz (1999), Biometrics 55:591-596. Erler et al. (2016), Statistics in
    Medicine 35:2955-2974, doi 10.1002/sim.6944.
    """

    def __init__(
        self,
        spec: ModelSpec,
        columns: Mapping[str, Column],
        design: Design,
        priors: PriorTable,
        gaps: Gaps,
        settings: SamplerSettings,
        rng: np.random.Generator,
    ) -> None:
        # Numbers of drawn levels are those of the design, in whatever order it has them.
        frame = as_designed(gaps.frame, design, columns)
        columns = {name: column.ordered_as(frame) for name, column in columns.items()}
        chains, outcome, auxiliary = settings.chains, spec.parsed.outcome, spec.auxiliary
        self.columns, self.filled, self.outcome, self.design, self.rng = columns, frame, outcome, design, rng
        self.chains, self._gaps = chains, gaps
        # Place of each row among the analysed ones; -1 of one that is none.
        self._analysed = np.full(len(frame), -1, dtype=np.int64)
        self._analysed[gaps.analysed] = np.arange(len(gaps.analysed))
        self.explained = ExplainedColumns(columns, frame, outcome, auxiliary, gaps, self._analysed >= 0, chains)
        self.standard, self.codes = self.explained.standard, self.explained.codes
        self.unknown, self.regressions = self.explained.unknown, self.explained.regressions
        self.auxiliary = [name for name in auxiliary if self._among_analysed(name).size]
        # The analysed rows that change, by their places among all of them, and where they stand among all rows.
        self.lost = self._among_analysed(outcome)
        by = {name: self._followed(name, frame) for name in self.unknown}
        moved = {name: list(found) for name, found in by.items()}
        changed = [np.unique(one.nonzero()[0]) for found in by.values() for one in found.values()]
        blocks = {} if why_not_collapsed(design, priors) else dict(self._blocks(by))
        changed += [np.asarray(np.flatnonzero(one.rows >= 0), dtype=np.int32) for one in blocks.values()]
        rows = np.unique(np.concatenate([self.lost, *changed])).astype(np.int64)
        rows = rows[self._analysed[rows] >= 0]
        self.at = self._analysed[rows]
        inside = np.full(len(frame), -1, dtype=np.int64)
        inside[rows] = np.arange(len(rows))
        self._lost_inside = inside[self.lost]
        self._touches = {
            name: touches(self._units(name), found, inside, plain=name not in gaps.sources, apart=self._apart(name))
            for name, found in by.items()
        }
        nowhere = np.full(len(frame), -1, dtype=np.int64)
        for name in self.auxiliary:
            # Of rows that are not analysed nothing is asked of it, and nothing is known.
            units, apart = self._units(name), self._apart(name)
            asked = np.flatnonzero((self._analysed >= 0).astype(float) @ units)
            units, apart = units[:, asked], None if apart is None else apart[asked]
            self._touches[name] = touches(units, {name: units}, nowhere, plain=True, apart=apart)
        self.model = parameters_of(design, priors, self.at, settings)
        self.outcomes = outcome_of(design, self.at, chains)
        first = design.frame.iloc[self.at].reset_index(drop=True)
        frame = pd.concat([first] * chains, ignore_index=True)
        self.changing = ChangingDesign(design, frame, {one for names in moved.values() for one in names})
        self.rows = self.changing.rows
        self._linear = {name: self._linearity(name, moved[name], frame) for name in self.unknown}
        self._changes: dict[str, Rows] = {
            name: design.change(frame, name, self.rows) for name in self.unknown if self._linear[name] == "always"
        }
        self._together = {
            name: Together(own, self._touches[name], rows, self.rows, self._steady(name))
            for name, own in blocks.items()
            if self._linear[name]
        }
        self._asked: dict[str, list[int]] = {}
        self._values: dict[str, np.ndarray] = {}

    def _among_analysed(self, name: str) -> np.ndarray:
        """Analysed rows with an unknown value of a column, by place among all rows."""
        at = self.columns[name].unknown
        return at[self._analysed[at] >= 0]

    def _units(self, name: str) -> sparse.csr_matrix:
        """1 where a row has an unknown value of a column, shape (rows, values)."""
        at, unit = self.columns[name].unknown, self.columns[name].units
        shape = self.explained.n_rows, int(unit.max(initial=-1)) + 1
        return sparse.csr_matrix((np.ones(len(at)), (at, unit)), shape=shape)

    def _apart(self, name: str) -> np.ndarray | None:
        """Numbers of unknown values of which those of a person differ, where these hang together."""
        return ranks(self._gaps.whose[self.columns[name].unknown]) if self.explained.is_averaged(name) else None

    def _followed(self, name: str, frame: pd.DataFrame) -> dict[str, sparse.csr_matrix]:
        """How the model's columns change with the unknown values of a column, by name, shape (rows, values)."""
        units = self._units(name)
        found = {name: units, **self._gaps.followed(name, units, frame)}
        return {one: matrix for one, matrix in found.items() if one in self.design.frame}

    def _blocks(self, by: Mapping[str, Mapping[str, sparse.csr_matrix]]) -> Iterator[tuple[str, Blocks]]:
        """What hangs together of each number that changes other rows than its own."""
        rows, factors = self._gaps.analysed, {}
        for factor in self.design.factors:
            if not factor.exhaustive and not set(factor.name.split(":")) & set(self.unknown):
                factors[factor.name] = np.full(self.explained.n_rows, -1, dtype=np.int64)
                factors[factor.name][rows] = self.design.rows.index[factor.name]
        analysed = sparse.diags((self._analysed >= 0).astype(float))
        for name in dict.fromkeys((*self._gaps.sources, *self._gaps.of_persons)):
            if name not in by or self.columns[name].levels is not None or self.explained.is_averaged(name):
                continue
            person = [self._gaps.person] if self.columns[name].whose is not None and self._gaps.person else []
            codes = {one: self._gaps.codes(one) for one in (*self._gaps.factors(name), *person)}
            first = {one: factors[one] for one in codes if one in factors}
            regression = self.regressions[name]
            assert isinstance(regression, NormalRegression)
            own = {one: pool.codes[0] for one, pool in regression.factors.items() if one not in self.unknown}
            units = self._units(name)
            changed = sum((abs(matrix) for matrix in by[name].values()), sparse.csr_matrix(units.shape))
            found = Blocks.of(units, (analysed @ changed).tocsr(), list(codes.values()), {**first, **factors}, own)
            if found.fit(self.chains):
                yield name, found

    def _steady(self, name: str) -> dict[str, np.ndarray]:
        """Which pooled columns of each factor are the same whatever the values of a number, shape (n_terms,)."""
        out = {factor.name: np.ones(len(factor.terms), dtype=bool) for factor in self.design.factors}
        for touch in self._touches[name]:
            places = self._places(touch.inside)
            change = self._change(name, touch, places, self.rows.take(places))
            assert change is not None
            for factor, z in change.z.items():
                out[factor] &= ~z.any(axis=0)
        return out

    def _linearity(self, name: str, moved: Sequence[str], frame: pd.DataFrame) -> str:
        """Whether the design arrays are straight lines in a number: "always" the same, or "given" the others.

        Empty where they bend, and for levels. ``moved`` are the model's columns that follow from it.
        """
        column = self.columns[name]
        if column.levels is not None:
            return ""
        told = {self.changing.line(one, column.scale, set(moved) - {one}, frame) for one in moved}
        return "" if "" in told else "always" if told == {"always"} and moved == [name] else "given"

    def run(
        self,
        states: int,
        per_state: int,
        warm_up: int,
        tables: int,
        progress: Progress | None = None,
        *,
        before: Callable[[float], None] | None = None,
        longest: int = _LONGEST,
    ) -> Drawn:
        """Draw, until the chains agree or have gone on for several times as long.

        Parameters
        ----------
        states
            Sets of unknown values to keep, of each chain. Where the parameters' draws are worth too little, chains go
            on and keep every second set, of those that went before, too.
        per_state
            Draws of the model's parameters given each.
        warm_up
            Sets before those.
        tables
            Of how many of the sets, over all chains, the values themselves are kept.
        progress
            A function of draws done, draws in all, and divergences.
        before
            Called once, early, with the seconds that a set of values takes at least.
        longest
            How many times as long they may go on.

        Raises
        ------
        SamplingError
            A density that is no number any more.
        """
        drawn = {name: self.columns[name].unknown for name in self.unknown}
        drawn |= {name: at for name in (self.outcome, *self.auxiliary) if (at := self._among_analysed(name)).size}
        n = self.design.rows.n
        still = np.ones(n, dtype=bool)
        still[self.at] = False
        base = self.design.rows.x[still].sum(axis=0)
        each = max(1, tables // self.chains)
        # Of an even number of sets, so that those with values stay where every second is dropped.
        apart = max(1, states // (2 * each) // 2 * 2)
        self._draw_model(1, fresh=True)
        quickest = np.inf
        for step in range(warm_up):
            started = time.perf_counter()
            self._draw_values()
            # The proposal of the hyperparameters is made anew once the values are no more those that chains began with.
            self._draw_model(1, fresh=step in (warm_up // 3, 2 * warm_up // 3))
            quickest = min(quickest, time.perf_counter() - started)
            if step == _TIMED and before is not None:
                before(quickest)
            if progress is not None:
                progress((step + 1) * self.chains, (warm_up + states) * self.chains, 0)
        self.model.settle()
        kept: list[State] = []
        every, asked = 1, states
        while True:
            while len(kept) < states:
                for _ in range(every):
                    self._draw_values()
                    found = self._draw_model(per_state, fresh=False)
                mean = (base + self.rows.x.reshape(self.chains, len(self.at), -1).sum(axis=1)) / n
                values = self._now() if len(kept) % apart == 0 or states < 2 * each else None
                kept.append(State(found, mean, self._traced(drawn), values))
                if progress is not None:
                    progress((warm_up + asked - states + len(kept)) * self.chains, (warm_up + asked) * self.chains, 0)
            whole = [joined([state.found for state in kept], chain) for chain in range(self.chains)]
            parameters = by_chain([self.model.natural(own, chain) for chain, own in enumerate(whole)])
            if every >= longest or agree(parameters, self._with_draws()):
                break
            kept, every, asked = kept[::2], every * 2, asked + states
        with_values = [state.values for state in kept if state.values is not None]
        chosen = np.linspace(0, len(with_values) - 1, min(each, len(with_values))).round().astype(int)
        accepted = {self.model.accepts: self.model.accepted}
        accepted |= {name: moved / proposed for name, (moved, proposed) in self._asked.items()}
        return Drawn(
            parameters,
            by_chain([self.model.statistics(own) for own in whole]),
            {name: np.concatenate([with_values[k][name] for k in chosen]) for name in self.places},
            np.repeat(np.stack([state.column_means for state in kept], axis=1), per_state, axis=1),
            {name: np.stack([state.traces[name] for state in kept], axis=1) for name in kept[0].traces},
            every,
            self.model.told,
            accepted,
        )

    @cached_property
    def places(self) -> dict[str, np.ndarray]:
        """Analysed rows in which a column has drawn values, or such as follow from these, by place among them."""
        out = {}
        for name in (*self.unknown, self.outcome, *self.auxiliary):
            if (at := self._among_analysed(name)).size:
                out[name] = self._analysed[at]
        for made in self._gaps.parts:
            if made.name in self.design.frame:
                own = [one.inside[one.by[made.name] != 0] for one in self._touches[made.source]]
                out[made.name] = self.at[np.unique(np.concatenate(own))]
        return out

    def _now(self) -> dict[str, np.ndarray]:
        """The drawn values, and those that follow, as the columns have them, shape (chains, n)."""
        out = {}
        for name, places in self.places.items():
            if name not in self.columns:
                values = self.changing.values[name].reshape(self.chains, -1)
                out[name] = values[:, np.searchsorted(self.at, places)]
                continue
            column, at = self.columns[name], self._among_analysed(name)
            if name == self.outcome:
                # As drawn: of SDs turned back, a count would be none any more.
                out[name] = self.outcomes.in_column(self._lost_inside)
            elif column.levels is None:
                out[name] = column.natural(self.standard[name][:, at])
            else:
                codes = self.codes[name][:, at]
                out[name] = np.array(column.levels, dtype=float)[codes] if column.numeric else codes.copy()
        return out

    def _traced(self, drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Mean and SD of the drawn values of each column, shape (chains,)."""
        out = {}
        for name, at in drawn.items():
            own = self.standard[name] if name in self.standard else self.codes[name].astype(float)
            values = own[:, at]
            out[f"mean of {name}"], out[f"SD of {name}"] = values.mean(axis=1), values.std(axis=1)
        return out

    def _with_draws(self) -> dict[str, np.ndarray]:
        """Levels of which rows have drawn values, by the name of a factor's effects."""
        found = {f"u_{name}": np.unique(index) for name, index in self.rows.index.items()}
        return {name: levels[levels >= 0] for name, levels in found.items()}

    def _draw_model(self, draws: int, *, fresh: bool) -> list[Found]:
        """Draws of the model's parameters by chain; the last of each is what values are drawn with."""
        out = self.model.draw(self.rows, self.outcomes.coded, draws, self.rng, fresh=fresh)
        last = [self.model.current(found, chain) for chain, found in enumerate(out)]
        self._values = {name: np.concatenate([own[name] for own in last]) for name in last[0]}
        if not all(np.isfinite(values).all() for values in self._values.values()):
            raise SamplingError("the draws are no numbers any more. Take columns that explain each other out.")
        self._eta = self._predictor(self.rows)
        return out

    def _predictor(self, rows: Rows) -> np.ndarray:
        """Linear predictor of rows of every chain (chain after chain), shape (chains, n)."""
        values, n = self._values, rows.n // self.chains
        eta = np.zeros((self.chains, n))
        if self.design.terms:
            eta += np.einsum("cnk,ck->cn", rows.x.reshape(self.chains, n, -1), values["beta"])
        for factor in self.design.factors:
            index, z = rows.index[factor.name].reshape(self.chains, n), rows.z[factor.name].reshape(self.chains, n, -1)
            # A level that no row has that was observed there is one of its own, without an effect.
            u = np.take_along_axis(values[f"u_{factor.name}"], np.maximum(index, 0)[..., None], axis=1)
            eta += np.where(index < 0, 0.0, np.einsum("cnq,cnq->cn", u, z))
        for smooth in self.design.smooths:
            basis = rows.basis[smooth.name].reshape(self.chains, n, -1)
            eta += np.einsum("cnk,ck->cn", basis, values[f"u_{smooth.name}"])
        if rows.offset is not None:
            eta += rows.offset.reshape(self.chains, n)
        return eta

    def _family(self, rows: Rows) -> dict[str, np.ndarray]:
        """The family's parameters by chain, the residual SD by rows of every chain, shape (chains, n)."""
        own = {name: self._values[name] for name in self.design.family.parameters}
        if rows.sigma is not None:
            own["sigma"] = self._residual_sd(rows.sigma)
        elif "sigma" in own:
            strata = rows.strata.reshape(self.chains, -1)
            own["sigma"] = np.take_along_axis(own["sigma"].reshape(self.chains, -1), strata, axis=1)
        return own

    def _residual_sd(self, columns: np.ndarray) -> np.ndarray:
        """The residual SD of rows of every chain by the columns that it differs along, shape (chains, n)."""
        by_log = np.einsum("cnk,ck->cn", columns.reshape(self.chains, -1, columns.shape[1]), self._values[GAMMA])
        return np.asarray(self._values["sigma"].reshape(self.chains, 1) * np.exp(by_log))

    def _draw_values(self) -> None:
        for regression in self.regressions.values():
            regression.draw_parameters(self.rng)
        for name in self.unknown:
            if name in self._together:
                self._draw_together(name)
                continue
            draw = self._draw_number if self.columns[name].levels is None else self._draw_level
            for touch in self._touches[name]:
                draw(name, touch)
        if self.lost.size:
            self._draw_outcome()
        for name in self.auxiliary:
            self._draw_auxiliary(name)

    def _places(self, inside: np.ndarray) -> np.ndarray:
        """Where some of the rows that change stand among those of all chains, chain after chain."""
        return (len(self.at) * np.arange(self.chains)[:, None] + inside).ravel()

    def _moved(
        self, name: str, touch: Touch, places: np.ndarray, now: np.ndarray, new: np.ndarray
    ) -> dict[str, np.ndarray]:
        """What changing rows have of the columns that move with a number, as it goes from one value to another.

        Both are in its own unit, shape (chains, values).
        """
        if touch.plain:
            return {name: touch.spread(new).ravel()}
        by = touch.spread(new - now)
        return {one: self.changing.values[one][places] + (slope * by).ravel() for one, slope in touch.by.items()}

    def _change(self, name: str, touch: Touch, places: np.ndarray, here: Rows) -> Rows | None:
        """Derivatives of the design arrays of rows that change with a number; None where these bend."""
        column = self.columns[name]
        if self._linear[name] == "always":
            return self._changes[name].take(places)
        if self._linear[name] != "given":
            return None
        # What an SD more makes of the arrays is their slope.
        now = self.standard[name][:, touch.first]
        more = self._moved(name, touch, places, column.natural(now), column.natural(now + 1))
        return here.difference(self.changing.at(more, places, here), 1 / column.scale)

    def _put(self, name: str, touch: Touch, places: np.ndarray, value: np.ndarray, change: Rows | None) -> None:
        """Write values of a number, and what follows from them if the derivatives of the design arrays are known."""
        column, now = self.columns[name], self.standard[name][:, touch.first]
        moved = self._moved(name, touch, places, column.natural(now), column.natural(value))
        if self._linear[name] == "always" and change is not None:
            by = (touch.spread(value - now) * column.scale).ravel()
            for own, slope in self.rows.columns_beside(change):
                own[places] += (by[:, None] if slope.ndim == 2 else by) * slope
        elif change is not None:
            # By a slope that is a difference from what stands here, rounding would grow from one draw to the next.
            self.rows.put(places, self.changing.at(moved, places, self.rows.take(places)))
        for one, values in moved.items():
            self.changing.put(one, places, values)
        self.explained.put(name, touch.own, value[:, touch.own_unit])

    def _draw_together(self, name: str) -> None:
        """Draw values that change the same rows at once, with the effects of the levels that they hang together by."""
        together, touches, column = self._together[name], self._touches[name], self.columns[name]
        regression, own = self.regressions[name], self._values
        assert isinstance(regression, NormalRegression)
        places = [self._places(touch.inside) for touch in touches]
        changes, slopes, told = [], [], []
        for touch, here in zip(touches, map(self.rows.take, places), strict=True):
            change = self._change(name, touch, self._places(touch.inside), here)
            assert change is not None
            changes.append(change)
            slopes.append(self._predictor(replace(change, index=here.index)) * column.scale)
            nothing = np.zeros((self.chains, len(touch.own)))
            precision, sums = map(touch.over_own, self.explained.told(name, touch.own, nothing, nothing))
            told.append((precision, sums - precision * self.standard[name][:, touch.first]))
        weight = 1 / np.broadcast_to(self._family(self.rows)["sigma"], self._eta.shape) ** 2
        effects = {}
        for factor in self.design.factors:
            tau, q = own[f"tau_{factor.name}"], len(factor.terms)
            corr = own[f"corr_{factor.name}"] if factor.correlated else np.eye(q)
            effects[factor.name] = np.linalg.inv(corr) / (tau[:, :, None] * tau[:, None, :]), own[f"u_{factor.name}"]
        values, moved, own_moved = together.draw(
            np.hstack(slopes),
            {factor: z.reshape(self.chains, len(self.at), -1) for factor, z in self.rows.z.items()},
            (np.hstack([precision for precision, _ in told]), np.hstack([pull for _, pull in told])),
            (self.outcomes.coded - self._eta, weight),
            (regression.target - regression.mean(), regression.counts / regression.variance[:, None]),
            effects,
            {one: (1 / factor.variance, factor.effects) for one, factor in regression.factors.items()},
            self.rng,
        )
        start = 0
        for touch, at, change in zip(touches, places, changes, strict=True):
            value = self.standard[name][:, touch.first] + values[:, start : start + touch.n]
            self._put(name, touch, at, value, change)
            start += touch.n
        for by, more in moved.items():
            own[f"u_{by}"][np.ix_(np.arange(self.chains), together.levels[by], together.terms[by])] += more
        for by, more in own_moved.items():
            regression.factors[by].effects[:, together.own_levels[by]] += more
        self._eta = self._predictor(self.rows)

    def _draw_number(self, name: str, touch: Touch) -> None:
        column, inside = self.columns[name], touch.inside
        precision, sums = map(touch.over_own, self.explained.given(name, touch.own))
        middle = sums / precision
        now, eta = self.standard[name][:, touch.first], self._eta[:, inside]
        places = self._places(inside)
        here = self.rows.take(places)
        family = self._family(here)

        def at(values: np.ndarray) -> dict[str, np.ndarray]:
            return self._moved(name, touch, places, column.natural(now), column.natural(values))

        change = self._change(name, touch, places, here)
        if change is not None:
            along = self._predictor(replace(change, index=here.index)) * column.scale

            def rows_at(values: np.ndarray) -> tuple[np.ndarray, Rows | None]:
                return np.asarray(eta + along * touch.spread(values - now)), None

            there, rows_there = rows_at(middle)
        else:

            def rows_at(values: np.ndarray) -> tuple[np.ndarray, Rows | None]:
                with np.errstate(all="ignore"):
                    rows = self.changing.at(at(values), places, here)
                    return self._predictor(rows), rows

            there, rows_there = rows_at(middle)
            along = (rows_at(middle + _STEP)[0] - there) / _STEP

        def family_at(values: np.ndarray, rows: Rows | None) -> dict[str, np.ndarray]:
            """The family's parameters, with the residual SD that goes with the values."""
            if self.design.sigma is None or not self.design.sigma.variables & touch.by.keys():
                return family
            if rows is None:
                assert change is not None
                assert here.sigma is not None
                assert change.sigma is not None
                by = (touch.spread(values - now) * column.scale).reshape(-1, 1)
                return family | {"sigma": self._residual_sd(here.sigma + by * change.sigma)}
            assert rows.sigma is not None
            return family | {"sigma": self._residual_sd(rows.sigma)}

        # The model's density as a Normal one, from which the value is proposed.
        with np.errstate(all="ignore"):
            own = family_at(middle, rows_there)
            centre, proposed_precision = self.outcomes.proposal(middle, precision, there, along, touch, own)
            unusable = ~np.isfinite(centre) | ~np.isfinite(proposed_precision)
        centre = np.where(unusable, middle, centre)
        proposed_precision = np.where(unusable, precision, proposed_precision)
        proposed = centre + self.outcomes.noise(centre.shape, self.rng) / np.sqrt(proposed_precision)
        new, rows = rows_at(proposed)

        def log_ratio(values: np.ndarray, at_values: np.ndarray, own: dict[str, np.ndarray]) -> np.ndarray:
            said = touch.gathered(self.outcomes.log_density(at_values, inside, own))
            whole = -0.5 * precision * (values - middle) ** 2 + said
            return np.asarray(whole - self.outcomes.log_noise(proposed_precision * (values - centre) ** 2))

        with np.errstate(all="ignore"):
            gain = log_ratio(proposed, new, family_at(proposed, rows)) - log_ratio(now, eta, family)
        accepted = np.log(self.rng.random(gain.shape)) < np.nan_to_num(gain, nan=-np.inf)
        self._count(name, accepted)
        value = np.where(accepted, proposed, now)
        self._put(name, touch, places, value, change)
        if rows is not None:
            taken = np.flatnonzero(touch.spread(accepted).ravel())
            self.rows.put(places[taken], rows.take(taken))
        self._eta[:, inside] = np.where(touch.spread(accepted), new, eta)

    def _draw_level(self, name: str, touch: Touch) -> None:
        column, inside = self.columns[name], touch.inside
        assert column.levels is not None
        levels, log_mass = range(len(column.levels)), touch.over_own(self.explained.log_mass(name, touch.own))
        places = self._places(inside)
        here = self.rows.take(places)
        numbers = np.array(column.levels, dtype=float) if column.numeric else np.arange(len(levels))
        now = self.codes[name][:, touch.first]

        def at(codes: np.ndarray) -> dict[str, np.ndarray]:
            return self._moved(name, touch, places, numbers[now], numbers[codes])

        etas = []
        for level in levels:
            at_level = self.changing.at(at(np.full_like(now, level)), places, here)
            etas.append(self._predictor(at_level))
            log_mass[..., level] += touch.gathered(self.outcomes.log_density(etas[-1], inside, self._family(at_level)))
        if NOBODY in column.levels:
            # Whoever has nothing to pool was given this level; of the others everybody has one.
            log_mass[..., column.levels.index(NOBODY)] = -np.inf
        codes = np.argmax(log_mass + self.rng.gumbel(size=log_mass.shape), axis=-1)
        chosen = at(codes)
        # Made again, since the arrays at each of many levels would be as many tables.
        self.rows.put(places, self.changing.at(chosen, places, here))
        for one, values in chosen.items():
            self.changing.put(one, places, values)
        self.explained.put(name, touch.own, codes[:, touch.own_unit])
        self._eta[:, inside] = np.take_along_axis(np.stack(etas, axis=-1), touch.spread(codes)[..., None], axis=-1)[
            ..., 0
        ]

    def _draw_outcome(self) -> None:
        for some in self._lost_at_once:
            self._draw_lost(self.lost[some], self._lost_inside[some])

    @cached_property
    def _lost_at_once(self) -> list[np.ndarray]:
        """Places among the missing outcomes of those that can be drawn at once."""
        if not self.explained.is_averaged(self.outcome):
            return [np.arange(len(self.lost))]
        rank = ranks(self._gaps.whose[self.lost])
        return [np.flatnonzero(rank == one) for one in range(int(rank.max(initial=0)) + 1)]

    def _draw_lost(self, at: np.ndarray, inside: np.ndarray) -> None:
        column = self.columns[self.outcome]
        nothing = np.zeros((self.chains, len(at)))
        told = self.explained.pulled(self.outcome, at, nothing, nothing)
        family = self._family(self.rows)
        if "sigma" in family:
            family["sigma"] = family["sigma"][:, inside]
        scale = column.centre, column.scale
        self.outcomes.draw(self._eta[:, inside], inside, family, told, scale, self.rng)
        self.explained.put(self.outcome, at, column.standard(self.outcomes.in_column(inside)))

    def _draw_auxiliary(self, name: str) -> None:
        for touch in self._touches[name]:
            if self.columns[name].levels is None:
                precision, sums = map(touch.over_own, self.explained.given(name, touch.own))
                value = sums / precision + self.rng.standard_normal(sums.shape) / np.sqrt(precision)
            else:
                log_mass = touch.over_own(self.explained.log_mass(name, touch.own))
                value = np.argmax(log_mass + self.rng.gumbel(size=log_mass.shape), axis=-1)
            self.explained.put(name, touch.own, value[:, touch.own_unit])

    def _count(self, name: str, accepted: np.ndarray) -> None:
        moved, asked = self._asked.get(name, [0, 0])
        self._asked[name] = [moved + int(accepted.sum()), asked + accepted.size]
