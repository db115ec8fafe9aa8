"""From a table to a page and back: `alliance-bayes verify`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from alliance_bayes.cli import main

CARD = 'format = 4\nformula = "who5_followup ~ alliance + who5_baseline + (1 || sex)"\n'


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_page_is_verified_by_its_table_and_not_by_another(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table, other, card, page = (tmp_path / name for name in ("a.csv", "b.csv", "m.toml", "r.html"))
    assert run("simulate", "-o", table, "--n", "150", "--seed", "3") == 0
    card.write_text(CARD, encoding="utf-8")
    assert run("report", card, table, "-o", page, "--draws", "300") == 0
    capsys.readouterr()

    assert run("verify", page, table) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["figure", "compared", "same", "within_error", "differ", "largest"]
    assert {line.split()[4] for line in out[1 : out.index("")]} == {"0"}
    told = [line for line in out if line.startswith("  * ")]
    assert told[0] == "  * The data are the same, to the last digit."
    assert told[1].endswith(" from draws the page's own: all the same to the last digit kept.")
    # Of what the card declares nothing of, there is no section.
    assert (
        told[4] == "  * The page was made without the sections missing, adjustment, or there was nothing to say there."
    )
    assert len(told) == 5
    assert out[-1].startswith(f"{page}: verified, ")

    frame = pd.read_csv(table)
    frame.loc[3, "age"] += 1
    frame.to_csv(other, index=False)
    assert run("verify", page, other) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"{page}: NOT verified, 2 problems"
    told = " ".join(said.err.split())
    assert "differs: The data are not those the page was made of, or the key is another page's" in told


def test_it_wants_one_set_of_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("verify", tmp_path / "r.html") == 2
    assert "give either a COHORT or --demo" in capsys.readouterr().err
