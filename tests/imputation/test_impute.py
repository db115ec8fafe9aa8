"""Models of tables with missing values: who is analysed, what is drawn, and what a fit says of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import alliance_bayes as ab
from alliance_bayes.checks.comparison import _of_observed
from alliance_bayes.checks.convergence import imputed_values
from alliance_bayes.engines.collapsed.changing import ChangingRows
from alliance_bayes.engines.density import log_density
from alliance_bayes.engines.density.changing import ChangingDensity
from alliance_bayes.engines.nuts import SamplerSettings
from alliance_bayes.fit import seen
from alliance_bayes.imputation.given import tables_wanted
from alliance_bayes.imputation.imputed import nearest_table
from alliance_bayes.imputation.parameters import apart
from imputing import table

FORMULA, DRAWS = "y ~ x + z + w", 400


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return table()


@pytest.fixture(scope="module")
def fit(data: pd.DataFrame) -> ab.Fit:
    model = ab.Model(FORMULA, missing="impute", auxiliary=("aux",))
    return model.fit(ab.read_cohort(data), seed=3, draws=DRAWS, progress=False)


@pytest.mark.slow
def test_everybody_is_analysed(fit: ab.Fit, data: pd.DataFrame) -> None:
    assert fit.flow.analysed == len(data)
    assert fit.shape == (4, DRAWS)
    gaps = {name: int(data[name].isna().sum()) for name in ("x", "y", "z")}
    assert fit.info["imputation"]["columns"] == gaps
    assert fit.info["engine"] == "imputation"


@pytest.mark.slow
def test_completed_tables_keep_what_was_observed(fit: ab.Fit, data: pd.DataFrame) -> None:
    tables = fit.imputed()
    assert len(tables) == 40
    for name in ("y", "x", "z", "w"):
        seen = data[name].notna().to_numpy()
        values = np.array([one[name].to_numpy(float) for one in tables])
        assert np.array_equal(values[:, seen], np.tile(data[name].to_numpy(float)[seen], (40, 1)))
        assert np.isfinite(values).all()
        # What was not observed differs from table to table.
        assert seen.all() or (values[:, ~seen].std(axis=0) > 0).mean() > 0.9
    assert set(np.unique(tables[0]["z"])) == {0.0, 1.0}


def test_imputed_values_are_where_the_truth_is(fit: ab.Fit) -> None:
    """The complete table, from which values were taken: drawn values predict those, with the spread that they say."""
    truth = table(complete=True)["x"].to_numpy(float)
    places = fit.imputation.places["x"]  # type: ignore[union-attr]
    drawn = fit.imputation.values["x"]  # type: ignore[union-attr]
    z = (truth[places] - drawn.mean(axis=0)) / drawn.std(axis=0)
    # Of 46 standardised errors the mean square is 1 within 4 standard errors, sqrt(2 / 46) each.
    assert abs(np.mean(z**2) - 1) < 4 * np.sqrt(2 / len(places))


def test_fraction_of_missing_information(fit: ab.Fit) -> None:
    """Against refits of the completed tables: one minus the variance within them over the whole variance."""
    table_ = fit.effects(["coefficients"])
    within = []
    for one in fit.imputed(20):
        centred = one.assign(participant_id=[str(k) for k in range(len(one))])
        again = ab.Model(
            FORMULA, priors={name: str(fit.priors[name].prior) for name in fit.priors}, centre=_centre(fit)
        )
        refitted = again.fit(ab.read_cohort(centred), seed=1, draws=250, progress=False)
        within.append(refitted.posterior["beta"].var(("chain", "draw"), ddof=1).to_numpy())
    total = fit.posterior["beta"].var(("chain", "draw"), ddof=1).to_numpy()
    expected = 1 - np.mean(within, axis=0) / total
    # Tables' within-variances vary by some 20 % (SD), so that their mean over 20 has an error of .05; the chains'
    # variance of 1,600 draws, worth some 500, has one of 6 %.
    own = [float(table_["fmi"][f"coefficient/{name}"]) for name in fit.design.terms if name != "Intercept"]
    wanted = [value for name, value in zip(fit.design.terms, expected, strict=True) if name != "Intercept"]
    assert np.abs(np.array(own) - wanted).max() < 0.25
    assert 0.05 < np.mean(own) < 0.9


def _centre(fit: ab.Fit) -> dict[str, float]:
    return {name: value for name, value in fit.design.centres.items() if name in ("x", "z", "w")}


def test_nothing_missing_gives_the_ordinary_fit(data: pd.DataFrame) -> None:
    complete = ab.read_cohort(data.dropna())
    imputing = ab.Model(FORMULA, missing="impute").fit(complete, seed=1, draws=100, progress=False)
    dropping = ab.Model(FORMULA).fit(complete, seed=1, draws=100, progress=False)
    assert imputing.imputation is None
    assert np.array_equal(imputing.posterior["beta"], dropping.posterior["beta"])


def test_saved_fit_is_the_same(fit: ab.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.nc")
    again = ab.load_fit(tmp_path / "fit.nc")
    for name in ("mean", "sd", "fmi"):
        pd.testing.assert_series_equal(again.effects()[name], fit.effects()[name], rtol=1e-9)
    pd.testing.assert_frame_equal(again.imputed(2)[1], fit.imputed(2)[1])


def test_same_seed_same_draws(data: pd.DataFrame) -> None:
    model, cohort = ab.Model("y ~ x + w", missing="impute"), ab.read_cohort(data)
    one, two, other = (model.fit(cohort, seed=seed, draws=20, progress=False) for seed in (1, 1, 2))
    assert np.array_equal(one.posterior["beta"], two.posterior["beta"])
    assert not np.array_equal(one.posterior["beta"], other.posterior["beta"])


def test_checks_look_at_draws_and_at_one_completed_table(fit: ab.Fit) -> None:
    report = fit.check(replicates=200)
    criteria = report["convergence"].table.set_index("criterion")
    assert "R-hat of imputed values, largest" in criteria.index
    told = {result.name: result.sentence.startswith("Of one completed table") for result in report}
    # Of what was not looked at nothing was found in any table.
    looked_at = {result.name for result in report if len(result.table) or len(result.details)}
    assert {name for name, of_one in told.items() if of_one} == looked_at - {"convergence"}
    assert "posterior_predictive" in looked_at
    # Some of what figures of the outcome show was drawn: none of it is called observed, neither beside nor within.
    plots = {plot.name: plot for result in report for plot in result.plots}
    assert plots["predictive-distribution"].description.startswith(
        f"Histogram of the {fit.design.n:,} observed or imputed values of y, "
    )
    for plot in plots.values():
        figure = Figure()
        plot.draw(figure)
        labels = [text.get_text() for text in figure.findobj(Text)]
        labels += [str(artist.get_label()) for axes in figure.axes for artist in (*axes.lines, *axes.patches)]
        for text in (plot.title, plot.description, *labels):
            assert not re.search(r"observed\b(?! or imputed)", text, re.IGNORECASE), text


@pytest.mark.parametrize("name", ["x", "z"])
def test_a_single_value_that_is_not_observed_withholds_nothing(data: pd.DataFrame, name: str) -> None:
    """The SD of one value is 0 in every draw, in which chains agree; its R-hat is no number."""
    whole = data.dropna().assign(participant_id=lambda frame: [f"p{k}" for k in range(len(frame))])
    frame = whole.copy()
    frame.loc[frame.index[7], name] = np.nan
    fit = ab.Model("y ~ x + z + w", missing="impute").fit(ab.read_cohort(frame), seed=1, progress=False)
    assert fit.info["imputation"]["columns"] == {name: 1}
    (criterion,) = [one for one in (imputed_values(fit),) if one is not None]
    assert criterion.where == f"mean of {name}"
    assert (criterion.verdict, criterion.value < 1.05) == ("pass", True)
    assert fit.check(replicates=200).gate.passed
    # The same of every draw is agreement in one chain's value only if it is that of the others, too.
    kept = fit.imputation
    assert kept is not None
    for trace, verdict in (
        ([[1.0] * 9] * 4, None),
        ([[1.0] * 9] * 3 + [[2.0] * 9], "fail"),
        ([[np.nan] * 9] * 4, "fail"),
    ):
        stuck = SimpleNamespace(imputation=replace(kept, traces={"mean of x": np.array(trace)}))
        found = imputed_values(stuck)  # type: ignore[arg-type]
        assert (found and found.verdict) == verdict


def test_refused_at_once() -> None:
    for given, message in (
        ({"missing": "guess"}, "missing"),
        ({"auxiliary": ("aux",)}, "auxiliary"),
        ({"error": {"x": 1.0}}, "error"),
        ({"missing": "impute", "error": {"x": -1.0}}, "positive"),
        ({"missing": "impute", "error": {"y": 1.0}}, "no predictor"),
        ({"reliability": {"x": 0.8}}, "reliability"),
        *(({"missing": "impute", "reliability": {"x": value}}, "between 0 and 1") for value in (0.0, 1, -0.5, True)),
        ({"missing": "impute", "reliability": {"y": 0.8}}, "no predictor"),
        ({"missing": "impute", "error": {"x": 1.0}, "reliability": {"x": 0.8}}, "both given of 'x'"),
        ({"missing": "impute", "auxiliary": "aux"}, "list"),
    ):
        with pytest.raises(ab.ModelError, match=message):
            ab.Model("y ~ x + w", **given)


def test_columns_that_cannot_be_imputed(data: pd.DataFrame) -> None:
    frame = pd.concat([data] * 2, ignore_index=True).assign(participant_id=[f"p{k}" for k in range(2 * len(data))])
    many = frame.assign(site=[f"s{k % 101}" if k % 10 else None for k in range(len(frame))], who=None)
    model = ab.Model("y ~ x + (1 | site)", missing="impute", roles={"site": "group"})
    fit = model.fit(ab.read_cohort(many), seed=1, draws=20, progress=False)
    # Those without a level of a factor of very many are left out, and counted.
    assert fit.flow.analysed == int(many["site"].notna().sum())
    # Where they are all who lack anything, nothing is left to draw.
    rest = many.assign(x=many["w"], y=many["w"] + np.arange(len(many)) % 7)
    fit = model.fit(ab.read_cohort(rest), seed=1, draws=20, progress=False)
    assert fit.imputation is None
    assert fit.flow.analysed == int(many["site"].notna().sum())
    with pytest.raises(ab.ModelError, match="no column 'nowhere'"):
        ab.Model("y ~ x", missing="impute", auxiliary=("nowhere",)).fit(ab.read_cohort(data), progress=False)
    with pytest.raises(ab.ModelError, match="already"):
        ab.Model("y ~ x", missing="impute", auxiliary=("x",)).fit(ab.read_cohort(data), progress=False)


@pytest.mark.slow
def test_tables_imputed_elsewhere_give_the_same_posterior(fit: ab.Fit, data: pd.DataFrame) -> None:
    tables = [one.assign(participant_id=data["participant_id"]) for one in fit.imputed()]
    given = ab.Model(FORMULA).fit([ab.read_cohort(one) for one in tables], seed=1, draws=400, progress=False)
    assert given.info["imputation"]["tables"] == 40
    assert given.flow.analysed == len(data)
    for name in ("x", "w", "z"):
        own, other = (one.posterior["beta"].sel(term=name) for one in (given, fit))
        # 40 tables place the mean with an error of the root of fmi / 40 SDs, and the chains of tables with about that
        # of twice as many; fmi is about one half, and centres of the two fits differ.
        assert abs(float(own.mean() - other.mean())) < 4 * float(other.std()) * np.sqrt(0.5 / 40 + 0.5 / 80) + (
            0.0 if name == "w" else 0.5
        )
    with pytest.raises(ab.UsageError, match="at least two"):
        ab.Model(FORMULA).fit(tables[:1], progress=False)
    with pytest.raises(ab.UsageError, match="table 2 has 100 rows, and table 1 has 120"):
        ab.Model(FORMULA).fit([tables[0], tables[1].head(100)], progress=False)
    with pytest.raises(ab.UsageError, match="completed already"):
        ab.Model(FORMULA, missing="impute").fit(tables[:2], progress=False)


def test_format_of_mice_and_the_number_of_tables_wanted(fit: ab.Fit, data: pd.DataFrame) -> None:
    tables = [one.assign(participant_id=data["participant_id"]) for one in fit.imputed(3)]
    long = pd.concat([data.assign(**{".imp": 0}), *(one.assign(**{".imp": k + 1}) for k, one in enumerate(tables))])
    one, two = (ab.Model("y ~ x + w").fit(given, seed=1, draws=100, progress=False) for given in (long, [*tables]))
    assert np.array_equal(one.posterior["beta"], two.posterior["beta"])
    row = one.check(checks=["convergence"], effects=one.effects(["slopes"]))["convergence"].table
    row = row.set_index("criterion").loc["completed tables"]
    # Three tables are few: von Hippel's 1 + (fmi / .05)^2 / 2 of a third missing is more than twenty.
    assert row["verdict"] == "warn"
    assert tables_wanted(0.3) == 19


@pytest.mark.slow
def test_imputed_levels_have_their_own_names_in_whatever_order_they_are_declared() -> None:
    """Who lacks a level had it with the same chances as everybody else: shares of drawn levels are about those."""
    rng, n = np.random.default_rng(0), 200
    level = rng.choice(["low", "mid", "high"], n, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": rng.normal(size=n), "g": level})
    frame.loc[rng.random(n) < 0.4, "g"] = np.nan
    lacking = frame["g"].isna().to_numpy()
    seen = frame["g"].value_counts(normalize=True)
    for levels in ({}, {"g": ("low", "mid", "high")}, {"g": ("mid", "high", "low")}):
        model = ab.Model("y ~ g", missing="impute", levels=levels)
        fit = model.fit(ab.read_cohort(frame), seed=1, draws=100, progress=False)
        drawn = pd.concat([one["g"][lacking] for one in fit.imputed()]).value_counts(normalize=True)
        # Posterior SDs of the shares are .04 at most, as those of the shares that were seen.
        assert all(abs(drawn[name] - seen[name]) < 3 * np.hypot(0.045, 0.045) for name in seen.index), levels


def test_a_reliability_is_an_error_in_sds_of_what_was_observed(data: pd.DataFrame) -> None:
    cohort = ab.read_cohort(data)
    model = ab.Model("y ~ x + w", missing="impute", reliability={"x": 0.75})
    fit = model.fit(cohort, seed=1, draws=20, progress=False)
    # The root of a quarter of the variance.
    sd = 0.5 * float(np.std(data["x"].dropna(), ddof=1))
    assert fit.info["imputation"]["error"] == {"x": pytest.approx(sd, rel=1e-12)}
    told = ab.Model("y ~ x + w", missing="impute", error={"x": sd}).fit(cohort, seed=1, draws=20, progress=False)
    assert np.allclose(fit.posterior["beta"], told.posterior["beta"], rtol=1e-9)


@pytest.mark.slow
def test_rows_of_what_is_measured_with_error_are_scored_as_observed(data: pd.DataFrame) -> None:
    """Of an error of known size, stated either way, every value is drawn: no row would be left to compare models by."""
    cohort = ab.read_cohort(data.dropna())
    found = []
    for told in ({"error": {"x": 0.4}}, {"reliability": {"x": 0.8}}):
        model = ab.Model("y ~ x + w", missing="impute", **told)
        assert model.inexact == {"x"}
        fits = {"one": model.fit(cohort, seed=1, draws=200, progress=False)}
        fits["other"] = ab.Model("y ~ x", missing="impute", **told).fit(cohort, seed=1, draws=200, progress=False)
        assert not seen(fits["one"], "x").any()
        kept = _of_observed(fits)
        found.append([fit.design.rows.n for fit in kept.values()])
    assert found == [[len(cohort.data)] * 2] * 2


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_a_drawn_level_that_meets_another_as_nobody_does_has_no_effect(family: str) -> None:
    """Combinations of two factors of which one is drawn: of those that nobody has there is nothing to pool."""
    rng, n = np.random.default_rng(3), 90
    a, b = rng.integers(0, 3, n), rng.integers(0, 3, n)
    b[(a == 2) & (b == 2)] = 0
    y = rng.normal(0, 1, n) if family == "gaussian" else rng.binomial(1, 0.5, n).astype(float)
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": rng.normal(0, 1, n)})
    frame["a"], frame["b"] = [f"a{k}" for k in a], [f"b{k}" for k in b]
    frame = frame.assign(a=frame["a"].astype("category"), b=frame["b"].astype("category"))
    spec = ab.Model("y ~ x + (1 | a:b)", family=family, roles={"a:b": "group"})
    design = spec.design(frame)
    priors = spec.priors_for(design)
    at = np.flatnonzero(b == 2)[:6]
    changed = frame.assign(a=frame["a"].where(~np.isin(np.arange(n), at), "a2")).iloc[at].reset_index(drop=True)
    rows = design.evaluate(changed, counterfactual=True)
    (name,) = rows.index
    assert (rows.index[name] < 0).all()
    coded = design.outcome.coded[at]
    (known,) = apart(rows, coded[None])
    nothing = replace(rows, z={name: np.zeros_like(rows.z[name])}, index={name: np.zeros_like(rows.index[name])})
    if family == "gaussian":
        model = ChangingRows(design, priors, at)
        theta = np.abs(rng.normal(1, 0.2, (5, 2)))
        one, other = (model.marginal(own, coded).log_density(theta) for own in (known, nothing))
        assert np.array_equal(one, other)
        return
    chains = ChangingDensity(design, priors, at, SamplerSettings(chains=2))
    for chain, own in enumerate((known, nothing)):
        chains.put(chain, own, coded)
    q = rng.normal(0, 1, chains.data.size)
    values = [log_density(q, table)[0] for table in chains._tables]
    assert values[0] == values[1]
    # By hand: the rows that changed have the common part of the linear predictor alone.
    natural = chains.undivided(q[None], 0)
    whole = design.rows.x @ natural["beta"][0] + natural[f"u_{name}"][0, design.rows.index[name], 0]
    whole[at] = rows.x @ natural["beta"][0]
    before = log_density(q, chains.data)[0]
    eta = design.rows.x @ natural["beta"][0] + natural[f"u_{name}"][0, design.rows.index[name], 0]
    own = design.family.log_density
    assert values[0] - before == pytest.approx(
        float((own(whole, {}, design.outcome) - own(eta, {}, design.outcome)).sum()), abs=1e-9
    )


def test_the_table_that_stands_for_all_has_the_association_of_all() -> None:
    """Nearest in the means of its columns is no more than a start: what checks say of one table is of its slope."""
    rng = np.random.default_rng(5)
    tables, slopes = [], np.linspace(0.2, 1.4, 13)
    for place, slope in enumerate(slopes):
        x = rng.normal(0, 1, (400, 2))
        # The flattest table has the means of all, exactly.
        x -= x.mean(axis=0) - (0 if place == 0 else rng.normal(0, 0.01, 2))
        tables.append((x, x @ [slope, 1.0] + rng.normal(0, 0.1, 400)))
    chosen = nearest_table(tables, np.array([[-0.01, -0.01], [0.01, 0.01]]), np.ones(2), [0])
    found = np.array([np.polyfit(x[:, 0], y - x[:, 1], 1)[0] for x, y in tables])
    assert chosen != 0
    assert abs(found[chosen] - found.mean()) < np.abs(np.diff(slopes)).max()


def test_levels_of_many_are_drawn(data: pd.DataFrame) -> None:
    """Of 15 levels everybody is analysed, with a level that somebody has."""
    site = [f"s{k % 15:02d}" if k % 10 else None for k in range(len(data))]
    model = ab.Model("y ~ x + (1 | site)", missing="impute", roles={"site": "group"})
    fit = model.fit(ab.read_cohort(data.assign(site=site)), seed=1, draws=40, progress=False)
    assert fit.flow.analysed == len(data)
    assert fit.info["imputation"]["columns"]["site"] == sum(one is None for one in site)
    for one in fit.imputed(4):
        own = one["site"].astype(str).to_numpy()
        assert all(mine == theirs for mine, theirs in zip(own, site, strict=True) if theirs is not None)
        assert set(own) == {one for one in site if one is not None}


@pytest.mark.parametrize("formula", ["y ~ x + (1 | site)", "y ~ x + (x || site) + (1 | sex)", "y ~ x + (1 | sex:site)"])
def test_levels_written_as_numbers_are_those_written_as_text(data: pd.DataFrame, formula: str) -> None:
    """Sites 1 to 3, sex 0 and 1: what the formula pools over has levels, with gaps and without."""
    rng = np.random.default_rng(4)
    columns = {"site": rng.integers(1, 4, len(data)), "sex": rng.integers(0, 2, len(data))}
    lost = {name: rng.random(len(data)) < 0.15 for name in columns}
    numbers = {name: np.where(lost[name], np.nan, code) for name, code in columns.items()}
    text = {
        name: [None if gap else f"l{k}" for k, gap in zip(code, lost[name], strict=True)]
        for name, code in columns.items()
    }
    found = []
    for given in (numbers, text):
        cohort = ab.read_cohort(data.assign(**given))
        fit = ab.Model(formula, missing="impute").fit(cohort, seed=1, draws=20, progress=False)
        assert fit.flow.analysed == len(data)
        assert {name: fit.info["imputation"]["columns"].get(name) for name in given if name in formula} == {
            name: int(lost[name].sum()) for name in given if name in formula
        }
        found.append(fit)
    for name, values in found[0].posterior.items():
        assert np.array_equal(values, found[1].posterior[name]), name
    levels = found[0].design.factors[0].levels
    assert [level.replace("l", "") for level in found[1].design.factors[0].levels] == list(levels)
    assert found[0].slopes().equals(found[1].slopes())


@pytest.mark.parametrize(
    "formula", ["y ~ x + (1 | arm:site)", "y ~ x + (1 | arm/site)", "y ~ x + (1 | site) + (1 | site:arm)"]
)
def test_who_could_have_a_combination_that_nobody_has_is_left_out(data: pd.DataFrame, formula: str) -> None:
    """A site drawn for somebody of another arm would be one more level, in some tables and not in others."""
    rng = np.random.default_rng(4)
    site, whole = rng.integers(0, 6, len(data)), data.dropna()
    frame = data.assign(arm=np.where(site < 3, "a", "b"), site=[f"s{k}" for k in site]).loc[whole.index]
    gap = pd.Series(rng.random(len(frame)) < 0.1, index=frame.index)
    frame["site"] = frame["site"].mask(gap)
    fits = [
        ab.Model(formula, missing=missing).fit(ab.read_cohort(frame), seed=1, draws=20, progress=False)
        for missing in ("impute", "drop")
    ]
    assert [fit.flow.analysed for fit in fits] == [len(frame) - gap.sum()] * 2
    assert fits[0].posterior.equals(fits[1].posterior)
    # Where every combination has somebody, those who lack a part are analysed, and what follows has all levels.
    crossed = frame.assign(site=frame["site"].replace({"s3": "s0", "s4": "s1", "s5": "s2"}))
    fit = ab.Model("y ~ x + (1 | arm:site)", missing="impute").fit(
        ab.read_cohort(crossed), seed=1, draws=20, progress=False
    )
    assert fit.flow.analysed == len(frame)
    assert len(fit.design.factors[0].levels) == fit.posterior.sizes["arm:site"] == 6
    assert len(fit.slopes()) > 0


def test_nobody_is_drawn_to_have_no_provider_where_there_is_something_to_pool() -> None:
    """Therapists in one arm: those of the arm who lack one have one of the therapists, and the others have none."""
    rng, n = np.random.default_rng(6), 90
    treated = np.arange(n) % 2
    who = np.array([f"t{k}" for k in rng.integers(0, 4, n)], dtype=object)
    lacking = (treated == 1) & (rng.random(n) < 0.3)
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": rng.normal(size=n), "treated": treated})
    frame["therapist"] = np.where((treated == 0) | lacking, None, who)
    model = ab.Model("y ~ treated + (0 + treated | therapist)", missing="impute", roles={"therapist": "provider"})
    fit = model.fit(ab.read_cohort(frame), seed=1, draws=40, progress=False)
    assert fit.flow.analysed == n
    for one in fit.imputed(4):
        own = one["therapist"].astype(str).to_numpy()
        assert set(own[treated == 1]) == {"t0", "t1", "t2", "t3"}
        assert set(own[treated == 0]) == {"(nobody)"}


@pytest.mark.parametrize("auxiliary", [(), ("far",)])
def test_two_numbers_are_two_levels_however_they_are_coded(data: pd.DataFrame, auxiliary: tuple[str, ...]) -> None:
    """An indicator coded 1 and 2 had values of 1.4, and one far row of a constant drew a slope to it.

    The posterior is that of 0 and 1, draw by draw, where the column is told apart by its coding alone.
    """
    far = np.where(np.arange(len(data)) == 3, 1 + 1e-9, 1.0)
    options: dict[str, Any] = {"missing": "impute", "auxiliary": auxiliary, "centre": {"x": 0.0, "w": 0.0}}
    found = []
    for first, step in ((0.0, 1.0), (1.0, 1.0), (-5.0, 10.0)):
        coded = data.assign(z=first + step * data["z"], far=far)
        model = ab.Model(
            "y ~ x + z + w", **{**options, "centre": {**options["centre"], "z": first}},
            priors={"z": f"Normal(0, {3 / step})"},
        )  # fmt: skip
        fit = model.fit(ab.read_cohort(coded), seed=1, draws=100, progress=False)
        assert {float(value) for one in fit.imputed(4) for value in one["z"]} == {first, first + step}
        found.append(fit.posterior["beta"].to_numpy() * np.where(fit.posterior["term"] == "z", step, 1.0))
    for one in found[1:]:
        assert one == pytest.approx(found[0], rel=1e-6, abs=1e-8)
    # The far row says nothing of the others: least squares of the complete rows is near.
    complete = data[["y", "x", "z", "w"]].dropna()
    columns = np.column_stack([np.ones(len(complete)), complete[["x", "z", "w"]]])
    slope = np.linalg.lstsq(columns, complete["y"], rcond=None)[0][1]
    draws = found[0][..., list(fit.design.terms).index("x")]
    assert abs(draws.mean() - slope) < 4 * draws.std()


def test_a_column_that_stands_in_a_call_alone_is_imputed(data: pd.DataFrame) -> None:
    """It was refused for want of a centre that nobody had asked for.

    Twice a column has half its coefficient, draw by draw; a logarithm has the slope of the complete table.
    """
    cohort, found = ab.read_cohort(data), []
    for name, times in (("x", 1), ("I(x * 2)", 2)):
        model = ab.Model(
            f"y ~ {name} + w",
            missing="impute",
            centre={name: 0.0, "w": 0.0},
            priors={name: f"Normal(0, {3 / times})"},
        )
        fit = model.fit(cohort, seed=1, draws=50, progress=False)
        found.append(fit.posterior["beta"].to_numpy() * np.where(fit.posterior["term"] == name, times, 1.0))
    assert found[1] == pytest.approx(found[0], rel=1e-6, abs=1e-8)
    rng, n = np.random.default_rng(8), 200
    x = np.exp(rng.normal(0, 0.25, n))
    y = 1 + 2 * np.log(x) + rng.normal(0, 0.5, n)
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": x})
    slope = np.polyfit(np.log(x), y, 1)[0]
    frame["x"] = frame["x"].where(rng.random(n) < 1 / (1 + np.exp(y - 1.5)))
    assert 0.3 < frame["x"].isna().mean() < 0.5
    fit = ab.Model("y ~ log(x)", missing="impute").fit(ab.read_cohort(frame), seed=1, draws=200, progress=False)
    draws = fit.posterior["beta"].sel(term="log(x)").to_numpy()
    assert fit.flow.analysed == n
    assert abs(draws.mean() - slope) < 3 * draws.std()


def test_a_number_of_two_values_is_not_moved_by_points(data: pd.DataFrame) -> None:
    """One of 0 and 1 was not, one of 1 and 2 was."""
    for first in (0.0, 1.0):
        coded = data.assign(z=data["z"] + first)
        fit = ab.Model("y ~ x + z", missing="impute").fit(ab.read_cohort(coded), seed=1, draws=20, progress=False)
        with pytest.raises(ab.UsageError, match="it has 'y', 'x'; 'z' is none of them"):
            fit.tipping_point("z", grid=[-1, 0, 1])
        with pytest.raises(ab.UsageError, match=r"not 'z'\. It has 'y', 'x'"):
            fit.with_delta({"z": 0.5})


def test_ids_may_be_pooled_over_as_a_column_beside_them_is() -> None:
    rng = np.random.default_rng(4)
    whose = np.repeat([f"p{k:02d}" for k in range(20)], 4)
    table = pd.DataFrame(
        {"participant_id": whose, "who": whose, "when": np.tile(range(4), 20), "x": rng.normal(0, 1, 80)}
    )
    table["y"] = table["x"] + np.repeat(rng.normal(0, 1, 20), 4) + rng.normal(0, 1, 80)
    table.loc[rng.random(80) < 0.2, "x"] = np.nan
    cohort = ab.read_cohort(table, person="participant_id", time="when")
    draws = []
    for name in ("participant_id", "who"):
        model = ab.Model(f"y ~ x + (1 | {name})", roles={name: "person"}, missing="impute")
        fit = model.fit(cohort, draws=50, seed=2, progress=False)
        draws.append(fit.posterior["beta"].to_numpy())
    # Only the name differs.
    np.testing.assert_array_equal(*draws)
