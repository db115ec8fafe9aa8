"""Missing values of columns that are the same in all rows of a person: one unknown of each person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.imputation.persons import PersonMeans, columns_of_persons, filled_in, whose_values
from alliance_bayes.imputation.regressions import COEFFICIENT_SD, VARIANCE_PRIOR
from alliance_bayes.report.drawn import lacking, shown_lacking, values_drawn
from alliance_bayes.report.participants import describe
from linking import hold_to_graph
from sizes import sized

NAMES, TRUTH, PROB = ("x", "w"), np.array([0.8, 0.4]), 0.89
FORMULA = "y ~ x + w + (1 | pid)"
SETS = sized(40, 5)
Record = Callable[[str, object], None]


def made(seed: int, persons: int = 150, occasions: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A complete table, and the same without the `x` of about 30 % of the persons, by `w`."""
    rng, n = np.random.default_rng(seed), persons * occasions
    person = np.repeat(np.arange(persons), occasions)
    w = rng.normal(0, 1, persons)
    x = 0.5 * w + rng.normal(0, 1, persons)
    usual = TRUTH[0] * x + TRUTH[1] * w + rng.normal(0, 0.7, persons)
    y = usual[person] + rng.normal(0, 1, n)
    full = pd.DataFrame({"pid": [f"p{k}" for k in person], "week": np.arange(n) % occasions, "y": y})
    full = full.assign(x=x[person], w=w[person])
    lost = rng.random(persons) < 1 / (1 + np.exp(1 - w))
    return full, full.assign(x=full["x"].mask(lost[person]))


def fitted(data: pd.DataFrame, formula: str = FORMULA, *, person: str | None = "pid", **given: Any) -> ab.Fit:
    options = {name: given.pop(name) for name in ("auxiliary", "family", "error") if name in given}
    model = ab.Model(formula, missing=given.pop("missing", "impute"), **options)
    cohort = ab.read_cohort(data, person=person, time="week") if person else ab.read_cohort(data)
    return model.fit(cohort, progress=False, **given)


def graph(fit: ab.Fit, data: pd.DataFrame) -> Any:
    """The joint density of the table and the parameters: `x` of persons by one row for each."""
    import pymc as pm
    import pytensor.tensor as pt

    design, priors = fit.design, fit.priors
    person, first = pd.factorize(data["pid"])[0], ~data["pid"].duplicated().to_numpy()
    seen, w = data["x"].to_numpy(float)[first], data["w"].to_numpy(float)
    gaps, centre, scale = np.flatnonzero(np.isnan(seen)), data["x"].mean(), data["x"].std(ddof=1)

    def prior(name: str, of: str) -> Any:
        one = priors[of].prior
        return getattr(pm, one.distribution)(name, **one.arguments)

    with pm.Model() as model:
        beta = {name: prior(f"beta[{name}]", name) for name in design.terms}
        sigma = prior("sigma", "sigma")
        tau = prior("tau", next(name for name in priors if name.startswith("tau_pid")))
        u = tau * pm.Normal("raw", 0, 1, size=len(seen))
        b, v = pm.Normal("b", 0, COEFFICIENT_SD, size=2), pm.InverseGamma("v", *VARIANCE_PRIOR)
        free = pm.Flat("x_missing", size=len(gaps), initval=np.zeros(len(gaps)))
        x = pt.set_subtensor(pt.as_tensor(np.nan_to_num((seen - centre) / scale))[gaps], free)
        expected = b[0] + b[1] * ((w - w.mean()) / w.std(ddof=1))[first]
        value = {"x": (centre + scale * x)[person], "w": pt.as_tensor(w), "Intercept": 1.0}
        eta = sum(beta[name] * (value[name] - design.centres.get(name, 0.0)) for name in design.terms)
        pm.Potential("x", pm.logp(pm.Normal.dist(expected, pt.sqrt(v)), x).sum())
        pm.Potential("y", pm.logp(pm.Normal.dist(eta + u[person], sigma), data["y"].to_numpy()).sum())
    return model


@pytest.mark.slow
def test_posterior_is_that_of_the_graph(record_property: Record) -> None:
    _, data = made(7, persons=30, occasions=4)
    fit = fitted(data, seed=3, draws=sized(4000, 1500))
    hold_to_graph(fit, graph(fit, data), record_property)


