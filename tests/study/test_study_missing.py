"""A study whose missing values are drawn: of whom its models are, what its page says, and how near the truth it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks.comparison import compare
from alliance_bayes.cli import main
from alliance_bayes.effects import regression_to_mean
from alliance_bayes.report import Rendered
from alliance_bayes.report.page import read_manifest
from alliance_bayes.study import Study
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.study.called import called
from alliance_bayes.study.cards import COLUMNS, study_card
from alliance_bayes.study.declared import DeclaredPart
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.verify import verify_report
from report import test_report_page as house

# One study of everybody, which takes half a minute.
pytestmark = pytest.mark.slow
SEED, LIMIT = 5, 28
DRAWN = [
    "outcome_everybody",
    "change_everybody",
    "change_elevated",
    "followup_elevated",
    "outcome_elevated",
    "dose_response",
    "moderation",
]


def people(n: int = 400, seed: int = 3, *, complete: bool = False) -> pd.DataFrame:
    """Follow-up scores rise with the number of sessions, and those with few sessions mostly lack one."""
    frame = ab.simulate_cohort(n=n, seed=seed).data.drop(columns=["provider_id", "who5_change"])
    for name in ("sex", "country", "provider_type"):
        frame[name] = frame[name].astype(str)
    rng = np.random.default_rng(seed)
    # The simulator's own gaps are filled, so that the truth is known of everybody.
    drawn = 25 + 0.5 * frame["who5_baseline"] + 2 * frame["alliance"] + rng.normal(0, 10, n)
    sessions = frame["n_sessions"] - frame["n_sessions"].mean()
    frame["who5_followup"] = (4 * np.round((drawn + 2.5 * sessions) / 4)).clip(0, 100)
    if complete:
        return frame
    frame.loc[rng.random(n) < 1 / (1 + np.exp(1.4 + 0.5 * sessions)), "who5_followup"] = np.nan
    for name, share in (("who5_baseline", 0.06), ("age", 0.08)):
        frame.loc[rng.random(n) < share, name] = np.nan
    return frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def written(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study, Rendered]:
    """The page that the command makes of the table beside it, and the study behind it: run once for all tests."""
    folder, made, render = tmp_path_factory.mktemp("study"), [], Study.report

    def kept(study: Study, *arguments: Any, **options: Any) -> Rendered:
        made.append((study, render(study, *arguments, **options)))
        return made[-1][1]

    frame.to_csv(folder / "cohort.csv", index=False)
    given = [str(folder / "cohort.csv"), "-o", str(folder / "study.html"), "--missing", "impute", "--seed", str(SEED)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "report", kept)
        with pytest.raises(SystemExit) as ended:
            main(["study", *given, "--small", "2"])
    assert ended.value.code in (0, 1)
    ((study, report),) = made
    return folder / "study.html", study, report


@pytest.fixture(scope="module")
def study(written: tuple[Path, Study, Rendered]) -> Study:
    return written[1]


@pytest.fixture(scope="module")
def report(written: tuple[Path, Study, Rendered]) -> Rendered:
    return written[2]


def fit_of(study: Study, name: str) -> ab.Fit:
    fit = study.fitted[name].fit
    assert isinstance(fit, ab.Fit)
    return fit


def test_gaussian_models_are_of_everybody(study: Study, frame: pd.DataFrame) -> None:
    sizes = {name: fit_of(study, name).flow.analysed for name in study.fitted}
    # Who has no baseline is in no group that is chosen by it.
    low = int((frame["who5_baseline"] <= LIMIT).sum())
    rated = int(frame[["alliance", "who5_baseline", "age"]].notna().all(axis=1).sum())
    expected = {name: low if name.endswith("elevated") else len(frame) for name in DRAWN}
    assert sizes == {"alliance_gaussian": rated, **expected}
    assert [name for name in study.fitted if fit_of(study, name).imputation is not None] == DRAWN
    assert rated < len(frame)


def test_columns_of_the_study_that_a_model_lacks_take_part(study: Study) -> None:
    for name in DRAWN:
        spec = fit_of(study, name).spec
        made = {"who5_followup"} if "who5_change" in spec.columns else {"who5_change"}
        # Forty countries are more levels than are worked with.
        assert set(spec.auxiliary) == set(COLUMNS) - set(spec.columns) - made - {"country"}


def test_rows_are_those_of_the_single_fit(study: Study, frame: pd.DataFrame) -> None:
    model = ab.Model(**{**study_card("outcome"), "missing": "impute", "auxiliary": ("n_sessions",)})
    fit = model.fit(ab.read_cohort(frame), seed=SEED, progress=False)
    own = fit.slopes(rope=(-2, 2), relevant=10.0)
    rows = study.block("association-everybody").rows
    for estimand in ("slope", "slope_p10_p90", "slope_per_sd"):
        one, other = own[own["estimand"] == estimand].iloc[0], rows[rows["estimand"] == estimand].iloc[0]
        for figure in ("mean", "sd", "lower", "upper", "fmi"):
            assert one[figure] == other[figure]
        assert 0 < one["fmi"] < 1


def test_observed_shares_are_of_observed_values(study: Study, report: Rendered, frame: pd.DataFrame) -> None:
    change = frame["who5_followup"] - frame["who5_baseline"]
    low = frame["who5_baseline"] <= LIMIT
    n, there = change.notna(), change.notna() & low
    wanted = {
        "table-change-improved": (int((change[n] >= 10).sum()), int(n.sum())),
        "table-change-improved-elevated": (int((change[there] >= 10).sum()), int(there.sum())),
        "table-change-recovered-elevated": (int((frame["who5_followup"][there] > LIMIT).sum()), int(there.sum())),
    }
    page = house.parsed(report.html)
    for name, (some, whole) in wanted.items():
        head, *rows = house.cells(page.by_id(name))
        place = next(k for k, text in enumerate(head) if text.startswith("Observed"))
        found = next(row[place] for row in rows if row[0].startswith("All"))
        assert [int(text) for text in re.findall(r"\d+", found)[:2]] == [some, whole]


def test_regression_to_the_mean_is_of_observed_baselines(study: Study, frame: pd.DataFrame) -> None:
    fit = fit_of(study, "change_everybody")
    rows = regression_to_mean(fit, at_most=LIMIT)
    selected = rows[rows["estimand"] == "mean_change_selected"].iloc[0]
    change = (frame["who5_followup"] - frame["who5_baseline"])[frame["who5_baseline"] <= LIMIT]
    assert float(str(selected["note"]).removeprefix("observed ")) == pytest.approx(change.mean(), rel=1e-3)
    # (1 - b) (m - mean baseline), with each draw's own mean of the baseline; that of the drawn values is not known.
    slope = fit.stacked["beta"][:, fit.design.terms.index("who5_baseline")]
    tables = np.array([one["who5_baseline"].to_numpy(float).mean() for one in fit.imputed()])
    part = rows[(rows["estimand"] == "regression_to_mean") & rows["level"].str.startswith("everybody")].iloc[0]
    expected = -slope.mean() * (47 - tables.mean())
    # Means of 40 tables differ from those of all sets by some .1 point, slopes from their mean by .04.
    assert part["mean"] == pytest.approx(expected, abs=0.1)


def test_models_are_compared_by_rows_that_were_observed(study: Study, frame: pd.DataFrame) -> None:
    line, curve = (fit_of(study, name).thinned(4) for name in ("outcome_everybody", "dose_response"))
    found = compare({"line": line, "curve": curve})
    complete = frame[["who5_followup", "alliance", "who5_baseline", "age", "days_in_care"]].notna().all(axis=1)
    assert found.pointwise.shape == (int(complete.sum()), 2)
    # In sample a row is predicted a little better than left out: by about the number of coefficients, all together.
    values = frame["who5_followup"][complete].to_numpy(float)
    at = np.flatnonzero(complete)
    assert np.array_equal(line.design.outcome.values[at], values)
    eta = line.linear_predictor(line.design.rows.take(at))
    sigma = line.stacked["sigma"][:, None]
    density = np.exp(-0.5 * ((values - eta) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)) * 4
    gap = float(np.log(density.mean(axis=0)).sum()) - found.table.set_index("model")["elpd"]["line"]
    assert 0 < gap < 20


def test_page_says_what_was_drawn_and_where(study: Study, report: Rendered, frame: pd.DataFrame) -> None:
    page = house.parsed(report.html)
    sections = [node.attributes["id"] for node in page.all("section") if "id" in node.attributes]
    assert sections.index("missing") == sections.index("data") + 1
    _, *rows = house.cells(page.by_id("table-missing"))
    told = {row[0]: row[1] for row in rows}
    for name, words in (("who5_followup", "follow-up WHO-5"), ("who5_baseline", "baseline WHO-5"), ("age", "age")):
        assert told[words].startswith(f"{frame[name].isna().sum()} (")
    numbers = report.numbers["missing"]
    assert numbers["models"] == {"imputed": DRAWN, "complete": ["alliance_gaussian"]}
    assert {one["column"]: one["missing"] for one in numbers["columns"]}["age"] == int(frame["age"].isna().sum())
    text = page.by_id("missing").text
    assert all(f"“{called(study.fitted)[name]}”" in text for name in DRAWN)
    assert "“Ratings of the alliance (Gaussian)” has no drawn values" in re.sub(r"\s+", " ", text)
    everywhere = re.sub(r"\s+", " ", page.text)
    assert "Nothing was imputed" not in everywhere
    assert "--missing impute" in page.by_id("models").text
    told = [row[2] for row in house.cells(page.by_id("table-models"))[1:]]
    models = dict(zip(study.fitted, told, strict=True))
    assert models["outcome_everybody"] == str(len(frame))
    # What is said of drawn values that are moved is shown in that section.
    referred = re.findall(r"\(Section (\d+)\)", re.sub(r"\s+", " ", page.by_id("limitations").text))
    assert set(referred) == {str(sections.index("missing") + 1 - sections.index("data"))}
    # What complete rows alone say is in the manifest, of everybody and of the elevated.
    manifest = read_manifest(report.html, name="page")
    assert {"missing", "missing-elevated"} <= {str(row[0]).partition("/")[0] for row in manifest["rows"]}
    holds = {one["name"]: one["holds"] for one in report.numbers["summary"]}
    assert {holds[name]["Missing data"] for name in ("association", "association_elevated")} <= {"pass", "warn"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"missing": "guess"}, "missing should be 'drop' or 'impute'"),
        ({"missing": "impute", "same_people": True}, "choose one"),
        ({"auxiliary": ["n_sessions"]}, "is of use where values are drawn"),
        ({"missing": "impute", "auxiliary": "n_sessions"}, "a list of names of columns"),
    ],
)
def test_what_does_not_go_together_is_refused(frame: pd.DataFrame, given: dict[str, object], said: str) -> None:
    with pytest.raises(ab.UsageError, match=said):
        ab.run_study(ab.read_cohort(frame), progress=False, **given)


def test_the_command_and_its_page_are_verified(written: tuple[Path, Study, Rendered]) -> None:
    page, _, report = written
    assert page.read_text(encoding="utf-8") == report.html
    assert read_manifest(report.html, name="page")["options"]["missing"] == "impute"
    assert verify_report(page, ab.read_cohort(page.with_name("cohort.csv"))).passed


def test_the_truth_is_nearer_than_without() -> None:
    """Those with few sessions gain less and mostly lack a follow-up: those who have one gained more than all did."""
    means = {}
    for name, table, options in (
        ("truth", people(n=900, complete=True), {}),
        ("drawn", people(n=900), {"missing": "impute"}),
        ("dropped", people(n=900), {}),
    ):
        chosen, nothing = StudyOptions(seed=SEED, **options), PosteriorCache(None)
        runner = StudyRunner(ab.read_cohort(table), chosen, cache=nothing, tell=lambda line: None, progress=False)
        # The block that the numbers are in, without the rest of its part and of the study.
        block = DeclaredPart("change", runner).block("means")
        row = block.rows[(block.rows["estimand"] == "overall_mean")].iloc[0]
        means[name] = float(row["mean"]), float(row["sd"])
    (truth, _), (drawn, sd), (dropped, _) = means["truth"], means["drawn"], means["dropped"]
    # The error of drawing a fifth of the outcomes is a part of the posterior's SD.
    assert abs(drawn - truth) < 2 * sd
    assert dropped - truth > 3 * abs(drawn - truth)
    # Two SDs off, an interval of 95 % has not the truth in it.
    assert dropped - truth > 2 * sd
