"""Moments of tables with several rows a person: they count people, name nobody, and keep two sites' people apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import DataError, ModelError, UsageError
from alliance_bayes.moments import with_minimum

ibis = pytest.importorskip("ibis")

OPTIONS: dict[str, Any] = {"seed": 1, "draws": 100, "progress": False}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Visits of 40 patients, 3 to 6 each; some lack an outcome, one patient all of them; ages are one a patient."""
    rng = np.random.default_rng(3)
    pid = np.repeat(np.arange(40), rng.integers(3, 7, 40))
    rows = pd.DataFrame({"pid": [f"MRN{one:04d}" for one in pid], "age": 20.0 + pid})
    rows["arm"] = np.where(pid % 3 == 0, "a", "b")
    rows["x"] = rng.normal(size=pid.size)
    rows["y"] = rows["x"] + rng.normal(size=40)[pid] + rng.normal(size=pid.size)
    rows.loc[rng.random(pid.size) < 0.1, "y"] = np.nan
    rows.loc[pid == 7, "y"] = np.nan
    return rows


@pytest.fixture(scope="module")
def model() -> ab.Model:
    return ab.Model("y ~ x + age + arm + (1 | pid)", roles={"pid": "person"}, focal="x")


@pytest.fixture(scope="module")
def moments(table: pd.DataFrame, model: ab.Model, tmp_path_factory: pytest.TempPathFactory) -> ab.Moments:
    path = tmp_path_factory.mktemp("long") / "visits.csv"
    table.to_csv(path, index=False)
    return ab.reduce_table(path, model, person="pid", unit="visit")


@pytest.fixture(scope="module")
def fits(table: pd.DataFrame, model: ab.Model, moments: ab.Moments) -> tuple[ab.Fit, ab.Fit]:
    return model.fit(moments, **OPTIONS), model.fit(table, person="pid", unit="visit", **OPTIONS)


def test_people_are_counted_as_for_rows(table: pd.DataFrame, moments: ab.Moments, fits: tuple[ab.Fit, ab.Fit]) -> None:
    complete = table.dropna()
    assert moments.people == complete["pid"].nunique() == 39
    assert moments.n == len(complete)
    by_moments, by_rows = fits
    assert by_moments.flow == by_rows.flow
    assert (by_moments.flow.people, by_moments.flow.analysed_people, by_moments.flow.unit) == (40, 39, "visit")
    assert by_moments.count_people() == 39
    assert by_moments.count_rows() == len(complete)
    in_a = by_moments.design.frame["arm"].astype(str).to_numpy() == "a"
    assert by_moments.count_people(in_a) == complete.loc[complete["arm"] == "a", "pid"].nunique()
    assert by_moments.count_rows(in_a) == (complete["arm"] == "a").sum()
    np.testing.assert_allclose(by_moments.posterior["beta"], by_rows.posterior["beta"], atol=1e-7)


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_page_of_moments_says_what_one_of_rows_says(fits: tuple[ab.Fit, ab.Fit]) -> None:
    by_moments, by_rows = (fit.report().numbers["participants"] for fit in fits)
    # One of 40 has no row left, which a page does not say.
    assert by_moments["people"] is None
    assert by_rows["people"] is None
    assert by_moments["people_analysed"] == by_rows["people_analysed"] == 39
    assert by_moments["analysed"] == by_rows["analysed"]
    ours, theirs = (
        {(row["variable"], row.get("level")): row for row in numbers["summary"]} for numbers in (by_moments, by_rows)
    )
    assert ours.keys() == theirs.keys()
    for key, row in ours.items():
        told = {name: value for name, value in row.items() if name not in ("median", "q25", "q75")}
        assert told == pytest.approx({name: theirs[key][name] for name in told}), key


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, own in value.items():
            yield from (key, *texts(own))
    elif isinstance(value, (list, tuple)):
        for own in value:
            yield from texts(own)
    elif isinstance(value, str):
        yield value


def test_nobody_is_named(moments: ab.Moments, fits: tuple[ab.Fit, ab.Fit], tmp_path: Path) -> None:
    ab.save_moments(moments, tmp_path / "moments.nc")
    fits[0].save(tmp_path / "fit.nc")
    for name in ("moments.nc", "fit.nc"):
        assert b"MRN" not in (tmp_path / name).read_bytes(), name
    again = ab.load_fit(tmp_path / "fit.nc")
    assert again.count_people() == 39
    assert again.person == "pid"
    assert not any(re.search("MRN", text) for text in texts(fits[0].check().to_dict()))


