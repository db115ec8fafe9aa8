from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import Flow, FlowStep, read_cohort
from alliance_bayes.cohort.convert import ReadOptions
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.model import ModelSpec, Scale, card_text
from alliance_bayes.moments import moments_of, reduce_table
from alliance_bayes.moments.columns import Columns, Levels, _Judge
from alliance_bayes.moments.profile import Profile, ProfileQuery
from alliance_bayes.moments.pushdown import cell_query
from alliance_bayes.moments.sources import Remote
from alliance_bayes.moments.structure import structure_of
from builders import OUTCOME_FORMULA, rows

ibis = pytest.importorskip("ibis")

FORMULAS = (
    OUTCOME_FORMULA,
    "who5_followup ~ 1",
    "who5_followup ~ alliance + (1 | country:sex)",
    "who5_followup ~ alliance * age * who5_baseline + (alliance | sex)",
    "who5_followup ~ alliance:age + (age:alliance || country)",
    "who5_followup ~ I(alliance**2) + {age * n_sessions} + I(2*age - alliance/4 + 1) + I((age + alliance) * 2)",
    "who5_followup ~ alliance + I(alliance**2) + I(alliance**3) + I(age*age):sex",
    "who5_followup ~ alliance * sex + provider_type:sex + age:country",
    "who5_followup ~ 0 + sex + sex:alliance + (0 + sex || country)",
    "alliance ~ provider_type * sex + age + (1 | country)",
    "who5_change ~ alliance + who5_baseline + (1 | country)",
)


def people(n=400, seed=0):
    """Rows with gaps in every column."""
    rng = np.random.default_rng(seed)
    frame = rows(n, seed=seed)
    frame = frame.assign(**{key: frame[key].astype(object) for key in ("sex", "country", "provider_type")})
    for name in frame.columns:
        frame.loc[rng.random(n) < 0.03, name] = None
    return frame.assign(who5_change=frame["who5_followup"] - frame["who5_baseline"])


def of_rows(spec, source):
    """Moments and flow by way of a cohort and a design, as rows are analysed."""
    complete, flow = read_cohort(source).complete(spec.columns)
    return moments_of(spec.design(complete), spec=spec), flow


def assert_equal(found, expected):
    """The same moments but for rounding."""
    assert found.columns == expected.columns
    assert found.keys == expected.keys
    assert dict(found.levels) == dict(expected.levels)
    assert dict(found.parts) == dict(expected.parts)
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert dict(found.centres) == pytest.approx(dict(expected.centres), rel=1e-12)
    # The database adds in another order, and centres that differ in their last digit move each column by as much: both
    # are 1e-16 times a few hundred numbers of the column's own size.
    size = np.sqrt(np.diagonal(expected.cross.sum(axis=0)) + expected.counts @ expected.means**2) + 1e-300
    np.testing.assert_allclose(found.means / size, expected.means / size, rtol=0, atol=1e-12)
    scale = size[:, None] * size
    np.testing.assert_allclose(found.cross / scale, expected.cross / scale, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.histogram.counts, expected.histogram.counts)
    for name in ("levels", "edges"):
        np.testing.assert_array_equal(getattr(found.histogram, name), getattr(expected.histogram, name))
    assert found.card == expected.card


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    frame = people()
    frame.to_csv(folder / "cohort.csv", index=False)
    frame.to_csv(folder / "cohort.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "cohort.parquet")
    for k in range(3):
        frame.iloc[k::3].to_parquet(folder / f"part{k}.parquet")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("name", ["cohort.csv", "cohort.parquet"])
def test_a_table_reduced_where_it_is_has_the_moments_of_its_rows(files, formula, name):
    spec = ModelSpec(formula)
    expected, flow = of_rows(spec, files / name)
    found = reduce_table(files / name, spec)
    assert_equal(found, expected)
    assert found.flow == flow
    assert flow.steps


def test_files_of_a_glob_and_an_ibis_table_are_one_table(files):
    spec = ModelSpec(OUTCOME_FORMULA)
    expected, flow = of_rows(spec, files / "cohort.parquet")
    for source in (
        str(files / "part*.parquet"),
        ibis.duckdb.connect().read_parquet(files / "cohort.parquet"),
        files / "cohort.tsv",
    ):
        found = reduce_table(source, spec, threads=1, memory="500MB")
        assert_equal(found, expected)
        assert found.flow == flow


def test_stated_centres_are_kept(files):
    spec = ModelSpec("who5_followup ~ alliance * age + (1 | sex)", centre={"alliance": 4.5, "age": 36})
    expected, _ = of_rows(spec, files / "cohort.csv")
    found = reduce_table(files / "cohort.csv", spec)
    assert_equal(found, expected)
    assert dict(found.centres) == {"alliance": 4.5, "age": 36.0}


def test_declared_levels_keep_their_order_and_those_without_rows_are_left_out(files):
    levels = {"sex": ("male", "other", "female"), "provider_type": ("coach", "therapist", "both")}
    spec = ModelSpec("who5_followup ~ alliance * sex + provider_type + (1 | country)", levels=levels)
    expected, _ = of_rows(spec, files / "cohort.csv")
    found = reduce_table(files / "cohort.csv", spec)
    assert_equal(found, expected)
    assert found.levels["sex"] == ("male", "female")
    assert "alliance:sex[female]" in found.columns


def test_a_residual_factor_is_a_key(files):
    spec = ModelSpec("who5_followup ~ alliance + (1 | country)", residual_by="sex")
    expected, _ = of_rows(spec, files / "cohort.csv")
    assert_equal(reduce_table(files / "cohort.csv", spec), expected)


ODD = ["O'Brien", 'a "b"', "x:y", "a[b]", "日本", "%s {}", "semi;colon", "-- drop"]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_odd_names_and_levels_stay_what_they_are(tmp_path, ending):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "my outcome": rng.normal(size=300),
            "Score (raw)": rng.normal(size=300),
            "site": np.resize(np.array(ODD), 300),
            "select": np.resize(["NaN", "NA", "Na"], 300),
            "null": np.resize(["007", "7", "1.0"], 300),
        }
    )
    path = tmp_path / f"odd{ending}"
    frame.to_csv(path, index=False) if ending == ".csv" else frame.to_parquet(path)
    formula = "`my outcome` ~ score * site + (score || `select`) + (1 | null)"
    spec = ModelSpec(formula, levels={"select": ("NaN", "NA", "Na")}, autoscale=True)
    found = reduce_table(path, spec, columns={"score": "Score (raw)"})
    design = spec.design(frame.rename(columns={"Score (raw)": "score"}))
    assert_equal(found, moments_of(design, spec=spec))
    assert found.levels["null"] == ("1", "007", "7")
    assert found.parts["score:site[x:y]"] == ("score", "site[x:y]")