def sites(seed: int, number: int = 40, people: int = 12) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A complete table of people with one row, and the same without the `x` of about 30 % of their sites, by `w`."""
    rng, n = np.random.default_rng(seed), number * people
    site = np.repeat(np.arange(number), people)
    w = rng.normal(0, 1, number)
    x = 0.5 * w + rng.normal(0, 1, number)
    z = 0.3 * x[site] + rng.normal(0, 1, n)
    usual = TRUTH[0] * x + TRUTH[1] * w + rng.normal(0, 0.5, number)
    y = usual[site] + 0.5 * z + rng.normal(0, 1, n)
    full = pd.DataFrame({"participant_id": np.arange(n).astype(str), "site": [f"s{k:02d}" for k in site], "y": y})
    full = full.assign(x=x[site], w=w[site], z=z)
    lost = rng.random(number) < 1 / (1 + np.exp(1 - w))
    return full, full.assign(x=full["x"].mask(lost[site]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "formula", "person"),
    [(made, FORMULA, "pid"), (sites, "y ~ x + w + z + (1 | site)", None)],
    ids=["persons", "sites"],
)
def test_missing_values_of_persons_and_sites_are_made_up_for(
    make: Callable[[int], tuple[pd.DataFrame, pd.DataFrame]],
    formula: str,
    person: str | None,
    record_property: Record,
) -> None:
    """Slopes, paired with the complete data of the same set."""
    means: dict[str, list[np.ndarray]] = {"lacking": [], "complete": []}
    covered = []
    for seed in range(SETS):
        full, gaps = make(1000 + seed)
        for name, data in (("lacking", gaps), ("complete", full)):
            fit = fitted(data, formula, person=person, seed=seed, missing="drop" if name == "complete" else "impute")
            drawn = fit.posterior["beta"].sel(term=list(NAMES)).values.reshape(-1, len(NAMES))
            means[name].append(drawn.mean(axis=0))
            if name == "lacking":
                low, high = np.quantile(drawn, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
                covered.append((low < TRUTH) & (high > TRUTH))
    shifts = np.array(means["lacking"]) - np.array(means["complete"])
    mean, error = shifts.mean(axis=0), shifts.std(axis=0, ddof=1) / np.sqrt(SETS)
    found = [f"{one:+.3f} ({by:.3f})" for one, by in zip(mean, error, strict=True)]
    record_property(f"mean shift of {', '.join(NAMES)} (standard error)", ", ".join(found))
    record_property("seeds", f"1000 to {999 + SETS}")
    record_property("coverage", ", ".join(f"{value:.3f}" for value in np.mean(covered, axis=0)))
    assert (np.abs(mean) < 3 * error).all()
    # 3.3 standard errors of a coverage of .89.
    assert (np.mean(covered, axis=0) > PROB - 3.3 * np.sqrt(PROB * (1 - PROB) / SETS)).all()


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Gaps of persons in a number, an indicator, levels of few and of many, an auxiliary one; of rows in others."""
    out, rng, persons = made(5, persons=60, occasions=4)[1], np.random.default_rng(1), 60
    person = np.repeat(np.arange(persons), 4)
    columns = {
        "sex": rng.integers(0, 2, persons).astype(float),
        "arm": np.array(["a", "b", "c"])[rng.integers(0, 3, persons)],
        "country": np.array([f"c{k}" for k in range(14)])[np.arange(persons) % 14],
        "aux": rng.normal(0, 1, persons),
    }
    for name, values in columns.items():
        out[name] = pd.Series(values[person]).mask((rng.random(persons) < 0.2)[person])
    z = rng.normal(0, 1, len(out))
    out["z"], out["y"] = np.where(rng.random(240) < 0.2, np.nan, z), out["y"].mask(rng.random(240) < 0.1)
    return out


ROW_BY_ROW = ["y ~ x + sex + arm + z + (1 | country) + (1 | pid)", "y ~ x*z + w + sex + (1 + x | arm)"]


@pytest.mark.parametrize("formula", [*ROW_BY_ROW, "y ~ x + between(x) + within(z) + between(z) + (1 | pid)"])
def test_completed_tables_have_one_value_of_a_person(data: pd.DataFrame, formula: str) -> None:
    fit = fitted(data, formula, auxiliary=["aux"], seed=1, draws=40)
    tables, drawn = fit.imputed(), {}
    read = ab.read_cohort(data, person="pid", time="week").data
    assert len(tables) == 40
    for name in ("x", "sex", "arm", "country"):
        if name not in tables[0]:
            continue
        for one in tables:
            assert one.groupby(data["pid"].to_numpy())[name].nunique().eq(1).all(), name
            seen = data[name].notna()
            assert list(one[name][seen]) == list(read[name][seen])
        lost = np.flatnonzero(data[name].isna())[::4]
        drawn[name] = np.array([one[name].astype(str).iloc[lost] for one in tables])
    assert "x" in drawn
    assert all((values != values[0]).any() for values in drawn.values())
    # Values of rows are those of rows: they differ within persons.
    if "z" in tables[0]:
        gaps = data["z"].isna()
        assert tables[0]["z"][gaps].nunique() == gaps.sum()


