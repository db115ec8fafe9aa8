"""Spread, interactions, unused columns, order, copies, people left out: each fires on its fault, and names a remedy."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import CHECKS, Context, run_checks
from alliance_bayes.checks.spread import SpreadResiduals
from alliance_bayes.cohort.beside import Beside
from builders import fitted, rows
from checks.exact import ExactGaussian

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"
SETS = 5


@pytest.fixture(scope="module")
def frame():
    return rows(400, seed=1)


@pytest.fixture(scope="module")
def model(frame):
    return ExactGaussian(frame, FORMULA)


def standard(values):
    values = np.asarray(values, dtype=float)
    return (values - values.mean()) / values.std()


def beside(n, columns=None, absent=None, when=None):
    """What a table has beside a model, of rows in their order."""
    return Beside(
        pd.DataFrame(columns or {}, index=range(n)),
        np.arange(n),
        pd.DataFrame({"alliance": np.empty(0)}) if absent is None else absent,
        when,
    )


def checked(name, model, frame, make, *, columns=None, seed=0, **more):
    """The check of a fit to outcomes with a fault: `make` gets the generator and the well-specified noise."""
    rng = np.random.default_rng([9, seed])
    mean = np.asarray(48 + 2.2 * (frame["alliance"] - 4.6) + 0.45 * (frame["who5_baseline"] - 41))
    y = mean + model.effects(rng) + make(rng, rng.normal(0, 15, len(frame)))
    people = more.pop("people", None)
    fit = replace(model.fit(y, draws=100, seed=seed), people=people, beside=beside(len(frame), columns, **more))
    return CHECKS[name](Context(fit, replicates=300, seed=seed))


def detected(name, *args, **options):
    """In how many of the sets the check warns, and the last result."""
    found = [checked(name, *args, seed=seed, **options) for seed in range(SETS)]
    return sum(one.verdict == "warn" for one in found), found[-1]


def first(result):
    return result.table.sort_values("p", kind="stable").iloc[0]


# ------------------------------------------------------------------------------------------------------------ spread
def test_a_spread_that_grows_along_a_column_is_seen_and_a_model_of_the_residual_sd_named(model, frame):
    grows = np.exp(0.35 * standard(frame["who5_baseline"]))
    count, found = detected("spread", model, frame, lambda rng, noise: noise * grows)
    assert count == SETS
    assert first(found)["column"] == "who5_baseline"
    assert 'Let the residual SD differ along it, too: sigma = "~ who5_baseline".' in found.sentence
    assert "family" not in found.sentence
    # The SD of a part over that of all rows is about that of its sizes; a tenth of 400 knows it to 0.12.
    parts = found.table[(found.table["column"] == "who5_baseline")]
    for part in (parts.iloc[0], parts.iloc[-1]):
        own = frame["who5_baseline"].between(part["low"], part["high"])
        assert abs(part["spread"] - grows[own].mean() / np.sqrt((grows**2).mean())) < 4 * 0.12
    assert parts["spread"].iloc[-1] > 1 + parts["limit"].iloc[-1]
    assert [plot.name for plot in found.plots] == ["spread-alliance", "spread-who5-baseline"]


def test_the_remedy_makes_it_pass_and_what_is_left_is_named_beside_it(frame):
    # Of the mean and the spread that made the outcomes; a spread along another column is still to be seen.
    z, x = standard(frame["who5_baseline"]), standard(frame["age"])
    options = {
        "formula": "who5_followup ~ alliance + who5_baseline + age",
        "sds": {"beta": 0.05, "sigma": 0.2, "gamma": 0.001},
    }
    rng = np.random.default_rng(2)
    mean = fitted(frame, **options).predict().values[0, 0]
    y = mean + 15 * np.exp(0.35 * z) * rng.normal(size=len(frame))
    slope = {"gamma": [0.35 / frame["who5_baseline"].std(ddof=0)]}
    cured = fitted(frame.assign(who5_followup=y), means=slope, spec={"sigma": "~ who5_baseline"}, **options)
    assert CHECKS["spread"](Context(cured)).verdict == "pass"
    assert CHECKS["spread"](Context(fitted(frame.assign(who5_followup=y), **options))).verdict == "warn"
    more = mean + np.exp(0.4 * x) * (y - mean)
    left = CHECKS["spread"](
        Context(fitted(frame.assign(who5_followup=more), means=slope, spec={"sigma": "~ who5_baseline"}, **options))
    )
    assert left.verdict == "warn"
    assert re.search(r'differ along (it|them), too: sigma = "~ [^"]*\bage\b[^"]*"\.', left.sentence)
    by_sex = {"residual_by": "sex"}
    swapped = CHECKS["spread"](Context(fitted(frame.assign(who5_followup=y), spec=by_sex, **options))).sentence
    assert 'sigma = "~ sex + who5_baseline", in place of residual_by.' in swapped


def test_a_spread_that_bends_along_a_column_of_the_residual_sd_is_answered_by_a_spline(frame):
    z = standard(frame["who5_baseline"])
    options = {
        "formula": "who5_followup ~ alliance + who5_baseline",
        "sds": {"beta": 0.05, "sigma": 0.2, "gamma": 0.001},
    }
    mean = fitted(frame, **options).predict().values[0, 0]
    y = mean + 12 * np.exp(0.5 * (z**2 - 1)) * np.random.default_rng(6).normal(size=len(frame))
    spec = {"sigma": "~ who5_baseline"}
    found = CHECKS["spread"](
        Context(fitted(frame.assign(who5_followup=y), means={"gamma": [0.0]}, spec=spec, **options))
    )
    assert found.verdict == "warn"
    assert re.search(r'sigma = "~ (alliance \+ )?bs\(who5_baseline, df=4\)"\.', found.sentence)


def test_a_spread_along_a_column_that_the_model_does_not_use_is_seen(model, frame):
    z = np.random.default_rng(3).normal(size=len(frame))
    count, found = detected("spread", model, frame, lambda rng, noise: noise * np.exp(0.4 * z), columns={"severity": z})
    assert count == SETS
    assert first(found)["column"] == "severity"


def test_sizes_of_residuals_are_standardised_row_by_row(model, frame):
    fit = model.fit(np.asarray(48 + np.random.default_rng(0).normal(0, 15, len(frame))), draws=100)
    context = Context(fit, replicates=300)
    mean, sd = SpreadResiduals(context).expected
    sizes = np.abs(context.simulated - context.expected)
    np.testing.assert_allclose(mean, sizes.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(sd, sizes.std(axis=0), rtol=1e-8)


def test_an_outcome_with_two_values_has_no_spread_to_look_at(frame):
    made = frame.assign(who5_followup=(frame["who5_followup"] > 48).astype(float))
    fit = fitted(made, formula="who5_followup ~ alliance", means={"beta": [0.0, 0.1]}, spec={"family": "bernoulli"})
    found = CHECKS["spread"](Context(fit, replicates=300))
    assert (found.verdict, len(found.table), found.plots) == ("info", 0, ())


# ------------------------------------------------------------------------------------------------------ interactions
def test_a_product_of_two_numbers_is_seen_and_named(model, frame):
    product = 5 * standard(frame["alliance"]) * standard(frame["who5_baseline"])
    count, found = detected("interactions", model, frame, lambda rng, noise: noise + product)
    assert count == SETS
    assert tuple(first(found)[["column", "with", "kind", "df"]]) == ("alliance", "who5_baseline", "numbers", 1)
    assert "Add the product to the formula, as in alliance:who5_baseline" in found.sentence
    assert "family" not in found.sentence


def test_slopes_that_differ_between_groups_are_seen(model, frame):
    slope = np.array([-8.0, -4.0, 0.0, 4.0, 8.0])[frame["country"].cat.codes]
    shift = slope * standard(frame["alliance"])
    count, found = detected("interactions", model, frame, lambda rng, noise: noise + shift)
    assert count == SETS
    assert tuple(first(found)[["column", "with", "kind"]]) == ("alliance", "country", "slopes")
    assert "let it differ, as in (alliance || country)." in found.sentence


def test_a_bend_is_not_taken_for_an_interaction(frame):
    # Two predictors that go together: without the curves taken out first, their product would stand in for a square.
    frame = frame.assign(
        who5_baseline=41 + 12 * standard(frame["alliance"]) + np.random.default_rng(4).normal(0, 6, 400)
    )
    model = ExactGaussian(frame, FORMULA)
    bend = 6 * standard(frame["alliance"]) ** 2
    rng = np.random.default_rng(5)
    fit = model.fit(np.asarray(48 + bend + rng.normal(0, 10, 400)), draws=100)
    context = Context(fit, replicates=300)
    assert CHECKS["curvature"](context).verdict == "warn"
    assert CHECKS["interactions"](context).verdict == "pass"


def test_a_product_that_the_model_has_is_not_tested(frame):
    model = ExactGaussian(frame, "who5_followup ~ alliance * who5_baseline")
    found = checked("interactions", model, frame, lambda rng, noise: noise)
    row = found.table.iloc[0]
    assert (row["df"], row["p"]) == (0, 1.0)


def test_a_model_of_one_column_has_no_pairs(frame):
    found = checked("interactions", ExactGaussian(frame, "who5_followup ~ alliance"), frame, lambda rng, noise: noise)
    assert found.verdict == "info"
    assert found.sentence == "The model has no two columns whose product could be looked at."


# ---------------------------------------------------------------------------------------------------- unused columns
def ids(n, many):
    return pd.Categorical([f"P{k % many:03}" for k in range(n)])


def test_people_of_one_provider_who_are_alike_are_seen_and_a_factor_named(model, frame):
    providers = ids(400, 60)
    count, found = detected(
        "unused_columns",
        model,
        frame,
        lambda rng, noise: noise + rng.normal(0, 8, 60)[providers.codes],
        columns={"provider_id": providers, "n_sessions": frame["n_sessions"]},
    )
    assert count == SETS
    row = first(found)
    assert tuple(row[["column", "kind", "df"]]) == ("provider_id", "levels", 60)
    # 8^2 / (8^2 + 15^2) is 0.22; sums over 60 levels of 6 or 7 rows know it to about a third.
    assert 0.1 < row["share"] < 0.35
    assert "Pool over provider_id, as in (1 | provider_id): people with one provider are alike." in found.sentence
    assert "P0" not in found.sentence + found.table.to_string()


def test_a_number_that_was_left_out_is_seen_though_its_course_is_no_line(model, frame):
    n = standard(np.random.default_rng(6).normal(size=400))
    count, found = detected(
        "unused_columns", model, frame, lambda rng, noise: noise + 6 * (n**2 - 1), columns={"severity": n}
    )
    assert count == SETS
    assert "Add severity to the formula, as a line or as s(severity)" in found.sentence


def test_what_was_made_of_the_outcome_is_passed_over(model, frame):
    rng = np.random.default_rng(1)
    y = np.asarray(48 + rng.normal(0, 15, 400))
    made = {
        "twice": 2 * y,
        "gain": y - frame["who5_baseline"],
        "high": (y > 50).astype(float),
        "thirds": pd.Categorical(np.array(["low", "middle", "top"])[np.digitize(y, [40, 55])]),
        "other": rng.normal(size=400),
    }
    fit = replace(model.fit(y, draws=100), beside=beside(400, made))
    assert list(Context(fit).unused) == ["other"]


def test_a_fit_from_a_file_says_that_it_knows_no_other_columns(model, frame):
    fit = model.fit(np.asarray(48 + np.random.default_rng(0).normal(0, 15, 400)), draws=100)
    for name in ("unused_columns", "absent"):
        found = CHECKS[name](Context(fit, replicates=300))
        assert found.verdict == "info"
        assert "it was read from a file" in found.sentence


# ------------------------------------------------------------------------------------------------------------- order
def test_a_drift_along_the_table_is_seen(model, frame):
    drift = np.linspace(-9, 9, 400)
    count, found = detected("order", model, frame, lambda rng, noise: noise + drift)
    assert count == SETS
    assert tuple(first(found)[["order", "look"]]) == ("the table's rows", "trend")
    assert "See what the table is sorted by" in found.sentence


def test_batches_of_rows_are_seen(model, frame):
    count, found = detected("order", model, frame, lambda rng, noise: noise + np.repeat(rng.normal(0, 9, 20), 20))
    assert count == SETS
    assert {"batches", "trend", "neighbours"} == set(found.table["look"])


def test_neighbours_in_a_column_of_dates_are_seen_whatever_the_tables_order(model, frame):
    rng = np.random.default_rng(8)
    order = rng.permutation(400)
    days = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(order, unit="D"))

    def fault(rng, noise):
        e = np.empty(400)
        e[0] = noise[0]
        for k in range(1, 400):
            e[k] = 0.5 * e[k - 1] + noise[k]
        return e[order]

    count, found = detected("order", model, frame, fault, columns={"entered": days})
    assert count == SETS
    row = found.table[(found.table["order"] == "entered") & (found.table["look"] == "neighbours")].iloc[0]
    assert row["p"] < 0.01
    # The correlation of neighbours, known to 1 / sqrt(400).
    assert abs(row["share"] - 0.5) < 4 / 20
    assert "Add entered as a number of days" in found.sentence


def test_what_lasts_from_one_row_of_a_person_to_the_next_is_seen_in_the_order_of_time(frame):
    model = ExactGaussian(frame, FORMULA)
    people, when = np.repeat(np.arange(50), 8), np.tile(np.arange(8.0), 50)
    rng = np.random.default_rng(2)
    shuffled = rng.permutation(400)

    def fault(rng, noise):
        e = noise.reshape(50, 8).copy()
        for k in range(1, 8):
            e[:, k] = 0.6 * e[:, k - 1] + noise.reshape(50, 8)[:, k]
        return e.ravel()[shuffled]

    count, found = detected("order", model, frame, fault, people=people[shuffled], when=when[shuffled])
    assert count == SETS
    assert first(found)["order"] == "rows of a person"
    assert "(1 + time | person)" in found.sentence


@pytest.mark.parametrize("course", [True, False])
def test_a_course_of_persons_is_not_asked_for_where_the_model_has_one(course):
    rng = np.random.default_rng(4)
    residuals = rng.normal(size=(60, 12))
    for k in range(1, 12):
        residuals[:, k] += 0.7 * residuals[:, k - 1]
    table = pd.DataFrame({"pid": np.repeat([f"p{n}" for n in range(60)], 12), "week": np.tile(np.arange(12), 60)})
    table["mood"] = residuals.ravel() + np.repeat(rng.normal(0, 1, 60), 12) + 0.1 * table["week"]
    # In an order that says nothing itself.
    table = table.sample(frac=1, random_state=1)
    model = ab.Model(f"mood ~ week + ({'week' if course else '1'} || pid)")
    fit = model.fit(ab.read_cohort(table, person="pid", time="week"), seed=1, draws=200, progress=False)
    (found,) = run_checks(fit, checks=["order"], seed=1).results
    assert (found.verdict, first(found)["order"]) == ("warn", "rows of a person")
    assert ("(1 + time | person)" in found.sentence, "which the model has" in found.sentence) == (not course, course)
    assert "lag(outcome)" in found.sentence


def test_a_table_that_is_sorted_by_the_outcome_has_no_order_to_look_at(model, frame):
    y = np.sort(48 + np.random.default_rng(0).normal(0, 15, 400))
    found = CHECKS["order"](Context(model.fit(y, draws=100), replicates=300))
    assert found.verdict == "info"
    assert found.sentence == "The table is sorted by the outcome, and has no dates: its order says nothing more."


# ------------------------------------------------------------------------------------------------------------ copies
def test_rows_that_were_pasted_twice_are_seen(frame):
    model = ExactGaussian(frame, "who5_followup ~ alliance + who5_baseline")
    rng = np.random.default_rng(0)
    y = np.asarray(4 * np.round((48 + rng.normal(0, 15, 400)) / 4))
    other = {"age": rng.normal(40, 9, 400).round()}
    fit = replace(model.fit(y, draws=100), beside=beside(400, other))
    assert CHECKS["copies"](Context(fit, replicates=300)).verdict == "pass"
    twice = np.r_[np.arange(360), np.arange(40)]
    again = ExactGaussian(frame.iloc[twice].reset_index(drop=True), "who5_followup ~ alliance + who5_baseline")
    pasted = replace(again.fit(y[twice], draws=100), beside=beside(400, {"age": other["age"][twice]}))
    found = CHECKS["copies"](Context(pasted, replicates=300))
    assert found.verdict == "warn"
    assert found.table.to_dict("records") == [{"columns": 4, "copies": "yes", "repeats": "no", "rounded": "no"}]
    # How many there are would count a few people.
    assert "40" not in found.sentence


def test_people_entered_at_two_sites_are_seen(frame):
    rng = np.random.default_rng(0)
    y = np.asarray(4 * np.round((48 + rng.normal(0, 15, 400)) / 4))
    twice = np.r_[np.arange(392), np.arange(8)]
    # What differs between the two entries of a person is no column of the model.
    other = beside(400, {"site": rng.choice(["n", "s", "w"], 400), "intake": rng.permutation(400).astype(float)})
    table = frame.iloc[twice].reset_index(drop=True)
    model = ExactGaussian(table, "who5_followup ~ alliance + who5_baseline + age + n_sessions")
    found = CHECKS["copies"](Context(replace(model.fit(y[twice], draws=100), beside=other), replicates=300))
    assert (found.verdict, found.table["copies"][0], found.table["columns"][0]) == ("warn", "yes", 7)
    # Those who differ in their outcome, too, are alike and no copies.
    found = CHECKS["copies"](Context(replace(model.fit(y, draws=100), beside=other), replicates=300))
    assert (found.verdict, found.table["copies"][0]) == ("pass", "no")


def test_rows_of_persons_with_effects_of_their_own_are_compared_without_their_names(frame):
    rng = np.random.default_rng(0)
    names = np.array([f"p{k}" for k in range(200)])
    table = frame.iloc[:400].assign(participant_id=pd.Categorical(np.repeat(names, 2))).reset_index(drop=True)
    table.loc[380:, ["alliance", "who5_baseline"]] = table.loc[:19, ["alliance", "who5_baseline"]].to_numpy()
    y = 48 + rng.normal(0, 15, 400)
    y[380:] = y[:20]
    model = ExactGaussian(table, "who5_followup ~ alliance + who5_baseline + (1 | participant_id)")
    fit = replace(model.fit(y, draws=100), people=np.repeat(np.arange(200), 2))
    found = CHECKS["copies"](Context(fit, replicates=300))
    assert (found.verdict, found.table["copies"][0], found.table["columns"][0]) == ("warn", "yes", 3)


def test_outcomes_that_were_carried_forward_are_seen(frame):
    formula = "who5_followup ~ alliance + who5_baseline"
    model, rng = ExactGaussian(frame, formula), np.random.default_rng(0)
    baseline = frame["who5_baseline"].to_numpy(float)
    y = baseline + rng.normal(0, 12, 400)
    assert CHECKS["copies"](Context(model.fit(y, draws=100), replicates=300)).verdict == "pass"
    found = CHECKS["copies"](
        Context(model.fit(np.where(rng.random(400) < 0.15, baseline, y), draws=100), replicates=300)
    )
    assert (found.verdict, found.table["copies"][0], found.table["repeats"][0]) == ("warn", "no", "yes")
    assert "repeat who5_baseline exactly" in found.sentence
    # Of persons with several rows the one before, whatever the table's order is.
    people, occasion = np.repeat(np.arange(100), 4), np.tile([3.0, 1.0, 2.0, 0.0], 100)
    level = np.repeat(50 + rng.normal(0, 10, 100), 4) + rng.normal(0, 6, 400)
    place = {(person, when): row for row, (person, when) in enumerate(zip(people, occasion, strict=True))}
    carried = level.copy()
    for row in np.flatnonzero((rng.random(400) < 0.2) & (occasion > 0)):
        carried[row] = level[place[people[row], occasion[row] - 1]]
    for values, verdict in ((level, "pass"), (carried, "warn")):
        fit = replace(model.fit(values, draws=100), people=people, beside=replace(beside(400, {}), when=occasion))
        assert CHECKS["copies"](Context(fit, replicates=300)).verdict == verdict


def test_rows_that_stand_for_several_people_are_neither_copies_nor_neighbours(model, frame):
    fit = model.fit(np.asarray(48 + np.random.default_rng(0).normal(0, 15, 400)), draws=100)
    weighted = replace(fit, info={**fit.info, "weights": {"column": "w", "kind": "frequency", "rows": 200}})
    assert [CHECKS[name](Context(weighted, replicates=300)).verdict for name in ("copies", "order")] == ["info", "info"]


# ------------------------------------------------------------------------------------------------------------ absent
def absent(frame, rng, n=80, **shift):
    some = (
        frame.drop(columns="who5_followup")
        .sample(n, random_state=int(rng.integers(1e6)), replace=True)
        .reset_index(drop=True)
    )
    return some.assign(**{name: some[name] + by for name, by in shift.items()})


def test_people_left_out_who_differ_are_seen_by_columns_that_the_model_lacks(model, frame):
    count = 0
    for seed in range(SETS):
        gone = absent(frame, np.random.default_rng(seed), age=8.0)
        found = checked(
            "absent", model, frame, lambda rng, noise: noise, columns={"age": frame["age"]}, absent=gone, seed=seed
        )
        count += found.verdict == "warn"
    assert count == SETS
    row = first(found)
    assert tuple(row[["column", "used"]]) == ("age", "no")
    # As the page has it beside: in the root of the average of both variances.
    spread = np.sqrt((frame["age"].var() + gone["age"].var()) / 2)
    np.testing.assert_allclose(row["difference"], (gone["age"].mean() - frame["age"].mean()) / spread)
    assert "Add age to the model" in found.sentence


def test_a_difference_on_what_the_model_has_is_told_and_no_warning(model, frame):
    gone = absent(frame, np.random.default_rng(0), who5_baseline=-15.0)
    found = checked("absent", model, frame, lambda rng, noise: noise, absent=gone)
    assert found.verdict == "info"
    assert found.completed
    assert "The model has these columns, so its slopes hold" in found.sentence


def test_levels_of_few_and_few_people_are_not_compared(model, frame):
    gone = absent(frame, np.random.default_rng(0), n=19)
    found = checked("absent", model, frame, lambda rng, noise: noise, absent=gone)
    assert (found.verdict, len(found.table)) == ("info", 0)
    gone = absent(frame, np.random.default_rng(0), n=30)
    sites = {"site": pd.Categorical(["A"] * 390 + ["B"] * 10)}
    gone = gone.assign(site=pd.Categorical(["A"] * 10 + ["B"] * 20))
    found = checked("absent", model, frame, lambda rng, noise: noise, absent=gone, columns=sites)
    assert "site" not in set(found.table["column"])


# ----------------------------------------------------------------------------------------------------------- hostile
def test_columns_of_any_numbers_are_no_error_and_do_not_warn(model, frame):
    rng = np.random.default_rng(0)
    columns = {
        "huge": rng.normal(size=400) * 1e307,
        "both": rng.uniform(-1.7, 1.7, 400) * 1e308,
        "tiny": rng.normal(size=400) * 1e-310,
        "one": np.r_[np.zeros(399), 1.0],
        "ceiling": np.r_[np.full(392, 5.0), np.arange(8.0)],
        "mostly": np.r_[np.full(391, np.nan), np.arange(9.0)],
        "nearly": pd.Categorical([None] * 397 + ["a", "b", "a"]),
        "late": pd.to_datetime(["2024-01-01"] * 399 + ["9999-12-31"]).astype("datetime64[us]"),
    }
    gone = pd.DataFrame({name: values[-40:] for name, values in columns.items()})
    for name in ("spread", "unused_columns", "order", "copies", "absent"):
        with np.errstate(all="raise", under="ignore"):
            found = checked(name, model, frame, lambda rng, noise: noise, columns=columns, absent=gone)
        if "p" in found.table:
            assert found.table["p"].between(0, 1).all()
            assert np.isfinite(found.table["share" if name != "absent" else "difference"]).all()