def test_undeclared_markers_are_missing_and_declared_ones_are_levels(tmp_path):
    frame = rows(120).assign(country=np.resize(["NA", "NaN", " ", "DE", "FR"], 120))
    frame.to_parquet(tmp_path / "t.parquet")
    spec = ModelSpec("who5_followup ~ alliance + (1 | country)")
    found = reduce_table(tmp_path / "t.parquet", spec)
    assert found.flow == Flow(120, (FlowStep("country unknown", 72),))
    assert found.levels["country"] == ("DE", "FR")
    declared = ModelSpec("who5_followup ~ alliance + (1 | country)", levels={"country": ("NA", "DE", "FR")})
    found = reduce_table(tmp_path / "t.parquet", declared)
    assert found.flow.analysed == 72
    assert found.levels["country"] == ("NA", "DE", "FR")


def test_codes_truth_values_and_dates_are_levels(tmp_path):
    frame = pd.DataFrame(
        {
            "y": np.arange(60.0),
            "clinic": np.resize([10, 9, 2], 60),
            "wave": np.resize([1.0, 2.0, np.nan], 60),
            "remote": np.resize([True, False, False], 60),
            "day": pd.to_datetime(np.resize(["2024-01-02", "2023-05-01"], 60)).date,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    formula = "y ~ 1 + (1 | clinic) + (1 | wave) + (1 | remote) + (1 | day)"
    roles = dict.fromkeys(("clinic", "wave", "remote", "day"), "group")
    found = reduce_table(tmp_path / "t.parquet", ModelSpec(formula, autoscale=True, roles=roles))
    # Whole numbers are sorted as numbers, as the levels of rows are; three-valued waves leave out their gaps.
    assert dict(found.levels) == {
        "clinic": ("9", "10"),
        "wave": ("1", "2"),
        "remote": ("False", "True"),
        "day": ("2023-05-01", "2024-01-02"),
    }
    assert found.flow == Flow(60, (FlowStep("no value of wave", 20),))


def test_numbers_that_are_none_are_missing(tmp_path):
    frame = rows(100)
    connection = ibis.duckdb.connect()
    table = connection.create_table("t", frame.astype(dict.fromkeys(("sex", "country", "provider_type"), str)))
    gaps = table.mutate(age=(table.age > 40).ifelse(float("nan"), table.age))
    found = reduce_table(gaps, ModelSpec("who5_followup ~ age + (1 | sex)"))
    n = int((frame["age"] > 40).sum())
    assert n > 0
    assert found.flow == Flow(100, (FlowStep("age unknown", n),))
    assert found.total_mean[1] + found.centres["age"] == pytest.approx(frame["age"][frame["age"] <= 40].mean())


def test_an_outcome_far_from_zero_keeps_its_digits(tmp_path):
    rng = np.random.default_rng(3)
    near = np.round(rng.normal(size=(2000, 2)) * 4) / 4
    group = rng.choice(["a", "b"], 2000)
    frame = pd.DataFrame({"y": near[:, 0], "x": near[:, 1], "g": group})
    frame.assign(y=frame["y"] + 1e9, x=frame["x"] - 1e9).to_parquet(tmp_path / "far.parquet")
    spec = ModelSpec("y ~ x + I(x**2) + (1 | g)", autoscale=True)
    found = reduce_table(tmp_path / "far.parquet", ModelSpec("y ~ x + (1 | g)", autoscale=True))
    expected = moments_of(ModelSpec("y ~ x + (1 | g)", autoscale=True).design(frame))
    # The middle that is taken away is itself a rounded 1e9 mean: exact again once the rest is added.
    np.testing.assert_allclose(found.cross, expected.cross, rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(found.total_cross, expected.total_cross, rtol=1e-11, atol=1e-9)
    assert spec.parsed.common == ("Intercept", "x", "I(x ** 2)")


def test_small_cells_are_merged_when_asked(files):
    spec = ModelSpec(OUTCOME_FORMULA)
    found = reduce_table(files / "cohort.csv", spec, min_cell=5, small="merge")
    assert found.counts.min() >= 5
    assert found.n == found.flow.analysed
    assert found.card == card_text(spec)
    assert [note.split(":")[0] for note in found.notes] == ["Cells of fewer than 5 rows"] * len(found.notes) != []


def test_a_table_can_be_reduced_for_an_outcome_without_a_scale(tmp_path):
    # The least and the greatest outcome have no alliance, so they are no ends of the bins.
    frame = rows(200).assign(y=lambda f: f["age"] * 1.5)
    frame.loc[[frame["y"].idxmin(), frame["y"].idxmax()], "alliance"] = np.nan
    frame.to_parquet(tmp_path / "t.parquet")
    spec = ModelSpec("y ~ alliance", scales={"y": Scale(50, 10)})
    expected, _ = of_rows(spec, tmp_path / "t.parquet")
    assert_equal(reduce_table(tmp_path / "t.parquet", spec), expected)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("log(age)", "'log(age)' cannot be worked out"),
        ("bs(age, df=4)", "'bs(age, df=4)' cannot be worked out"),
        ("scale(age)", "'scale(age)' cannot be worked out"),
        ("poly(age, 2)", "'poly(age, 2)' cannot be worked out"),
        ("I(age**7)", "'I(age ** 7)' cannot be worked out"),
        ("I(1/age)", "'I(1 / age)' cannot be worked out"),
        ("I(age > 40)", "'I(age > 40)' cannot be worked out"),
    ],
)
def test_functions_are_refused_by_name(files, formula, message):
    text = f"who5_followup ~ {formula} + (1 | country)"
    with pytest.raises(ModelError) as error:
        reduce_table(files / "cohort.csv", ModelSpec(text, autoscale=True))
    assert str(error.value) == (
        f"formula {text!r}: {message} where the table is. There, a formula may have columns, products (a:b, a*b), and "
        "I(...) of sums, products and powers up to 6 of columns. Make a column of it first and name that in the "
        "formula."
    )


def test_models_that_moments_are_not_enough_for_are_refused(files):
    def refusal(spec):
        with pytest.raises(ModelError) as error:
            reduce_table(files / "cohort.csv", spec)
        return str(error.value)

    assert refusal(ModelSpec("who5_followup ~ alliance", family="student_t")) == (
        "family 'student_t' needs every row; count, means and covariances are enough for family 'gaussian' only. Read "
        "the table and fit its rows."
    )
    assert refusal(ModelSpec("who5_followup ~ s(alliance) + age")) == (
        "formula 'who5_followup ~ s(alliance) + age': the knots of s(alliance) would depend on every row, which cannot "
        "be worked out where the table is. Declare them, as in s(alliance, knots=(...)), or read the table and fit its "
        "rows."
    )
    assert refusal(ModelSpec("who5_followup ~ I(sex*2)")) == (
        "formula 'who5_followup ~ I(sex*2)': 'I(sex * 2)' is arithmetic, but 'sex' holds levels."
    )
    assert refusal(ModelSpec("who5_followup ~ age", centre={"alliance": 4})) == (
        "centre names alliance, but the numeric columns of the formula are age."
    )


@pytest.mark.parametrize("declared", [{"rows": "sessions"}, {"among": {"age": {"at_least": 40}}}])
def test_rows_that_are_made_as_a_table_is_read_are_refused(files, declared):
    with pytest.raises(ModelError) as error:
        reduce_table(str(files / "*.csv"), ModelSpec("who5_followup ~ alliance", **declared))
    assert str(error.value) == (
        "rows, events and among are applied to rows as they are read. Read the table and fit its rows, or make a table "
        "of the rows that are wanted where it is, and take them out of the model."
    )


def test_columns_and_factors_that_say_nothing_are_refused(tmp_path):
    frame = rows(100).assign(constant=36.1, country="DE")
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ModelError) as error:
        reduce_table(tmp_path / "t.parquet", ModelSpec("who5_followup ~ age + constant", autoscale=True))
    assert str(error.value) == (
        "'constant' has the same value in all 100 analysed rows, so its coefficient cannot be estimated. Remove the "
        "term or check the table."
    )
    with pytest.raises(ModelError) as error:
        reduce_table(tmp_path / "t.parquet", ModelSpec("who5_followup ~ age + (1 | country)"))
    assert str(error.value) == (
        "nothing can be estimated of what does not vary: 'country' has only the level 'DE' in the table. Take it "
        "out of the model, or check the table."
    )
    frame.assign(age=np.r_[np.full(99, np.nan), 30.0]).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ModelError) as error:
        reduce_table(tmp_path / "t.parquet", ModelSpec("who5_followup ~ age"))
    assert str(error.value) == (
        "the model needs at least 2 complete rows but got 1. The participant flow tells why:\n"
        "participants             100\n"
        "  left out: age unknown   99\n"
        "analysed                   1  (1.0 %)"
    )


