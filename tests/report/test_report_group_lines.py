"""Observed means by group behind the groups' lines: of their own people, and nobody to be had by subtraction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.checks import CheckReport, Gate
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.curve import LEAST, observed_means, observed_means_by
from alliance_bayes.report.group_lines import group_curves
from alliance_bayes.report.small_counts import SMALL
from builders import fitted, rendered, rows

FORMULA = "who5_followup ~ alliance + (alliance || provider_type)"


def of(frame: pd.DataFrame, **more: object) -> FittedModel:
    return fitted(frame, formula=FORMULA, draws=more.pop("draws", 5), **more)


def inside(fit: FittedModel, row: pd.Series, *, last: bool) -> np.ndarray:
    """Who is in a bin, by its ends; those beyond the drawn range are at its ends."""
    values = fit.design.frame["alliance"].to_numpy(float)
    low = -np.inf if row.name == 0 else row["low"]
    return (values >= low) & ((values < row["high"]) if not last else True)


@settings(max_examples=25)
@given(seed=st.integers(0, 200), n=st.integers(150, 900), share=st.floats(0.01, 0.4))
def test_means_are_those_of_the_groups_own_people_and_leave_no_few(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    frame = rows(n, seed=seed)
    kinds = ["coach", "therapist", "both"]
    codes = np.r_[np.arange(3), rng.choice(3, n - 3, p=[1 - share - 0.05, share, 0.05])]
    frame["provider_type"] = pd.Categorical.from_codes(codes, categories=kinds, ordered=True)
    fit = of(frame)
    shown = [kind for kind in kinds if (frame["provider_type"] == kind).sum() >= SMALL]
    found = observed_means_by(fit, "alliance", "provider_type", shown, SMALL)
    assert set(found) <= set(shown)
    outcome = fit.design.outcome.values
    for level, bins in found.items():
        assert len(bins) >= 3
        assert bins["n"].sum() == (frame["provider_type"] == level).sum()
        for place, row in bins.iterrows():
            own = inside(fit, row, last=place == len(bins) - 1)
            theirs = own & (frame["provider_type"] == level).to_numpy()
            assert row["n"] == theirs.sum() >= 25
            assert row["mean"] == pytest.approx(outcome[theirs].mean(), rel=1e-12)
            # Everybody less those of the groups that are drawn.
            rest = own & ~frame["provider_type"].isin(list(found)).to_numpy()
            assert rest.sum() == 0 or rest.sum() >= max(SMALL, LEAST)
    if found:
        # One set of bins, each made of whole bins that nobody's count is had from.
        edges = {tuple(bins["high"]) for bins in found.values()}
        assert len(edges) == 1


def test_groups_of_enough_people_have_their_means_though_others_have_none() -> None:
    frame = rows(700, seed=4)
    kinds = ["coach", "therapist", "both"]
    codes = np.r_[np.zeros(400), np.ones(288), np.full(12, 2)].astype(int)
    frame["provider_type"] = pd.Categorical.from_codes(codes, categories=kinds, ordered=True)
    fit = of(frame)
    found = observed_means_by(fit, "alliance", "provider_type", kinds, SMALL)
    # The twelve are too few for bins of their own, and one bin more would leave few of them.
    assert "both" not in found
    few = rows(60)
    assert observed_means_by(of(few), "alliance", "provider_type", ["coach"], SMALL) == {}


def test_means_of_everybody_are_those_that_all_together_have() -> None:
    fit = of(rows(500, seed=2))
    whole = observed_means(fit, "alliance", SMALL)
    alone = observed_means_by(fit.thinned(1), "alliance", "provider_type", ["coach", "therapist", "both"], SMALL)
    total = sum((bins["mean"] * bins["n"]).sum() for bins in alone.values())
    counted = sum(int(bins["n"].sum()) for bins in alone.values())
    rest = whole["n"].sum() - counted
    assert rest == 0 or rest >= SMALL
    if rest == 0:
        assert total == pytest.approx((whole["mean"] * whole["n"]).sum(), rel=1e-12)


@pytest.mark.slow
def test_the_page_draws_them_and_has_them_as_data() -> None:
    fit = of(rows(900, seed=3), draws=250)
    page = BeautifulSoup(rendered(fit).html, "html.parser")
    (figure,) = [one for one in page.select("figure") if "along alliance by provider type" in one.figcaption.get_text()]
    (table,) = figure.select("table[id$='-observed']")
    heads = [cell.get_text() for cell in table.select("thead th")]
    assert heads == ["Group", "alliance (alliance points): from", "to", "People", "Observed mean"]
    found = observed_means_by(fit, "alliance", "provider_type", ["coach", "therapist", "both"], SMALL)
    listed = [[cell.get_text() for cell in row.select("th, td")] for row in table.select("tbody tr")]
    assert listed
    for group, low, high, people, mean in listed:
        bins = found[group]
        (own,) = bins.index[np.isclose(bins["low"], float(low)) & np.isclose(bins["high"], float(high))]
        assert int(people.replace(",", "")) == bins.loc[own, "n"]
        assert float(mean) == pytest.approx(bins.loc[own, "mean"], abs=0.006)
    assert f"of at least {SMALL} people each" in figure.figcaption.get_text()


@pytest.mark.parametrize(
    ("sizes", "moved", "said"),
    [
        ((100, 100, 100), 0.0, "from the group’s 10th to its 90th percentile, with"),
        ((100, 100, 100), 1.0, "from the group’s 10th to its 90th percentile, within those of everybody, with"),
        ((100, 100, 30), 0.0, "as far as 10 people or more of the group"),
    ],
)
def test_the_caption_says_what_the_lines_end_at(sizes: tuple[int, ...], moved: float, said: str) -> None:
    frame = rows(sum(sizes))
    kinds = ["coach", "therapist", "both"]
    frame["provider_type"] = pd.Categorical(np.repeat(kinds, sizes), categories=kinds)
    # The same ratings in every group, or those of one group lower.
    ratings = [np.linspace(2, 4, size) - moved * (kind == "both") for kind, size in zip(kinds, sizes, strict=True)]
    frame["alliance"] = np.concatenate(ratings)
    fit = of(frame, draws=40)

    passed = CheckReport((), Gate(True, ()))
    page = BeautifulSoup(rendered(fit, sections=["groups"], checks=passed).html, "html.parser")

    (caption,) = [one.text for one in page.find_all("figcaption") if "Lines that keep" in one.text]
    assert said in " ".join(caption.split())
    curves = group_curves(fit, "provider_type", "alliance", prob=0.89, small=SMALL)
    own = np.quantile(ratings[2], (0.1, 0.9))
    everybody = np.quantile(frame["alliance"], (0.1, 0.9))
    # Of 30 people three are beyond either percentile.
    last = {100: (max(own[0], everybody[0]), min(own[1], everybody[1])), 30: np.sort(ratings[2])[[9, -10]]}[sizes[2]]
    assert curves["both"]["x"].iloc[[0, -1]].tolist() == pytest.approx(list(last))
