"""What objects look like in a notebook: their own numbers, no markup of labels, nobody's values, and not too much."""

from __future__ import annotations

import dataclasses
import time
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes import notebook
from alliance_bayes.api import Fit
from alliance_bayes.checks import CheckReport, run_checks
from alliance_bayes.cohort import Cohort
from alliance_bayes.effects import effects
from alliance_bayes.fit import FittedModel
from builders import fitted, own_check, row_of, rows, table_of

HOSTILE = ["<script>alert(1)</script>", '" onload="x', "\x00\u202ename", "{{ 7 }}", "&amp;"]
TAGS = {"div", "p", "br", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}


class Reader(HTMLParser):
    """Tags, attributes and text; what is opened is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= set(attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(thing: Any) -> Reader:
    reader = Reader(thing._repr_html_())
    assert reader.tags <= TAGS
    assert reader.attributes <= {("style", "text-align: left"), ("class", "dataframe")}
    assert not set(reader.text) & {"\x00", "\u202e"}
    return reader


def tables(thing: Any) -> list[pd.DataFrame]:
    """Its tables as text, the first row of their heads as columns."""
    found = []
    for one in BeautifulSoup(thing._repr_html_(), "html.parser").find_all("table"):
        heads = [cell.get_text() for cell in one.thead.tr.find_all("th")]
        cells = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in one.tbody.find_all("tr")]
        found.append(pd.DataFrame(cells, columns=heads))
    return found


def of_api(made: FittedModel) -> Fit:
    given = {one.name: getattr(made, one.name) for one in dataclasses.fields(made) if one.init}
    return Fit(**given)


@pytest.fixture(scope="module")
def fit() -> Fit:
    made = fitted(rows(200, countries=4), draws=150)
    return of_api(made)


def test_a_cohort_has_the_numbers_of_its_columns(fit: Fit) -> None:
    frame = rows(200)
    frame.loc[:11, "age"] = np.nan
    reader = read(cohort := Cohort(frame, "a & b.csv"))
    assert "Cohort a & b.csv" in reader.text
    assert "participants: 200" in reader.text
    (shown,) = tables(cohort)
    shown = shown.set_index("column")
    assert list(shown.index) == list(cohort.data.columns)
    assert shown.loc["age", "n"] == "188"
    assert shown.loc["age", "missing"] == "12"
    assert shown.loc["age", "mean (SD)"] == f"{frame['age'].mean():.1f} ({frame['age'].std():.2f})"
    assert shown.loc["sex", "median, or levels"] == "female, male"


def test_a_cohort_names_nobody_and_tells_no_value_of_few() -> None:
    frame = pd.DataFrame(
        {
            "pid": pd.Categorical([f"Anna-{k // 4}" for k in range(48)]),
            "week": np.tile(np.arange(4.0), 12),
            "mood": np.arange(48.0) + 0.125,
            "rare": [*np.full(44, np.nan), 71.25, 72.25, 73.25, 74.25],
        }
    )
    reader = read(cohort := ab.read_cohort(frame, person="pid", time="week", unit="diary"))
    assert "participants: 12 · diaries: 48" in reader.text
    assert "Anna" not in reader.text
    shown = tables(cohort)[0].set_index("column")
    assert shown.loc["rare", "n"] == "4"
    assert shown.loc["rare", "mean (SD)"] == ""
    assert not [value for value in ("71.25", "72.75", "74.25") if value in reader.text]
    # Nor where nobody says that a column is of persons.
    for each, people in ((8, 14), (40, 5), (4, 3)):
        who = pd.DataFrame({"Zimmer": np.repeat([f"Anna-{k}" for k in range(people)], each), "x": 1.0})
        assert f"{people} levels" in read(one := ab.read_cohort(who)).text
        assert "Anna" not in read(one).text
    names = pd.Categorical([f"Anna-{k}" for k in range(30)])
    assert "Anna" not in read(Cohort(pd.DataFrame({"name": names, "x": np.arange(30.0)}), "c")).text


def test_a_large_cohort_is_shown_in_little_time_and_space() -> None:
    n = 1_000_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{k}": rng.normal(size=n) for k in range(4)})
    frame["site"] = pd.Categorical.from_codes(rng.integers(0, 1000, n), [f"s{k}" * 50 for k in range(1000)])
    cohort = Cohort(frame, "big")
    started = time.process_time()
    assert len(cohort._repr_html_()) < 5_000
    # A second and a half on the slowest machine that CI knows; what grew with rows or levels squared would be minutes.
    assert time.process_time() - started < 15
    wide = Cohort(pd.DataFrame({f"column {k} {'x' * 400}": np.arange(20.0) for k in range(300)}), "w" * 9999)
    assert len(wide._repr_html_()) < 20_000
    assert "20 of 300 rows" in read(wide).text


def test_no_label_becomes_markup(fit: Fit) -> None:
    frame = rows(250)
    frame["sex"] = pd.Categorical.from_codes(np.arange(250) % 3, HOSTILE[:3])
    frame = frame.rename(columns={"age": "<img src=x>"})
    reader = read(Cohort(frame, "<b>\x00.csv"))
    assert "<script>alert(1)</script>" in reader.text
    assert "<img src=x>" in reader.text
    made = fitted(frame.rename(columns={"<img src=x>": "age"}), formula="who5_followup ~ alliance + sex", draws=100)
    read(made.priors)
    read(of_api(made))
    read(made.spec)
    check = own_check("own", title="<script>x</script>")
    read(run_checks(made, checks=[check]))


def test_priors_and_model_show_each_prior_with_its_reason(fit: Fit) -> None:
    wanted = fit.priors.to_frame()
    (shown,) = tables(fit.priors)
    assert shown.to_numpy().tolist() == wanted.head(20).to_numpy().tolist()
    model = ab.Model("who5_followup ~ alliance + (1 | country)", priors="literature", focal="alliance")
    reader = read(model)
    assert "who5_followup ~ alliance + (1 | country)" in reader.text
    assert "predictor of interest: alliance" in reader.text
    assert tables(model)[0]["parameter"].tolist() == list(model.priors)


def test_a_fit_shows_its_coefficients_and_how_they_were_sampled(fit: Fit) -> None:
    reader = read(fit)
    assert "analysed: 200 participants" in reader.text
    assert "draws: 4 chains of 150" in reader.text
    (shown,) = tables(fit)
    slope = fit.posterior["beta"].sel(term="alliance").to_numpy()
    row = shown.set_index("").loc["coefficient/alliance"]
    assert abs(float(row["mean"]) - slope.mean()) < 0.006  # three digits of a number between 1 and 10
    low, high = (float(end) for end in str(row["89% interval"]).split(" to "))
    np.testing.assert_allclose([low, high], np.quantile(slope, [0.055, 0.945]), atol=0.006)


def test_checks_show_verdicts_and_why_conclusions_are_withheld(fit: Fit) -> None:
    report = run_checks(fit, checks=["convergence", "groups"])
    (shown,) = tables(report)
    assert shown["verdict"].tolist() == [result.verdict for result in report.results]
    assert shown["check"].tolist() == [result.title for result in report.results]
    closed = CheckReport(report.results, ab.checks.Gate(False, ("Few draws.",)))
    assert "Conclusions are withheld." in read(closed).text
    assert "Few draws." in read(closed).text


def test_an_effects_table_says_its_interval_once_and_slices_as_pandas_does(fit: Fit) -> None:
    table = effects(fit)
    html = table._repr_html_()
    assert html is not None
    assert html.startswith("<p>Posterior, 89% equal-tailed intervals</p>")
    assert html.count("eti") == 0
    (shown,) = tables(table.head(3))
    assert len(shown) == 3
    assert not {"interval", "prob", "level"} & set(shown.columns)
    # Whoever takes some columns has what pandas shows of them, and rows are counted as pandas counts them.
    few = table[["mean", "sd"]]
    assert few._repr_html_() == pd.DataFrame(few)._repr_html_()
    assert len(table[table["estimand"] == "slope"]._repr_html_() or "") < len(html)
    assert table[:0]._repr_html_() == pd.DataFrame(table[:0])._repr_html_()
    with pd.option_context("display.notebook_repr_html", False):
        assert table._repr_html_() is None
    several = table_of(row_of(1.0, 1.0, prob=0.89), row_of(2.0, 1.0, prob=0.5))
    assert several._repr_html_() == pd.DataFrame(several)._repr_html_()
    named = fitted(rows(250).assign(sex=pd.Categorical.from_codes(np.arange(250) % 5, HOSTILE)), draws=100)
    assert "<script" not in (effects(named)._repr_html_() or "")


@given(st.text(max_size=2000))
def test_text_from_anywhere_is_text(text: str) -> None:
    shown = Reader(f"<p>{notebook.escaped(text)}</p>")
    assert shown.tags == {"p"}
    assert len(shown.text) <= notebook.MOST_LETTERS
    if text.isprintable() and len(text) <= notebook.MOST_LETTERS:
        assert shown.text == text


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_keep_three_digits(value: float) -> None:
    said = notebook.number(value).replace("\N{MINUS SIGN}", "-").replace(",", "")
    if not np.isfinite(value):
        assert said == "–"
    else:
        # Half a unit of the third digit, and what a double itself leaves.
        assert abs(float(said) - value) <= 0.0051 * abs(value)