@pytest.mark.slow
@pytest.mark.parametrize("roles", [{"pid": "person"}, {}])
def test_who_has_one_row_is_not_named_either(table: pd.DataFrame, tmp_path: Path, roles: dict[str, Any]) -> None:
    """A file of moments is handed on: its persons are numbered whether or not somebody has several rows."""
    one_each = table.dropna().groupby("pid").first().reset_index()
    one_each.to_csv(tmp_path / "patients.csv", index=False)
    model = ab.Model("y ~ x + (1 | pid)", roles=roles, focal="x")
    found = ab.reduce_table(tmp_path / "patients.csv", model)
    ab.save_moments(found, tmp_path / "moments.nc")
    assert b"MRN" not in (tmp_path / "moments.nc").read_bytes()
    assert found.levels["pid"] == tuple(str(number) for number in range(1, len(one_each) + 1))
    assert (found.people, found.n) == (len(one_each), len(one_each))
    # Their order is that of their means, not of what they are called.
    column = found.means[np.argsort(found.codes[:, found.keys.index("pid")]), 0]
    assert (np.diff(column) >= 0).all()
    # Those of two sites are others, and the model is the same as that of rows.
    assert (found + found).people == 2 * len(one_each)
    of_moments, of_rows = model.fit(found, **OPTIONS), model.fit(one_each, **OPTIONS)
    np.testing.assert_allclose(of_moments.posterior["beta"], of_rows.posterior["beta"], atol=1e-7)
    page = of_moments.report()
    assert "MRN" not in page.html + page.json


def test_a_card_that_lists_persons_names_none(table: pd.DataFrame, model: ab.Model, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "visits.csv", index=False)
    listed = ab.Model(model.formula, focal="x", levels={"pid": sorted(set(table["pid"]))})
    found = ab.reduce_table(tmp_path / "visits.csv", listed, person="pid")
    ab.save_moments(found, tmp_path / "moments.nc", spec=listed)
    assert b"MRN" not in (tmp_path / "moments.nc").read_bytes()
    assert listed.fit(ab.load_moments(tmp_path / "moments.nc"), **OPTIONS).spec.roles == {"pid": "person"}


def test_numbers_do_not_follow_identifiers(table: pd.DataFrame, model: ab.Model, tmp_path: Path) -> None:
    """Whoever has the roster, in order, does not have who is who: ages go up with identifiers here, and not after."""
    new = {name: f"Z{9999 - number}" for number, name in enumerate(table["pid"].unique())}
    found = []
    for name, own in {"a": table, "b": table.assign(pid=table["pid"].map(new))}.items():
        own.to_csv(tmp_path / f"{name}.csv", index=False)
        found.append(ab.reduce_table(tmp_path / f"{name}.csv", model))
    np.testing.assert_array_equal(found[0].codes, found[1].codes)
    np.testing.assert_allclose(found[0].means, found[1].means, atol=1e-12)
    ages = found[0].means[np.argsort(found[0].codes[:, found[0].keys.index("pid")]), found[0].column("age")]
    assert 0.1 < (np.diff(ages) < 0).mean() < 0.9


def test_people_of_two_sites_are_others(table: pd.DataFrame, model: ab.Model, moments: ab.Moments) -> None:
    both = moments + moments
    assert both.people == 2 * moments.people
    assert both.flow is not None
    assert (both.flow.people, both.flow.analysed_people) == (80, 78)
    apart = pd.concat([table, table.assign(pid="other " + table["pid"])])
    of_rows = model.fit(apart, person="pid", unit="visit", **OPTIONS)
    of_both = model.fit(both, **OPTIONS)
    assert of_both.flow == of_rows.flow
    np.testing.assert_allclose(of_both.posterior["tau_pid"], of_rows.posterior["tau_pid"], atol=1e-7)


def test_cells_of_single_persons_are_small(moments: ab.Moments) -> None:
    """However many rows they have."""
    assert with_minimum(moments, 1) is moments
    for small in ("refuse", "merge"):
        with pytest.raises(DataError, match="cells of one person each"):
            with_minimum(moments, 2, small=small)  # type: ignore[arg-type]


def test_people_have_to_be_in_the_model(table: pd.DataFrame, moments: ab.Moments, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "visits.csv", index=False)
    plain = ab.Model("y ~ x + arm", focal="x")
    with pytest.raises(ModelError, match=r"Add \(1 \| pid\)"):
        ab.reduce_table(tmp_path / "visits.csv", plain, person="pid")
    with pytest.raises(ModelError, match=r"Add \(1 \| pid\)"):
        plain.fit(moments, **OPTIONS)
    with pytest.raises(UsageError, match="unit"):
        ab.reduce_table(tmp_path / "visits.csv", plain, unit="visit")
    # Of a person who has one row nothing has to be told apart.
    table.groupby("pid").first().reset_index().to_csv(tmp_path / "patients.csv", index=False)
    one_each = ab.reduce_table(tmp_path / "patients.csv", plain, person="pid")
    assert (one_each.person, one_each.people) == ("", round(one_each.n))


def test_what_is_taken_for_persons_is_told(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "visits.csv", index=False)
    found = ab.reduce_table(tmp_path / "visits.csv", ab.Model("y ~ x + (1 | pid)", focal="x"))
    assert found.person == "pid"
    assert [note for note in found.notes if note.startswith("The 40 levels of 'pid' are taken for persons")]
    providers = ab.reduce_table(
        tmp_path / "visits.csv", ab.Model("y ~ x + (1 | pid)", focal="x", roles={"pid": "provider"})
    )
    assert (providers.person, providers.notes) == ("", ())
    assert providers.levels["pid"][0] == "MRN0000"