def test_impossible_options_are_refused(files, tmp_path):
    spec = ModelSpec("who5_followup ~ alliance")

    def refusal(source, **options):
        with pytest.raises(UsageError) as error:
            reduce_table(source, spec, **options)
        return str(error.value)

    assert refusal(rows(10)) == "source should be a path, a glob or an Ibis table but got DataFrame."
    missing = tmp_path / "none.csv"
    assert refusal(missing).startswith(f"source: there is no file {missing}. Check the path; it is read from ")
    assert refusal(str(files / "cohort.*")) == (
        f"source: {files / 'cohort.*'} names files ending in .csv, .parquet, .tsv. Give files of one kind, ending in "
        ".csv, .tsv, .tab, .csv.gz, .tsv.gz, .tab.gz, .parquet, .pq."
    )
    refused = refusal(files / "cohort.csv", memory="much")
    assert refused.startswith("DuckDB does not take threads None and memory 'much': ")
    assert refusal(files / "cohort.csv", min_cell=0) == (
        "the least number of rows in a cell should be a whole number from 1 up but got 0."
    )


def test_without_ibis_the_extra_is_named(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "ibis", None)
    with pytest.raises(UsageError) as error:
        reduce_table(files / "cohort.csv", ModelSpec("who5_followup ~ alliance"))
    assert str(error.value) == (
        "reducing a table where it is needs Ibis with DuckDB, which is not installed. Install the extra: "
        "pip install 'alliance_bayes[sql]'."
    )


