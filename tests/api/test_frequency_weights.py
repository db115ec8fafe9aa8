"""A row of frequency weight k is k people: the fit is that of the table in which it stands k times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab

DRAWS = {"seed": 3, "draws": 300, "chains": 2, "progress": False}
FAMILIES = ("gaussian", "student_t", "bernoulli", "cumulative", "poisson", "negative_binomial")


def table(family: str) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 40
    frame = pd.DataFrame(
        {"x": rng.normal(size=n).round(2), "site": rng.choice(list("abc"), n), "w": rng.integers(0, 5, n)}
    )
    y = frame["x"] + rng.normal(size=n)
    frame["y"] = {
        "bernoulli": (y > 0).astype(float),
        "cumulative": np.clip(np.round(y), -1, 1),
        "poisson": rng.poisson(np.exp(0.3 * y)),
        "negative_binomial": rng.poisson(np.exp(0.3 * y)),
    }.get(family, y)
    frame.loc[[2, 9], "y"] = np.nan
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_posterior_counts_effects_and_checks_are_those_of_the_repeated_table(family: str) -> None:
    frame = table(family)
    # The order of the package's copies: everybody once, then the second copies, and so on.
    at = np.concatenate([np.flatnonzero(frame["w"] > copy) for copy in range(frame["w"].max())])
    model = {"formula": "y ~ x + (1 | site)", "family": family}
    weighted = ab.Model(**model, weights="w", weights_kind="frequency").fit(frame, **DRAWS)
    written = ab.Model(**model).fit(frame.drop(columns="w").iloc[at].reset_index(drop=True), **DRAWS)
    assert weighted.flow == written.flow
    assert weighted.flow.participants == frame["w"].sum()
    for name, draws in written.stacked.items():
        np.testing.assert_array_equal(weighted.stacked[name], draws)
    pd.testing.assert_frame_equal(pd.DataFrame(weighted.effects()), pd.DataFrame(written.effects()))
    if family == "gaussian":
        ours, theirs = weighted.check(), written.check()
        # Rows that stand for several people are no copies of each other, and in no order.
        apart = ("copies", "order")
        assert [ours[name].verdict for name in apart] == ["info", "info"]
        told = [
            [(one.name, one.verdict, one.sentence) for one in report.results if one.name not in apart]
            for report in (ours, theirs)
        ]
        assert told[0] == told[1]


def test_persons_of_a_long_table_are_as_many_as_their_weights_say() -> None:
    rng = np.random.default_rng(8)
    who = np.repeat(np.arange(15), 3)
    weight = rng.integers(1, 4, 15)
    frame = pd.DataFrame({"pid": [f"p{k:02d}" for k in who], "week": np.tile([0.0, 1, 2], 15), "w": weight[who]})
    frame["score"] = rng.normal(0, 3, 15)[who] + frame["week"] + rng.normal(size=45)
    model = ab.Model("score ~ week + (1 | pid)", weights="w", weights_kind="frequency")
    fit = model.fit(frame, person="pid", time="week", **DRAWS)
    assert (fit.count_people(), fit.count_rows()) == (weight.sum(), 3 * weight.sum())
    assert len(fit.design.factor("pid").levels) == weight.sum()


def test_a_page_says_that_rows_were_counted_as_people_and_a_saved_fit_is_the_same(tmp_path: Path) -> None:
    fit = ab.Model("y ~ x", weights="w", weights_kind="frequency").fit(table("gaussian"), **DRAWS)
    assert fit.info["weights"] == {"column": "w", "kind": "frequency", "rows": 40}
    fit.save(tmp_path / "fit.nc")
    again = ab.load_fit(tmp_path / "fit.nc")
    assert (again.spec.weights, again.spec.weights_kind) == ("w", "frequency")
    assert again.design.n == fit.design.n == fit.flow.analysed


def test_what_weights_are_has_to_be_said() -> None:
    with pytest.raises(ab.ModelError, match=r"weights_kind should be one of 'frequency', 'sampling' but is not said"):
        ab.Model("y ~ x", weights="w")
    with pytest.raises(ab.ModelError, match="there are none"):
        ab.Model("y ~ x", weights_kind="frequency")
    with pytest.raises(ab.ModelError, match="is a column of the model, too"):
        ab.Model("y ~ x", weights="x", weights_kind="frequency")


def test_moments_hold_no_weights(tmp_path: Path) -> None:
    frame = tmp_path / "table.csv"
    table("gaussian").dropna().to_csv(frame, index=False)
    moments = ab.reduce_table(str(frame), ab.Model("y ~ x"))
    with pytest.raises(ab.ModelError, match="moments hold no weights"):
        ab.Model("y ~ x", weights="w", weights_kind="frequency").fit(moments, progress=False)
    with pytest.raises(ab.ModelError, match="moments hold no weights"):
        ab.reduce_table(str(frame), ab.Model("y ~ x", weights="w", weights_kind="frequency"))