def test_what_is_known_of_a_person_stands_in_all_rows(data: pd.DataFrame) -> None:
    """And is not drawn; a column in which one person differs is a column of rows."""
    spec, known = ab.Model(FORMULA, missing="impute"), data["x"].notna()
    some = data.assign(x=data["x"].mask(data["week"] == 2))
    assert columns_of_persons(spec, some, "pid", "week") == ("x", "w")
    filled, gained = filled_in(spec, some, "pid", "week")
    assert gained == {"x": "pid"}
    assert filled["x"].to_numpy() == pytest.approx(data["x"].to_numpy(), nan_ok=True, abs=0)
    fit = fitted(some.assign(y=data["y"].fillna(0.0)), seed=1, draws=40)
    assert fit.info["imputation"]["columns"] == {"x": int((~known).sum())}
    assert values_drawn(fit, 5) == str(data["pid"][~known].nunique())
    other = data.assign(x=data["x"].where(known.cumsum() != 1, data["x"] + 1))
    assert columns_of_persons(spec, other, "pid", "week") == ()
    # Of fewer than ten persons that say so, nothing is believed of the others; nor is anything done to complete rows.
    few = data.assign(x=data["x"].where(data["pid"].isin(data["pid"][known].unique()[:9])))
    assert columns_of_persons(spec, few, "pid", "week") == ()
    assert columns_of_persons(spec, data.assign(x=1.5), "pid", "week") == ()


def test_the_page_tells_how_many_values_other_rows_of_a_person_had(tmp_path: Path) -> None:
    """Whether others are imputed or none; a number that is of too few people is not told."""
    full = made(3, persons=40, occasions=3)[0]
    rng = np.random.default_rng(0)
    for lost, never, told in ((12, 0, 12), (12, 8, 12), (3, 0, None), (3, 8, None)):
        whose = rng.permutation(full["pid"].unique())
        gone = (full["pid"].isin(whose[:lost]) & (full["week"] == 1)) | full["pid"].isin(whose[40 - never :])
        fit = fitted(full.assign(x=full["x"].mask(gone)), seed=1, draws=40)
        assert (fit.imputation is None) == (never == 0)
        fit.save(tmp_path / "fit.nc")
        for one in (fit, ab.load_fit(tmp_path / "fit.nc")):
            section = describe(one, 5)
            assert section.numbers["participants"]["filled_in"] == {"x": told}
            number = f" ({told} rows)" if told else ""
            assert section.context["missing"].endswith(
                f" A row without x{number} has the value of another row of the same person: it is the same wherever "
                "one has several."
            )
            assert "lacks a value in a column" not in section.context["missing"]
    whole = describe(fitted(full, seed=1, draws=40), 5)
    assert "filled_in" not in whole.numbers["participants"]
    assert whole.context["missing"] == "Nobody was left out: no row lacks a value in a column of the model."