def test_the_queries_are_understood_by_other_databases():
    spec = ModelSpec("who5_followup ~ alliance * age + I(age**2) + (1 | country)")
    types = dict.fromkeys(("who5_followup", "alliance", "age"), "float64")
    table = ibis.table({**types, "country": "string"}, name="cohort")
    remote = Remote(table, {name: name for name in table.columns}, "cohort", ReadOptions(), casts_text=False)
    levels = {"country": Levels({"DE": "DE", "FR": "FR", "NA": None, None: None}, ("DE", "FR"))}
    ends = dict.fromkeys(types, (0.0, 100.0))
    kinds = Columns("who5_followup", ("alliance", "age"), ("country",), levels, ends, frozenset({"age"}))
    structure = structure_of(spec.parsed, kinds.numeric, {"country": ("DE", "FR")})
    query = ProfileQuery(spec, remote, kinds, structure)
    centres = dict.fromkeys(structure.components, 1.0)
    profile = Profile(query, {}, query.complete_rows(), Flow(10), centres, 40.0, 0.0, 100.0, on_levels=True)
    first = ibis.to_sql(query.expression(), dialect="postgres")
    assert (first.count("MIN("), first.count("MAX(")) == (3, 3)
    assert "NULLIF(" in first
    sql = ibis.to_sql(cell_query(profile, structure, kinds.outcome, kinds.keys), dialect="postgres")
    # Outcome, alliance, age, their product and the square: ten covariances and five variances by cell.
    assert (sql.count("COVAR_POP("), sql.count(" VAR_POP("), sql.count("AVG(")) == (10, 5, 5)
    assert "'NA'" in sql
    values = ibis.to_sql(_Judge(spec, remote, prorated=False)._query("country"), dialect="postgres")
    assert (values.count("GROUP BY"), values.count("COUNT(*)"), values.count("ORDER BY")) == (1, 1, 1)
