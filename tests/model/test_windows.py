"""Parts within and between persons and values of earlier occasions, against pandas by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cohort import Cohort
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.model.formula import parse_formula
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.model.scales import Scale, scale_of, unit_of
from alliance_bayes.model.windows import lagged_outcome

ALL = (
    "y ~ within(x) + between(x) + lag(x) + lag(x, 2) + lag(y) + within(z, ward) + between(z, ward) + between(lag(x)) "
    "+ lag(within(x), 3) + within(lag(z, 2))"
)


def long_table(n: int = 30, occasions: int = 6, seed: int = 1) -> pd.DataFrame:
    """Rows of persons in no order, with gaps in time, missing values and persons with one row."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n):
        mean, level = rng.normal(size=2)
        for week in range(1 if person % 9 == 0 else occasions):
            if week and rng.random() < 0.2:
                continue
            x = mean + rng.normal()
            rows.append((f"p{person}", week, x, 2 + 0.5 * (x - mean) + 1.2 * mean + level + rng.normal()))
    table = pd.DataFrame(rows, columns=["pid", "week", "x", "y"]).sample(frac=1, random_state=seed)
    table = table.reset_index(drop=True)
    table.loc[::13, "x"] = np.nan
    table.loc[4::17, "y"] = np.nan
    return table


def read(table: pd.DataFrame, **options: str) -> Cohort:
    return ab.read_cohort(table, **{"person": "pid", "time": "week", **options})


tables = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(-3, 6),
        st.one_of(st.none(), st.integers(-50, 50).map(lambda n: n / 8)),
        st.integers(-9, 9),
        st.sampled_from("uvw"),
    ),
    min_size=2,
    max_size=30,
    unique_by=lambda row: row[:2],
)


@pytest.mark.slow
@given(tables, st.sampled_from(["within(x)", "between(x)", "within(x, ward)", "between(x, ward)"]))
def test_means_are_those_of_pandas_over_all_rows_with_a_value(rows: list[tuple[object, ...]], name: str) -> None:
    table = pd.DataFrame(rows, columns=["pid", "week", "x", "y", "ward"])
    table["x"] = table["x"].astype(float)
    by = "ward" if "ward" in name else "pid"
    means = table.groupby(by)["x"].transform("mean")
    expected = table["x"] - means if name.startswith("within") else means
    model = ab.Model(f"y ~ {name}")
    if expected.notna().any() and (name.startswith("between") or expected.fillna(0).any()):
        made = model.derive(read(table, unit="row")).data[name]
        np.testing.assert_allclose(made, expected, atol=1e-12)
    else:
        with pytest.raises(UsageError):
            model.derive(read(table))


@pytest.mark.slow
@given(tables, st.integers(1, 3))
def test_lag_is_the_value_at_exactly_so_many_occasions_before(rows: list[tuple[object, ...]], steps: int) -> None:
    table = pd.DataFrame(rows, columns=["pid", "week", "x", "y", "ward"])
    table["x"] = table["x"].astype(float)
    earlier = table[["pid", "week", "x"]].assign(week=table["week"] + steps)
    expected = table.merge(earlier, on=["pid", "week"], how="left", suffixes=("", "_before"))["x_before"]
    name = f"lag(x, {steps})" if steps > 1 else "lag(x)"
    model = ab.Model(f"y ~ {name}")
    if expected.notna().any():
        np.testing.assert_array_equal(model.derive(read(table)).data[name], expected)
    else:
        with pytest.raises(UsageError, match="no value"):
            model.derive(read(table))


