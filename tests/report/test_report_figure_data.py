"""Every figure of a page has its numbers as a table, the same as those of the effects table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import EffectTable
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered, Report
from alliance_bayes.report.checking import checking
from alliance_bayes.report.effect_sizes import effect_sizes
from alliance_bayes.report.figure_data import MOST_ROWS, Recorder
from alliance_bayes.report.groups import groups
from alliance_bayes.report.modelling import modelling
from alliance_bayes.report.sections import Section
from alliance_bayes.report.svg import Picture, draw
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import MINUS
from alliance_bayes.report.variance import variance
from alliance_bayes.report.view import View

# Checks that other sections refer to.
REPEATED = ("cautions", "prior_check")
MAKERS = (modelling, checking, effect_sizes, groups, variance)


def pictures_of(value: object) -> list[Picture]:
    """Every picture somewhere in a section's context."""
    if isinstance(value, Picture):
        return [value]
    if isinstance(value, dict):
        return [picture for key, item in value.items() if key not in REPEATED for picture in pictures_of(item)]
    if isinstance(value, list | tuple):
        return [picture for item in value for picture in pictures_of(item)]
    pictures = getattr(value, "pictures", None)
    return pictures_of(pictures) if pictures is not None else []


def all_pictures(fit: FittedModel, table: EffectTable, checks: CheckReport) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}

    def of(maker: Callable[[View], Section]) -> Callable[[View], Section | None]:
        def section(view: View) -> Section | None:
            made = maker(view)
            found[made.id] = pictures_of(dict(made.context))
            return None

        return section

    Report(sections=[of(maker) for maker in MAKERS]).render(fit, effects=table, checks=checks)
    return found


@pytest.fixture(scope="module")
def pictures(fit: FittedModel, table: EffectTable, checks_of: Callable[..., CheckReport]) -> dict[str, list[Picture]]:
    return all_pictures(fit, table, checks_of())


@pytest.mark.slow
def test_every_figure_has_words_and_data(pictures: dict[str, list[Picture]]) -> None:
    shown = [picture for own in pictures.values() for picture in own]

    assert {section: len(own) for section, own in pictures.items()} == {
        "model": 2,
        "checks": 1,
        "effects": 3,
        "groups": 15,
        "variance": 1,
    }
    for picture in shown:
        assert picture.title
        assert picture.caption
        assert picture.data is not None
        assert picture.data.rows
        # A table that says more than the figure has a name of its own.
        own = f'id="{picture.data.name.removesuffix("-data")}-title"' in picture.markup
        assert own or picture.data.name.startswith("table-")
    names = [picture.data.name for picture in shown if picture.data]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_the_forest_of_effects_has_one_unit_and_the_tables_numbers(
    pictures: dict[str, list[Picture]], table: EffectTable
) -> None:
    (forest,) = [picture for picture in pictures["effects"] if "one axis" in picture.title]
    assert forest.data is not None

    first, *_ = forest.data.rows
    row = table[table["estimand"] == "slope_p10_p90"].iloc[0]
    assert float(first[1].replace(MINUS, "-")) == pytest.approx(row["mean"], abs=0.06)
    pairs = table[(table["estimand"] == "contrast_of_means") & table["factor"].isin(["provider_type", "sex"])]
    countries = table[(table["estimand"] == "contrast_of_means") & (table["factor"] == "country")]
    assert len(countries) == 6
    # The declared contrast and every pair of the two small factors: the largest of many is one that chance favours, and
    # a step of one SD is no contrast that the band of what is negligible is about.
    assert len(forest.data.rows) == 1 + len(pairs)
    assert not [row for row in forest.data.rows if row[0].startswith("Country")]


def test_no_figure_of_an_estimate_is_on_a_withheld_page(
    fit: FittedModel, table: EffectTable, checks_of: Callable[..., CheckReport], withheld: Rendered
) -> None:
    left = all_pictures(fit, table, checks_of(passed=False))

    assert {section: [picture.title for picture in own] for section, own in left.items()} == {
        "model": ["The model as a graph"],
        "checks": ["A line"],
        "effects": [],
        "groups": [],
        "variance": [],
    }
    assert withheld.html.count("<figure>") == 2