def test_what_a_site_has_is_one_value_in_all_its_rows() -> None:
    """Where people have one row each: sites that lack it have one unknown, and rows that lack it have their site's."""
    full, gaps = sites(1)
    formula, there = "y ~ x + w + z + (1 | site)", np.arange(len(full)) % 12 == 0
    some = gaps.assign(x=gaps["x"].mask(there))
    fit = fitted(some, formula, person=None, seed=1, draws=40)
    assert fit.info["imputation"]["of_persons"] == ["x"]
    assert fit.info["filled"] == {"x": "site"}
    lost = gaps["x"].isna()
    for one in fit.imputed():
        assert one.groupby("site")["x"].nunique().eq(1).all()
        assert list(one["x"][~lost.to_numpy()]) == list(full["x"][~lost])
    n = int((there & ~lost).sum())
    told = describe(fit, 5).context["missing"]
    assert told.endswith(
        f" A person without x ({n} people) has the value of another person of the same site: it is the same "
        "wherever one has several."
    )
    spec = ab.Model(formula, missing="impute")
    assert whose_values(spec, gaps, None) == whose_values(spec, gaps, "participant_id") == "site"
    # Not where it differs within a site, or where it is not known who is of which.
    other = gaps.assign(x=gaps["x"].where((~lost).cumsum() != 1, gaps["x"] + 1))
    assert whose_values(spec, other, None) is None
    assert whose_values(spec, gaps.assign(site=gaps["site"].mask(there)), None) is None
    # Persons who have several rows are those whose values they are, unless all that lack values are of sites.
    panel = gaps.assign(pid=np.arange(480) // 2, week=np.arange(480) % 2)
    whose = panel.groupby("pid")["z"].transform("first")
    assert whose_values(ab.Model(formula + " + (1 | pid)", missing="impute"), panel, "pid", "week") == "site"
    for more in (panel.assign(z=panel["z"].mask(there)), panel.assign(z=whose.mask(panel["pid"] % 9 == 0))):
        assert whose_values(spec, more, "pid", "week") == "pid"


def test_what_persons_tell_and_what_sites_tell_is_filled_in() -> None:
    """Once persons have told `v`, nothing lacks values but `x` of sites, and sites tell it to persons without any."""
    full, gaps = sites(1)
    full = full.assign(pid=[f"p{k}" for k in np.arange(480) // 3], week=np.arange(480) % 3)
    full["v"] = full.groupby("pid")["z"].transform("first")
    some = full.assign(x=gaps["x"].mask(full["pid"].isin(["p0", "p90"])), v=full["v"].mask(full["week"] == 1))
    formula = "y ~ x + w + v + (1 | site) + (1 | pid)"
    filled, gained = filled_in(ab.Model(formula, missing="impute"), some, "pid", "week")
    assert gained == {"v": "pid", "x": "site"}
    assert list(filled["v"]) == list(full["v"])
    known = gaps["x"].notna()
    assert list(filled["x"][known]) == list(full["x"][known])
    assert filled["x"][~known].isna().all()
    fit = fitted(some, formula, seed=1, draws=40)
    assert fit.info["filled"] == {"v": None, "x": "site"}
    for one in fit.imputed():
        assert one.groupby("site")["x"].nunique().eq(1).all()
    words = describe(fit, 1).context["missing"]
    told = [
        f"A row without {name} ({n} rows) has the value of another row of the same {by}: "
        for name, n, by in (("v", 160, "person"), ("x", int((known & some["x"].isna()).sum()), "site"))
    ]
    assert all(one in words for one in told)


def test_means_of_persons_are_theirs() -> None:
    rng = np.random.default_rng(1)
    whose, inside = rng.integers(0, 5, 40), rng.random(40) < 0.7
    values, means = rng.normal(0, 1, (2, 40, 3)), PersonMeans(whose, inside)
    found = means.of(values)
    for one in range(5):
        rows = np.flatnonzero((whose == one) & inside)
        assert means.first[whose == one] == pytest.approx(rows[0], abs=0)
        assert np.flatnonzero(means.counts * (whose == one)).tolist() == [rows[0]]
        own = values[:, rows].mean(axis=1)
        assert found[:, whose == one] == pytest.approx(np.repeat(own[:, None], (whose == one).sum(), axis=1))
    assert means.counts.sum() == 5


def test_how_many_rows_lack_a_value_is_not_told_beside_all_where_few_people_tell_it_elsewhere() -> None:
    _, gaps = made(3, persons=60)
    fit = fitted(gaps, seed=1, draws=20)
    lost = gaps.groupby("pid")["x"].count().eq(0)
    rows = 5 * int(lost.sum())
    assert shown_lacking(fit, "x", 10) == rows
    # Four people whose other row tells it: sixteen rows between what the table lacks and what is drawn are theirs.
    some = gaps["pid"].isin(lost.index[~lost][:4]) & gaps["week"].gt(0)
    fit = fitted(gaps.assign(x=gaps["x"].mask(some)), seed=1, draws=20)
    assert (fit.info["missing"]["x"], lacking(fit)["x"].size) == (rows + 16, rows)
    assert shown_lacking(fit, "x", 10) is None
    assert shown_lacking(fit, "x", 4) == rows


def test_values_of_persons_are_moved_by_what_is_of_persons_too() -> None:
    _, gaps = made(3, persons=60)
    sort = pd.Series(np.where(gaps["pid"].isin(gaps["pid"].unique()[:30]), "early", "late"), dtype="category")
    wave = pd.Series(np.where(gaps["week"] < 2, "first", "last"), dtype="category")
    fit = fitted(gaps.assign(sort=sort, wave=wave), seed=1, draws=50)
    moved = fit.with_delta({"x": {"sort": {"early": 0, "late": 2}}})
    for table, before in zip(moved.imputed(3), fit.imputed(3), strict=True):
        # The same tables, of which those of late persons who lacked it are two higher.
        assert table.groupby(gaps["pid"])["x"].nunique().max() == 1
        np.testing.assert_allclose(table["x"] - before["x"], 2.0 * (gaps["x"].isna() & (sort == "late")), atol=1e-12)
    with pytest.raises(ab.UsageError, match="one value cannot be moved by two amounts"):
        fit.with_delta({"x": {"wave": {"first": 0, "last": 2}}})