def test_made_columns_are_the_same_again_and_do_not_depend_on_the_order_of_rows() -> None:
    table = long_table().assign(z=lambda d: d["x"] ** 2, ward=lambda d: np.where(d.index % 3 == 0, "a", "b"))
    model = ab.Model(ALL)
    once = model.derive(read(table))
    assert model.derive(once).data.equals(once.data)
    order = np.random.default_rng(0).permutation(len(table))
    other = model.derive(read(table.iloc[order].reset_index(drop=True))).data
    pd.testing.assert_frame_equal(other, once.data.iloc[order].reset_index(drop=True), check_categorical=False)
    x, person = once.data["x"], once.data["pid"]
    shifted = once.data.set_index(["pid", "week"])["within(x)"]
    place = pd.MultiIndex.from_arrays([person, once.data["week"] - 3])
    np.testing.assert_array_equal(once.data["lag(within(x), 3)"], shifted.reindex(place))
    lagged = once.data["lag(z, 2)"]
    np.testing.assert_allclose(
        once.data["within(lag(z, 2))"], lagged - lagged.groupby(person, observed=True).transform("mean"), atol=1e-12
    )
    assert once.data.loc[x.isna(), "within(x)"].isna().all()
    assert once.data.loc[x.isna(), "between(x)"].notna().any()


def test_means_are_of_all_rows_whoever_is_analysed() -> None:
    """Rows without an outcome, and those beyond a limit, count in the mean and are looked up by a lag."""
    table = long_table()
    means = table.groupby("pid")["x"].transform("mean")
    model = ab.Model("y ~ within(x) + between(x) + week + lag(x)", among={"week": {"at_least": 2}})
    rows = model.derive(read(table))
    np.testing.assert_allclose(rows.data["between(x)"], means[table["week"] >= 2], atol=1e-12)
    frame, _ = model.complete(rows)
    assert frame["week"].min() == 2
    assert (frame.loc[frame["week"] == 2, "lag(x)"]).notna().all()