def test_the_graph_names_every_factor_with_its_levels(pictures: dict[str, list[Picture]], fit: FittedModel) -> None:
    graph = pictures["model"][0]
    assert graph.data is not None

    levels = {row[0]: row[2] for row in graph.data.rows}
    assert levels == {
        "Predictors": "–",
        "Provider type": "3",
        "Sex": "2",
        "Country": "4",
        "Around the expectation": "–",
    }
    assert {row[3] for row in graph.data.rows} == {"expected follow-up WHO-5", "follow-up WHO-5"}
    assert len(graph.data.rows) == len(fit.design.terms) + sum(len(f.terms) for f in fit.design.factors) + 1


def recorded(paint: Callable[[Figure], None], shown: Callable[[str], str] = str) -> Table | None:
    recorder = Recorder(paint)
    draw(recorder, name="f", title="t", description="d", size=(4, 3))
    return recorder.table("f", "Title", shown)


def test_places_are_rows_and_series_are_columns() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([1, 2], [3.25, -4], "o", label="observed")
        axes.vlines([1, 2, 5], [0, 1, 2], [2, 3, 4], label="limits")
        axes.fill_between([0, 1], [0, 1], [2, 3], label="band")
        axes.axhline(0.5, label="limit")
        axes.axvline(0)
        axes.set_xlabel("secret scale")
        axes.set_ylabel("share of\nsecret rows (%)")

    table = recorded(paint, lambda text: text.replace("secret", "a"))

    assert table is not None
    assert table.name == "f-data"
    assert table.headings == ("a scale", "observed", "limits", "band")
    assert table.rows == (
        ("0", "–", "–", "0 to 2"),
        ("1", "3.25", "0 to 2", "1 to 3"),
        ("2", f"{MINUS}4", "1 to 3", "–"),
        ("5", "–", "2 to 4", "–"),
    )
    assert table.note == "Values: share of a rows (%). Lines: limit, 0.5."


def test_bins_have_their_ends_and_points_in_them_are_of_them() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.stairs([7, 8], [0, 10, 20], label="observed")
        axes.plot([5, 15], [6, 9], label="replicated")

    table = recorded(paint)

    assert table is not None
    assert table.headings == ("Across", "replicated", "observed")
    assert table.rows == (("0 to 10", "6", "7"), ("10 to 20", "9", "8"))


def test_levels_are_rows_from_top_to_bottom() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([2, 3], [0, 1], "o", label="mean")
        axes.hlines([0, 1], [1, 2], [3, 4], label="limits")
        axes.barh([0, 1], [4, 5], label="bars")
        axes.set_yticks([0, 1], ["below", "secret level"])
        axes.set_xlabel("mean")

    table = recorded(paint, lambda text: text.replace("secret", "a"))

    assert table is not None
    assert table.headings == ("Level", "mean", "limits", "bars")
    assert table.rows == (("a level", "3", "2 to 4", "5"), ("below", "2", "1 to 3", "4"))
    # A column has that name already.
    assert not table.note


def test_panels_are_told_apart() -> None:
    def paint(figure: Figure) -> None:
        for axes, (title, shift) in zip(figure.subplots(1, 2), (("A", 0), ("B", 10)), strict=True):
            axes.bar([0.5, 1.5], [1 + shift, 2 + shift], width=1.0, label="people")
            axes.set_title(title)

    table = recorded(paint)

    assert table is not None
    assert table.headings == ("Panel", "Across", "people")
    assert table.rows == (
        ("A", "0 to 1", "1"),
        ("A", "1 to 2", "2"),
        ("B", "0 to 1", "11"),
        ("B", "1 to 2", "12"),
    )


def test_long_lines_are_thinned_to_a_table_that_a_page_can_bear() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(np.arange(5000), np.arange(5000), label="long")

    table = recorded(paint)

    assert table is not None
    assert len(table.rows) == MOST_ROWS
    assert table.rows[-1] == ("4,999", "4,999")
    assert table.note == "Of what has many points, some at even distances are given."


def test_nothing_drawn_is_no_table() -> None:
    assert recorded(lambda figure: figure.subplots().axvline(0) and None) is None
