"""Writing tables: what is written reads back the same, and a failure leaves earlier files alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from alliance_bayes.cohort import Cohort, read_cohort, read_tables
from alliance_bayes.cohort.writing import write_cohort
from alliance_bayes.errors import UsageError, WriteError
from alliance_bayes.simulation import simulate_cohort
from alliance_bayes.simulation.simulate import write_tables


def test_written_tables_read_back_as_the_same_cohort(tmp_path: Path):
    cohort = simulate_cohort(300, seed=3)
    written = write_tables(cohort, tmp_path / "new" / "folder")
    assert [path.name for path in written] == ["participants.csv", "sessions.csv", "surveys.csv"]
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(
        path.name for path in written
    )
    assert read_tables(*written).hash == cohort.hash


def test_files_are_plain_csv(tmp_path: Path):
    written = write_tables(simulate_cohort(3, seed=1), tmp_path)
    for path in written:
        content = path.read_bytes()
        assert b"\r" not in content
        content.decode("ascii")
    header, first, *_ = written[1].read_text().splitlines()
    assert header == "participant_id,provider_id,provider_type,date,goal,bond"
    assert len(first.split(",")) == 6
    assert len(first.split(",")[3]) == len("2020-09-29")


def test_same_seed_writes_the_same_bytes(tmp_path: Path):
    first = write_tables(simulate_cohort(50, seed=9), tmp_path / "a")
    second = write_tables(simulate_cohort(50, seed=9), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_one_row_table_reads_back_as_the_same_cohort(tmp_path: Path):
    cohort = simulate_cohort(300, seed=3)
    path = write_cohort(cohort, tmp_path / "cohort.csv")
    # The order of levels is not in a CSV file: provider types are declared again.
    read = read_cohort(path, levels={"provider_type": ["coach", "therapist", "both"]})
    pd.testing.assert_frame_equal(read.data, cohort.data)
    assert read.hash == cohort.hash
    assert read.source == "cohort.csv"


@pytest.mark.parametrize("failing", ["sessions", "surveys"])
def test_a_failure_leaves_earlier_files_and_no_drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str):
    earlier = {path: path.read_bytes() for path in write_tables(simulate_cohort(20, seed=1), tmp_path)}
    real = pd.DataFrame.to_csv

    def full(self: pd.DataFrame, path: Path, **options: object) -> None:
        real(self, path, **options)
        if failing in path.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(WriteError, match="no space left on device"):
        write_tables(simulate_cohort(20, seed=2), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == earlier


def test_cohorts_without_tables_are_refused(tmp_path: Path):
    plain = Cohort(pd.DataFrame({"age": [30.0]}), source="table")
    with pytest.raises(UsageError) as caught:
        write_tables(plain, tmp_path)
    assert str(caught.value) == (
        "write_tables needs the tables of a simulated cohort. Write any other one with write_cohort."
    )


def test_impossible_targets_are_refused(tmp_path: Path):
    cohort = simulate_cohort(3)
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError) as caught:
        write_tables(cohort, tmp_path / "taken")
    assert str(caught.value) == f"'{tmp_path / 'taken'}' is a file, and no folder. Choose another name."
    with pytest.raises(UsageError) as caught:
        write_cohort(cohort, tmp_path)
    assert str(caught.value) == f"'{tmp_path}' is a folder. Choose another name."
    with pytest.raises(UsageError) as caught:
        write_cohort(cohort, tmp_path / "nowhere" / "cohort.csv")
    target = tmp_path / "nowhere" / "cohort.csv"
    assert str(caught.value) == f"the folder of '{target}' does not exist. Create it first."


def test_a_written_cohort_is_read_again_with_the_same_fingerprint(tmp_path: Path) -> None:
    cohort = simulate_cohort(n=300, seed=5)
    again = read_cohort(write_cohort(cohort, tmp_path / "cohort.csv"))
    assert again.hash == cohort.hash
    assert again.data["provider_type"].cat.categories.tolist() == ["coach", "therapist", "both"]