def test_estimates_are_those_of_columns_made_by_hand(tmp_path: Path) -> None:
    table = long_table()
    model = ab.Model(
        "y ~ within(x) + between(x) + within(x):between(x) + lag(x) + (within(x) || pid)",
        roles={"pid": "person"},
        focal="within(x)",
        against="between(x)",
    )
    fit = model.fit(read(table), seed=3, draws=200, progress=False)
    by_hand = table.assign(b=table.groupby("pid")["x"].transform("mean"))
    by_hand["w"] = by_hand["x"] - by_hand["b"]
    earlier = table[["pid", "week", "x"]].assign(week=table["week"] + 1)
    by_hand["l"] = table.merge(earlier, on=["pid", "week"], how="left", suffixes=("", "_"))["x_"]
    other = ab.Model("y ~ w + b + w:b + l + (w || pid)", roles={"pid": "person"})
    again = other.fit(read(by_hand), seed=3, draws=200, progress=False)
    np.testing.assert_allclose(fit.posterior["beta"], again.posterior["beta"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(fit.posterior["tau_pid"], again.posterior["tau_pid"], rtol=0, atol=1e-9)
    assert fit.flow.analysed == again.flow.analysed
    rows = fit.effects().set_index("estimand")
    # The interaction makes each slope depend on the other, so the average is over the rows.
    frame, beta = fit.design.frame, fit.posterior["beta"].mean(("chain", "draw")).to_series()
    centre = fit.design.centres
    slope = beta["within(x)"] + beta["within(x):between(x)"] * (frame["between(x)"] - centre["between(x)"]).mean()
    assert rows.loc["slope", "term"] == "within(x)"
    assert rows.loc["slope", "mean"] == pytest.approx(slope, abs=1e-9)
    assert rows.loc["slope", "unit"] == "unit of y per unit of x"
    assert rows.loc["slope_minus_focal", "term"] == "between(x)"

    path = tmp_path / "fit.nc"
    fit.save(path)
    loaded = ab.load_fit(path)
    new = fit.design.frame.iloc[:5]
    np.testing.assert_array_equal(loaded.predict(new), fit.predict(new))
    card = tmp_path / "card.toml"
    model.to_card(card)
    assert ab.load_model(card).parsed == model.parsed


def test_new_rows_take_a_known_person_s_mean_from_the_fit() -> None:
    table = long_table()
    model = ab.Model("y ~ within(x) + between(x) + (1 | pid)", roles={"pid": "person"})
    fit = model.fit(read(table), seed=3, draws=50, progress=False)
    mean = table.groupby("pid")["x"].mean()["p1"]
    whole = pd.DataFrame({"pid": ["p1"], "within(x)": [0.5 - mean], "between(x)": [mean]})
    np.testing.assert_allclose(fit.predict(pd.DataFrame({"pid": ["p1"], "x": [0.5]})), fit.predict(whole), atol=1e-12)
    # What the rows say goes before what the fit knows.
    said = pd.DataFrame({"pid": ["p1", "new"], "x": [0.5, 0.5], "between(x)": [np.nan, 0.2]})
    both = pd.DataFrame({"pid": ["p1", "new"], "within(x)": [0.5 - mean, 0.3], "between(x)": [mean, 0.2]})
    np.testing.assert_allclose(fit.predict(said), fit.predict(both), atol=1e-12)
    with pytest.raises(ModelError, match=r"levels of 'pid' of 1 new row\(s\)"):
        fit.predict(pd.DataFrame({"pid": ["p1", "new"], "x": [0.5, 0.5]}))
    with pytest.raises(ModelError, match=r"'within\(x\)', or 'x' and 'between\(x\)'"):
        fit.predict(pd.DataFrame({"pid": ["p1"]}))


def test_new_rows_have_lags_of_their_own() -> None:
    fit = ab.Model("y ~ lag(x)").fit(read(long_table()), seed=3, draws=50, progress=False)
    assert fit.predict(pd.DataFrame({"lag(x)": [1.0]})).shape == (4, 50, 1)
    with pytest.raises(ModelError, match=r"'lag\(x\)'"):
        fit.predict(pd.DataFrame({"pid": ["p1"], "week": [3], "x": [1.0]}))


def test_means_of_a_provider_are_those_of_its_level() -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"provider_id": rng.choice(list("abcdef"), 80), "x": rng.normal(size=80)})
    table["y"] = table["x"] + rng.normal(size=80)
    model = ab.Model("y ~ within(x, provider_id) + between(x, provider_id) + (1 | provider_id)")
    fit = model.fit(table, seed=1, draws=50, progress=False)
    means = table.groupby("provider_id")["x"].mean()
    whole = pd.DataFrame(
        {
            "provider_id": ["a"],
            "within(x, provider_id)": [1 - means["a"]],
            "between(x, provider_id)": [means["a"]],
        }
    )
    np.testing.assert_allclose(
        fit.predict(pd.DataFrame({"provider_id": ["a"], "x": [1.0]})), fit.predict(whole), atol=1e-12
    )


