"""Every card that comes with the package runs from the command line, on the tables that come with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main

ROOT = Path(__file__).parents[2]
MODELS, TABLES = ROOT / "models", ROOT / "examples" / "data"
CARDS = sorted(path.stem for path in MODELS.glob("*.toml"))
# Those that make rows or columns of sessions are fitted, and looked at more closely, in a fast test of their own.
OF_SESSIONS = ("growth", "within_between")
FEW = ("--draws", "50", "--tune", "100", "--chains", "2", "--seed", "3")


@pytest.fixture(scope="module")
def modalities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tables of participants of whom some are seen in person."""
    folder = tmp_path_factory.mktemp("tables")
    written = ["simulate", "-o", str(folder / "cohort.csv"), "--n", "500", "--tables", str(folder)]
    with pytest.raises(SystemExit) as ended:
        main([*written, "--in-person-share", "0.4"])
    assert ended.value.code == 0
    return folder


def fit_of(card: str, tables: Path, folder: Path) -> ab.Fit:
    with pytest.raises(SystemExit) as ended:
        main(["fit", str(MODELS / f"{card}.toml"), str(tables), "-o", str(folder / "fit.nc"), *FEW])
    assert ended.value.code == 0
    return ab.load_fit(folder / "fit.nc")


@pytest.mark.slow
@pytest.mark.parametrize("card", [card for card in CARDS if card not in OF_SESSIONS])
def test_a_card_fits(card: str, modalities: Path, tmp_path: Path) -> None:
    fit = fit_of(card, modalities if "modality" in card else TABLES, tmp_path)
    assert fit.spec.card.name == card
    assert fit.shape == (2, 50)
    assert set(fit.spec.columns) <= set(fit.design.frame)


@pytest.mark.parametrize("card", OF_SESSIONS)
def test_a_card_that_makes_rows_or_columns_of_sessions_fits(card: str, tmp_path: Path) -> None:
    fit = fit_of(card, TABLES, tmp_path)
    assert fit.spec.card.name == card
    assert fit.shape == (2, 50)
    assert set(fit.spec.columns) <= set(fit.design.frame)
    model = ab.load_model(MODELS / f"{card}.toml")
    made = model.derive(shipped_cohort())
    assert fit.flow.analysed == len(made.complete(model.columns)[0]) > 0
    assert fit.flow.analysed == fit.design.rows.n


def shipped_cohort() -> ab.Cohort:
    return ab.read_tables(*(TABLES / f"{name}.csv" for name in ("participants", "sessions", "surveys")))


def test_the_recovered_are_asked_for_among_those_with_elevated_symptoms() -> None:
    model = ab.load_model(MODELS / "recovered.toml")
    cohort = shipped_cohort()
    frame, flow = model.complete(model.derive(cohort))
    assert frame["who5_baseline"].max() <= 28
    assert (frame["recovered"] == (frame["who5_followup"] > 28)).all()
    elevated = int((cohort.data["who5_baseline"] <= 28).sum())
    assert [step.n for step in flow.steps if step.reason == "baseline WHO-5 above 28, or missing"] == [
        len(cohort) - elevated
    ]
    assert set(frame["recovered"]) == {0.0, 1.0}


def test_a_table_with_one_row_a_participant_is_refused_with_what_is_wanted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ab.write_cohort(ab.simulate_cohort(n=60, seed=4), tmp_path / "cohort.csv")
    with pytest.raises(SystemExit) as ended:
        main(["fit", str(MODELS / "growth.toml"), str(tmp_path / "cohort.csv"), "-o", str(tmp_path / "fit.nc")])
    assert ended.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said == (
        "error: session_cohort: cohort.csv has no sessions, only one row a participant. Give the three tables (a "
        "folder that holds them)."
    )


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_the_page_of_within_between_has_both_slopes_and_their_difference(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with pytest.raises(SystemExit):
        main(["report", str(MODELS / "within_between.toml"), str(TABLES), "-o", str(page), "--seed", "3"])
    told = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    found = {(row["estimand"], row["term"]): row["mean"] for row in told["effects"]}
    within, between = found["slope", "alliance_within"], found["compared_slope", "alliance_provider"]
    assert found["slope_minus_focal", "alliance_provider"] == pytest.approx(between - within, abs=0.01)


def test_a_fit_is_of_a_table_or_of_the_demonstration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for given in ([], [str(TABLES), "--demo"]):
        with pytest.raises(SystemExit) as ended:
            main(["fit", str(MODELS / "growth.toml"), *given, "-o", str(tmp_path / "fit.nc")])
        assert ended.value.code == 2
        said = " ".join(capsys.readouterr().err.split())
        assert said == "error: give either a COHORT or --demo. 'alliance-bayes fit --help' shows how."
