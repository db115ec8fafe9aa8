"""Tables to moments to a report on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main

pytest.importorskip("ibis")
CARD = """
name = "small"
format = 4
formula = "who5_followup ~ alliance + who5_baseline + (1 | provider_type) + (1 | sex)"
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cohort = ab.simulate_cohort(n=300, seed=3)
    cohort.data[:120].to_csv(tmp_path / "first.csv", index=False)
    cohort.data[120:].to_parquet(tmp_path / "second.parquet")
    (tmp_path / "small.toml").write_text(CARD)
    return tmp_path


@pytest.mark.slow
def test_tables_and_moments_add_up_and_make_a_fit(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    card = folder / "small.toml"
    status, out, _ = run(capsys, "reduce", folder / "first.csv", "--card", card, "-o", folder / "first.nc")
    assert status == 0
    both = folder / "both.nc"
    status, out, _ = run(capsys, "reduce", folder / "first.nc", folder / "second.parquet", "--card", card, "-o", both)
    assert status == 0
    moments = ab.load_moments(both)
    flow = ab.simulate_cohort(n=300, seed=3).complete(ab.load_model(card).columns)[1]
    assert moments.flow == flow
    least = int(moments.counts.min())
    assert out == f"{flow}\n\n{both}: {flow.analysed} rows in {moments.n_cells} cells, the smallest of {least}\n"

    status, out, _ = run(capsys, "fit", card, both, "-o", folder / "fit.nc", "--draws", "400")
    assert status == 0
    assert out.startswith(f"{flow}\n")
    status, out, _ = run(capsys, "effects", folder / "fit.nc")
    assert status == 0
    assert "slope_standardised" in out
    status, out, _ = run(capsys, "report", card, both, "-o", folder / "report.html", "--draws", "400")
    assert (status, out.splitlines()[0]) == (0, str(folder / "report.html"))


def test_columns_that_the_card_asks_for_and_the_table_lacks_are_told_with_the_card(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "bare.csv").write_text("alliance,sex\n4,female\n5,male\n")
    status, _, err = run(capsys, "reduce", folder / "bare.csv", "--card", folder / "small.toml", "-o", folder / "m.nc")
    lines = err.splitlines()
    assert status == 1
    assert lines[0] == "error: model card 'small.toml': bare.csv: 3 problems found; nothing was analysed."
    assert [line.split(":")[0] for line in lines[1:4]] == [
        f"  - column '{name}'" for name in ("who5_followup", "who5_baseline", "provider_type")
    ]


def test_small_cells_are_refused_or_merged_over_all_sources(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    arguments = ["reduce", folder / "first.csv", folder / "second.parquet", "--card", folder / "small.toml"]
    status, out, err = run(capsys, *arguments, "-o", folder / "m.nc", "--min-cell", "60")
    assert (status, out) == (1, "")
    assert "fewer than 60 rows" in err
    assert not (folder / "m.nc").exists()
    status, out, err = run(capsys, *arguments, "-o", folder / "m.nc", "--min-cell", "60", "--small", "merge")
    assert status == 0
    assert ab.load_moments(folder / "m.nc").counts.min() >= 60
    assert "Cells of fewer than 60 rows:" in out


def test_wrong_use_is_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    card, table = folder / "small.toml", folder / "first.csv"
    ab.save_moments(ab.reduce_table(table, ab.load_model(card)), folder / "m.nc")
    cases = [
        (
            ("reduce", table, "--card", card, "-o", folder / "m.csv"),
            f"error: output '{folder / 'm.csv'}' should end in .nc. Rename it.\n",
        ),
        (
            ("reduce", table, "--card", card, "-o", folder / "n.nc", "--small", "drop"),
            "error: --small should be refuse or merge but got 'drop'.\n",
        ),
        (
            ("fit", card, folder / "m.nc", "-o", folder / "f.nc", "--map", "age=Age"),
            "error: 'm.nc' holds moments, not text. Leave out the options that tell how to read it.\n",
        ),
        (
            ("validate", folder / "m.nc"),
            "error: 'm.nc' holds moments, which were checked when they were made. Give a table.\n",
        ),
    ]
    for arguments, message in cases:
        assert run(capsys, *arguments) == (2, "", message)
