"""The comparison of those left out tells of no few people who lack a value, and no count that Table 1 hides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from recovering import SMALL, sizes_of_mean

pytestmark = pytest.mark.usefixtures("gate_alone", "undrawn")


def table() -> pd.DataFrame:
    """People of whom some lack an outcome, some x, some both; who lacks z or the group is in no flow."""
    rng = np.random.default_rng(8)
    n = 400
    frame = pd.DataFrame({name: rng.integers(10, 60, n).astype(float) for name in ("y", "x", "w", "z")})
    frame["group"] = rng.choice(["a", "b"], n)
    frame["treated"] = np.repeat(["no", "yes"], [230, 170])
    # All who are treated are seen online, but three.
    frame["online"] = np.repeat(["no", "yes"], [233, 167])
    # Nobody of those three is left out.
    shuffled = np.r_[rng.permutation(np.r_[:230, 233:n]), 230:233]
    frame.loc[shuffled[:80], "y"] = np.nan
    frame.loc[shuffled[73:120], "x"] = np.nan
    # Three of those left out lack z, and five of those analysed a group.
    frame.loc[shuffled[[1, 90, 91]], "z"] = np.nan
    frame.loc[shuffled[-5:], "group"] = np.nan
    return frame


def lacking_solved(records: list[dict[str, object]], sizes: dict[str, int], frame: pd.DataFrame) -> set[str]:
    """Columns of which means and SDs of a group leave one number of fewer than ten people who lack a value."""
    solved = set()
    for row in records:
        for group, size in sizes.items():
            mean, sd = float(row[group]), float(row[f"sd_{group}"])  # type: ignore[arg-type]
            lacking = {size - n for n in sizes_of_mean(mean, sd, size, shares=isinstance(row["level"], str))}
            rows = frame["y"].notna() & frame["x"].notna()
            truth = frame.loc[rows if group == "analysed" else ~rows, str(row["column"])].isna().sum()
            assert truth in lacking, (row["column"], group)
            # How many lack x beside its step of the flow tells how many lack both.
            few = truth - (40 if row["column"] == "x" and group == "left_out" else 0)
            if len(lacking) == 1 and 0 < few < SMALL:
                solved.add(str(row["column"]))
    return solved


@pytest.mark.parametrize(("small", "told"), [(1, {"x", "z", "group"}), (SMALL, set())])
def test_nobody_counts_the_few_who_lack_a_value(small: int, told: set[str]) -> None:
    frame = table()
    fit = ab.Model("y ~ x + w").fit(frame, seed=1, progress=False)
    page = fit.report(small=small)
    people = page.numbers["participants"]
    assert people["analysed"] == 280
    records = people["left_out"]
    sizes = {"analysed": 280, "left_out": 120}
    # So that a solver that finds nothing is no solver that cannot find anything.
    assert lacking_solved(fit.info["left_out"] if small == 1 else records, sizes, frame) == told
    columns = {row["column"] for row in records}
    # 47 lack x, 40 of them at its step of the flow: seven lack both.
    assert people["missing"]["x"] == (47 if small == 1 else None)
    assert columns & {"x", "z", "group"} == ({"x", "z", "group"} if small == 1 else set())
    assert {"w", "treated"} <= columns
    # No more exact than the page.
    for row in records:
        places = 2 if row["level"] is not None or row["sd_analysed"] < 1 else 1
        assert all(row[name] == round(row[name], places) for name in ("analysed", "left_out"))
        assert row["difference"] == round(row["difference"], 2)


def test_a_level_that_table_1_hides_has_no_share_here() -> None:
    fit = ab.Model("y ~ treated + online + w").fit(table(), seed=1, progress=False)
    people = fit.report().numbers["participants"]
    hidden = {row["variable"] for row in people["summary"] if row.get("shown", "").startswith(("<", "–"))}
    assert len(hidden) == 1
    assert not hidden & {row["column"] for row in people["left_out"]}
    assert {"treated", "online"} - hidden <= {row["column"] for row in people["left_out"]}