@pytest.mark.parametrize(
    ("formula", "columns", "written"),
    [
        ("y ~ within(x) * sex", ("y", "within(x)", "sex"), None),
        ("y ~ lag( x , 1 )", ("y", "lag(x)"), "y ~ lag(x)"),
        ("y ~ between(`a b`, ward)", ("y", "between(`a b`, ward)"), None),
        ("y ~ (within(x) | pid)", ("y", "pid", "within(x)"), "y ~ (1 + within(x) | pid)"),
        ("y ~ s(lag(x), k=5) + log(between(x))", ("y", "lag(x)", "between(x)"), None),
        ("y ~ offset(lag(x)) + poly(within(x), 2)", ("y", "within(x)", "lag(x)"), None),
        ("y ~ I(x - lag(x)) + lag(y, 2)", ("y", "lag(x)", "x", "lag(y, 2)"), None),
        ("y ~ x + between(x)", ("y", "x", "between(x)"), None),
    ],
)
def test_a_formula_names_the_columns_that_are_made(formula: str, columns: tuple[str, ...], written: str | None) -> None:
    parsed = parse_formula(formula)
    assert parsed.columns == columns
    again = parse_formula(str(parsed))
    assert (again.columns, again.common, again.windows) == (parsed.columns, parsed.common, parsed.windows)
    if written is not None:
        assert str(parsed) == written
    for made in parsed.windows:
        assert windowed_named(made.name) == made


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ within(y)", "within(y) holds the outcome 'y' of the row itself"),
        ("y ~ between(lag(y))", "between(lag(y)) holds the outcome"),
        ("y ~ lag(within(y))", "within(y) holds the outcome"),
        ("y ~ within(x, y)", "groups rows by the outcome"),
        ("y ~ within(log(x))", "at character 12, 'log' makes an expression"),
        ("y ~ within(x + 1)", "at character 14, '+' has no place in within()"),
        ("y ~ within(1)", "at character 12, '1' is no column"),
        ("y ~ within(between(x))", "at character 12, 'between' is a part already"),
        ("y ~ lag(lag(x))", "at character 9, 'lag' is a lag of a lag"),
        ("y ~ lag(between(x))", "at character 9, 'between' is the same on every occasion"),
        ("y ~ lag(within(lag(x)))", "is made in three steps"),
        ("y ~ lag(x, 0)", "at character 12, '0' stands where lag() takes a number"),
        ("y ~ lag(x, -1)", "at character 12, '-' stands where"),
        ("y ~ lag(x, 101)", "1 to 100"),
        ("y ~ lag(x, k=2)", "at character 12, 'k' stands where"),
        ("y ~ within(x, by=pid)", "at character 17, '=' has no place"),
        ("y ~ within(x, f(pid))", "at character 15, 'f' stands where within() takes the column"),
        ("y ~ within(x, x)", "over its own levels"),
        ("y ~ within(x", "its end has no place"),
        ("y ~ lag()", "is no column"),
        ("y ~ x + within(x)", "within(x) stands beside x"),
        ("y ~ within(x) + s(x)", "within(x) stands beside x"),
        ("y ~ within(x) + (x | pid)", "within(x) stands beside x"),
        ("y ~ (1 | within(x))", "cannot be a grouping factor"),
        ("y ~ `within(x)`", "is made of other rows and no name to be quoted"),
        ("within(x) ~ y", "the outcome should be one column"),
        ("y ~ demean(x)", "write within(x)"),
        ("y ~ s(within(x)):z", "should be a term of its own"),
        ("y ~ " + "lag(" * 30 + "x" + ")" * 30, "brackets deep"),
    ],
)
def test_what_a_formula_cannot_mean_is_refused_where_it_stands(formula: str, said: str) -> None:
    with pytest.raises(ModelError) as error:
        parse_formula(formula)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("formula", "options", "said"),
    [
        ("y ~ within(x)", {"person": None, "time": None}, "Say whose a row is"),
        ("y ~ lag(x)", {"person": None, "time": None}, "when it was"),
        ("y ~ lag(x)", {"time": None}, "nothing says when a row was"),
        ("y ~ lag(x)", {"time": "half"}, "are not, such as"),
        ("y ~ lag(x)", {"time": "day"}, "'day' holds dates"),
        ("y ~ lag(x)", {"time": "sevens"}, "at least 7 apart, so write lag(x, 7)"),
        ("y ~ lag(ward) + within(ward)", {}, "lag(ward) needs numbers, and 'ward' holds levels. within(ward) needs"),
        ("y ~ within(nope)", {}, "no column 'nope'"),
        ("y ~ between(x, nope)", {}, "no column 'nope'"),
        ("y ~ within(same)", {}, "within(same) is 0 in every row"),
    ],
)
def test_what_cannot_be_made_of_a_table_is_told_with_a_remedy(
    formula: str, options: dict[str, str | None], said: str
) -> None:
    table = long_table().assign(ward="a", same=1.0)
    table["half"], table["sevens"] = table["week"] + 0.5, 7 * table["week"]
    table["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(table["week"], unit="D")
    cohort = ab.read_cohort(table, set_aside=True, **{"person": "pid", "time": "week", **options})
    with pytest.raises(UsageError) as error:
        ab.Model(formula).derive(cohort)
    assert said in str(error.value)


def test_two_rows_at_one_time_have_no_lag() -> None:
    cohort = read(long_table())
    twice = dataclasses.replace(cohort, data=pd.concat([cohort.data, cohort.data.iloc[:1]], ignore_index=True))
    with pytest.raises(UsageError, match="two rows at one time"):
        ab.Model("y ~ lag(x)").derive(twice)


def test_a_declared_role_says_who_a_person_is_where_the_table_does_not() -> None:
    table = long_table()
    model = ab.Model("y ~ within(x) + (1 | pid)", roles={"pid": "person"})
    made = model.derive(ab.read_cohort(table)).data["within(x)"]
    np.testing.assert_allclose(made, table["x"] - table.groupby("pid")["x"].transform("mean"), atol=1e-12)


def test_a_part_has_the_unit_and_the_scale_of_the_whole() -> None:
    whole = scale_of("alliance", {})
    assert whole is not None
    within, between, lag = (scale_of(name, {}) for name in ("within(alliance)", "between(alliance)", "lag(alliance)"))
    assert within is not None
    assert between is not None
    assert (within.mean, within.sd, within.unit, within.range) == (0.0, whole.sd, whole.unit, None)
    assert (between.mean, between.sd, between.lower) == (whole.mean, whole.sd, whole.lower)
    assert lag == whole
    assert unit_of("lag(within(x))", {}) == "unit of x"
    own = Scale(0, 2, unit="kg")
    assert scale_of("within(x)", {"within(x)": own}) is own
    assert unit_of("between(x)", {"x": own}) == "kg"
    # Parts of one column are compared per one unit of it, whatever that is.
    ab.Model("y ~ within(x) + between(x)", focal="within(x)", against="between(x)")
    with pytest.raises(ModelError, match="per one unit"):
        ab.Model("y ~ within(x) + between(z)", focal="within(x)", against="between(z)")


def test_a_lagged_outcome_beside_effects_of_persons_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    fit = ab.Model("y ~ lag(y) + (1 | pid)").fit(read(long_table()), seed=1, draws=50)
    found = lagged_outcome(fit.design)
    assert found is not None
    assert (found.names, found.factor) == (("lag(y)",), "pid")
    assert found.occasions == pytest.approx(fit.design.rows.n / len(fit.design.factor("pid").levels))
    assert [record.getMessage() for record in caplog.records if "Nickell" in record.getMessage()] == [found.warning]


@pytest.mark.parametrize("formula", ["y ~ lag(y)", "y ~ lag(x) + (1 | pid)", "y ~ lag(y) + (1 | ward)"])
def test_nothing_is_warned_of_without_a_lagged_outcome_or_effects_of_persons(formula: str) -> None:
    table = long_table().assign(ward=lambda d: np.where(d["week"] % 2, "a", "b"))
    model = ab.Model(formula, roles={"ward": "group"} if "ward" in formula else {})
    design = model.design(model.complete(model.derive(read(table)))[0])
    assert lagged_outcome(design) is None


@settings(max_examples=60)
@given(st.text(alphabet="withnblagebtsx(),`~ +|12:", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse_formula(f"y ~ {text}")
    except ModelError:
        return
    assert parse_formula(str(parsed)).columns == parsed.columns


def test_the_focal_predictor_is_no_lag_of_the_outcome_where_there_is_another() -> None:
    cohort = read(long_table())
    for formula, expected in (("y ~ lag(y) + lag(x)", "lag(x)"), ("y ~ lag(y) + (1 | pid)", "lag(y)")):
        model = ab.Model(formula)
        rows = model.derive(cohort)
        assert model.focal_predictor(model.design(model.complete(rows)[0])) == expected


def test_parts_within_persons_are_centred_at_nothing() -> None:
    """What adds up to rounding has the centre 0, not a number that means nothing."""
    table = long_table()
    whole = table[table["x"].notna() & table["y"].notna()].reset_index(drop=True)
    model = ab.Model("y ~ within(x)")
    assert model.design(model.complete(model.derive(read(whole)))[0]).centres == {"within(x)": 0.0}


def test_other_models_of_the_same_people_have_their_columns_made() -> None:
    cohort = read(long_table())
    parts, lagged = ab.Model("y ~ within(x) + (1 | pid)"), ab.Model("y ~ lag(x, 2)")
    both = [
        one.fit(cohort, same_people=[other], seed=1, draws=50, progress=False)
        for one, other in ((parts, lagged), (lagged, parts))
    ]
    assert both[0].flow == both[1].flow
    by_names = parts.fit(cohort, same_people=["lag(x, 2)"], seed=1, draws=50, progress=False)
    np.testing.assert_array_equal(by_names.posterior["beta"], both[0].posterior["beta"])


def test_slopes_are_those_of_fixed_effects_and_of_means() -> None:
    """In a balanced table the slope within is that of least squares with a level a person, the other that of means."""
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"pid": np.repeat([f"p{n}" for n in range(40)], 5), "week": np.tile(np.arange(5), 40)})
    usual = np.repeat(rng.normal(size=40), 5)
    table["x"] = usual + rng.normal(size=200)
    table["y"] = 0.3 * (table["x"] - usual) - 0.8 * usual + np.repeat(rng.normal(size=40), 5) + rng.normal(size=200)
    wide = "Normal(0, 1000)"
    model = ab.Model(
        "y ~ within(x) + between(x) + (1 | pid)", priors={"within(x)": wide, "between(x)": wide, "Intercept": wide}
    )
    fit = model.fit(read(table), seed=1, progress=False)
    own = table[["x", "y"]] - table.groupby("pid")[["x", "y"]].transform("mean")
    means = table.groupby("pid")[["x", "y"]].mean()
    expected = {
        "within(x)": (own["x"] @ own["y"]) / (own["x"] @ own["x"]),
        "between(x)": np.polyfit(means["x"], means["y"], 1)[0],
    }
    for name, slope in expected.items():
        draws = fit.posterior["beta"].sel(term=name)
        # The draws of coefficients are independent given the SDs, so that the MCSE is that of independent draws.
        assert float(draws.mean()) == pytest.approx(slope, abs=4 * float(draws.std()) / np.sqrt(draws.size))


def test_a_card_keeps_what_is_said_of_made_columns(tmp_path: Path) -> None:
    model = ab.Model(
        "y ~ within(x) + between(x, ward) + lag(`a b`) + (within(x) || pid)",
        centre={"within(x)": 0.5},
        scales={"between(x, ward)": Scale(1, 2, unit="kg")},
        priors={"lag(`a b`)": "Normal(0, 3)", "tau_pid[within(x)]": "HalfNormal(2)"},
        roles={"pid": "person"},
        focal="within(x)",
    )
    model.to_card(tmp_path / "card.toml")
    again = ab.load_model(tmp_path / "card.toml")
    for name in ("parsed", "centre", "scales", "given_priors", "roles", "focal"):
        assert getattr(again, name) == getattr(model, name)


def test_made_columns_may_be_of_events_and_have_limits() -> None:
    """Events are made before them and limits taken after."""
    table = long_table()
    model = ab.Model(
        "y ~ within(high) + between(high)",
        events={"high": {"column": "x", "at_least": 0.5}},
        among={"between(high)": {"above": 0.25}},
    )
    rows = model.derive(read(table)).data
    high = (table["x"] >= 0.5).astype(float).where(table["x"].notna())
    share = high.groupby(table["pid"]).transform("mean")
    np.testing.assert_allclose(rows["between(high)"], share[share > 0.25], atol=1e-12)
    np.testing.assert_allclose(rows["within(high)"], (high - share)[share > 0.25], atol=1e-12)
