"""Providers are persons, too: a page says how much they differ, and nothing in it depends on what they are called."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import CHECKS
from alliance_bayes.errors import UsageError
from alliance_bayes.report import Rendered
from alliance_bayes.report.page import read_manifest
from alliance_bayes.report.providers import MANY

K = 12
# Each in the order of the others, so that nothing but the labels differs between the tables.
NAMES = tuple(f"Zoltan{k:02d}" for k in range(K))
WORDS = (
    "adjusted",
    "average",
    "chance",
    "each",
    "figure",
    "interval",
    "level",
    "mean",
    "people",
    "share",
    "the",
    "value",
)
NUMBERS = tuple(str(100 + k) for k in range(K))
MARKED = tuple(f"zq{k:02d}, 2 vs us [x]/=" for k in range(K))


def clients(labels: Sequence[str], column: str = "ther", sizes: Sequence[int] | None = None) -> pd.DataFrame:
    """Scores of clients of some providers, who differ in level and in slope."""
    rng = np.random.default_rng(5)
    k = len(labels)
    who = np.repeat(np.arange(k), sizes or [22] * k)
    x = rng.normal(size=who.size)
    y = 50 + rng.normal(0, 4, k)[who] + (2 + rng.normal(0, 1, k)[who]) * x + rng.normal(0, 6, who.size)
    site = np.array(["north", "south"])[np.arange(who.size) % 2]
    return pd.DataFrame({"score": y, "x": x, "site": site, column: [labels[k] for k in who]})


@cache
def fit_of(formula: str, labels: tuple[str, ...], **options: str) -> ab.Fit:
    column = "provider_id" if "provider_id" in formula else "ther"
    model = ab.Model(formula, roles={"ther": "provider"} if column == "ther" else {}, **options)  # type: ignore[arg-type]
    return model.fit(clients(labels, column), seed=3, progress=False)


@cache
def page_of(formula: str, labels: tuple[str, ...], **options: str) -> Rendered:
    return fit_of(formula, labels, **options).report()


def without_digests(text: str) -> str:
    return re.sub(r"[0-9a-f]{64}", "#", text)


SLOPES = "score ~ x + (x | ther) + (1 | site)"
CASES = [
    (SLOPES, NAMES, WORDS, {}),
    (SLOPES, NAMES, NUMBERS, {}),
    (SLOPES, NAMES, MARKED, {}),
    # So few that checks speak of every pair.
    (SLOPES, NAMES[:3], WORDS[:3], {}),
    ("score ~ x + provider_id + (1 | site)", NAMES, WORDS, {}),
    ("score ~ x + (1 | ther)", NAMES[:3], MARKED[:3], {"focal": "ther"}),
    ("score ~ x + (1 | ther)", NAMES, WORDS, {"residual_by": "ther"}),
    ("score ~ x + (1 | ther:site)", NAMES, WORDS, {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("formula", "labels", "others", "options"), CASES)
def test_a_page_is_the_same_whatever_providers_are_called(
    formula: str, labels: tuple[str, ...], others: tuple[str, ...], options: dict[str, str]
) -> None:
    page, other = (page_of(formula, own, **options) for own in (labels, others))
    assert "Zoltan" not in page.html + page.json
    assert "zq" not in other.html + other.json
    # What the same page says of others is all that an attacker has: it is the same, letter for letter.
    assert without_digests(page.json) == without_digests(other.json)
    assert without_digests(page.html) == without_digests(other.html)


@pytest.mark.slow
def test_where_a_label_is_cut_no_part_of_it_is_left() -> None:
    long = tuple(f"Zoltan Maximilian von Hohenzollern-Sigmaringen {k:02d}" for k in range(K))
    page = page_of(SLOPES, long)
    assert not re.search("Zolt|Maxim|Hohenz", page.html + page.json)


@pytest.mark.slow
def test_the_rows_of_a_page_are_about_no_single_provider() -> None:
    page = page_of(SLOPES, NAMES)
    own = [row for row in page.numbers["effects"] if row["factor"] == "ther"]
    assert own
    assert all(row["level"] is None and row["versus"] is None for row in own)
    manifest = read_manifest(page.html, name="page")
    assert not [row[0] for row in manifest["rows"] if "ther=" in row[0]]
    for check in page.numbers["checks"]:
        for row in check["table"] or []:
            assert row.get("factor", row.get("column")) != "ther" or row.get("level") is None


def test_how_much_they_differ_is_said_and_can_be_worked_out() -> None:
    fit, page = fit_of(SLOPES, NAMES), page_of(SLOPES, NAMES)
    rows = {(row["estimand"], row["term"]): row for row in page.numbers["providers"]}
    tau = fit.stacked["tau_ther"]
    for place, term in enumerate(("Intercept", "x")):
        row = rows["level_sd", term]
        # The file has five decimals.
        assert row["mean"] == pytest.approx(tau[:, place].mean(), rel=1e-5)
        assert [row["lower"], row["upper"]] == pytest.approx(list(np.quantile(tau[:, place], [0.055, 0.945])), abs=5e-6)
    # The difference of two draws has sqrt(2) times the SD, and of a standard normal |z| has mean sqrt(2/pi).
    apart = math.sqrt(2) * math.sqrt(2 / math.pi) * tau[:, 0].mean()
    assert rows["apart_on_average", "Intercept"]["mean"] == pytest.approx(apart, rel=1e-5)
    # The same rows are in the manifest, so that they are verified.
    manifest = read_manifest(page.html, name="page")
    assert {row[0] for row in manifest["rows"] if row[0].startswith("groups/")} == {
        f"groups/{row['id']}" for row in page.numbers["providers"]
    }
    (icc,) = [row for row in page.numbers["effects"] if row["estimand"] == "icc" and row["factor"] == "ther"]
    (said,) = [one for one in page.numbers["findings"] if one["name"] == "providers: ther"]
    assert said["rows"] == [icc["id"]]
    assert said["text"].startswith(f"Ther: {100 * icc['mean']:.0f}% of the variance that the predictors leave")
    four = re.search(r"Four in five are within ([\d.]+) units of score", page.html)
    assert four is not None
    # With the SD known, 80 % are within 1.2816 SDs; not knowing it moves that by less than a tenth here.
    assert float(four[1]) == pytest.approx(1.2816 * tau[:, 0].mean(), rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        # Quartiles of twelve numbers four apart: 10 + 2.75 x 4 and 10 + 8.25 x 4.
        (list(range(10, 58, 4)), "Half of them have 21 to 43 people analysed, a quarter fewer and a quarter more."),
        ([22] * K, "At least half of them have 22 people analysed each."),
        ([5] * 3 + [6] * 6 + [40] * 3, "up to 14 people analysed, of whom some have fewer than 10"),
        ([5, 6, 7] * 4, "Most of them have fewer than 10 people analysed."),
        ([20, 30, 40], "These are 3 providers"),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_how_many_people_they_have_is_told_of_none(sizes: list[int], said: str) -> None:
    frame = clients(NAMES[: len(sizes)], sizes=sizes)
    fit = ab.Model("score ~ x + (1 | ther)", roles={"ther": "provider"}).fit(frame, seed=3, progress=False)
    page = fit.report(checks=fit.check(checks=["convergence"]))
    assert said in page.html
    if len(sizes) < MANY:
        # Quartiles of three numbers and their total are the numbers.
        assert "of them have" not in page.html


@pytest.mark.slow
def test_who_may_name_them_can_and_the_page_says_how_it_was_made() -> None:
    fit = fit_of(SLOPES, NAMES)
    checks = fit.check(checks=["convergence"])
    page = fit.report(checks=checks, name_providers=True)
    levels = {row["level"] for row in page.numbers["effects"] if row["estimand"] == "mean" and row["factor"] == "ther"}
    assert levels == set(NAMES)
    assert all(name in page.html for name in NAMES)
    assert "providers" not in page.numbers
    assert read_manifest(page.html, name="page")["page_options"]["name_providers"] is True
    assert read_manifest(page_of(SLOPES, NAMES).html, name="page")["page_options"]["name_providers"] is False
    # What the analyst asks for is the analyst's own, in whatever page.
    assert len(fit.adjusted_means("ther")) == K
    with pytest.raises(UsageError, match="name_providers should be True or False but got 'yes'"):
        fit.report(checks=checks, name_providers="yes")


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_group_by_role_is_named() -> None:
    model = ab.Model("score ~ x + (1 | provider_id)", roles={"provider_id": "group"})
    fit = model.fit(clients(NAMES, "provider_id"), seed=3, progress=False)
    page = fit.report(checks=fit.check(checks=["convergence"]))
    assert all(name in page.html for name in NAMES)
    # Types of providers are groups by their name, whatever their levels are.
    frame = clients(("coach", "therapist", "both"), "provider_type")
    page = ab.Model("score ~ x + (1 | provider_type)").fit(frame, seed=3, progress=False).report()
    assert {row["level"] for row in page.numbers["effects"] if row["estimand"] == "mean"} == {
        "coach",
        "therapist",
        "both",
    }


def test_checks_by_name_are_all_tried_above() -> None:
    ran = {check["name"] for check in page_of(SLOPES, NAMES).numbers["checks"]}
    assert ran == set(CHECKS)
    assert json.loads(page_of(SLOPES, NAMES).json)["withheld"] is False
