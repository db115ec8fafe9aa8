"""Sections of the analyst's own: handed in they are made again and compared as ours are; otherwise never verified."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.effects import EffectTable
from alliance_bayes.report import SECTIONS
from alliance_bayes.report.page import EMPTY, embed, read_manifest
from alliance_bayes.report.sections import SectionMaker
from alliance_bayes.verify.own_sections import without_sections
from builders import rows

# Drawings of the package's own sections are compared elsewhere (test_forged_pages.py, test_verify_report.py).
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]

FORMULA = "who5_followup ~ alliance + who5_baseline + (alliance || provider_type) + (1 || sex)"
MANIFEST = re.compile(r'<script type="application/json" id="manifest">.*?</script>', re.DOTALL)
WORDS = "Slopes of the analyst&#39;s own choice."
type Verify = Callable[..., ab.Verification]


def differences(fit: Any) -> EffectTable:
    """What the section estimates, of any fit."""
    table: EffectTable = fit.contrasts("provider_type", of="slope", prob=0.8)
    return table


def slopes(view: ab.View) -> ab.Section:
    """A section with estimates, as an analyst makes one."""
    found = differences(view.fit)
    estimates = view.estimated("slopes", found)
    shown = view.effect_table(
        estimates,
        name="table-own",
        caption="Differences of slopes",
        label=lambda row: f"{row['level']} against {row['versus']}",
    )
    numbers = {"slopes": estimates.records()}
    words = "Slopes of the analyst's own choice."
    return ab.Section.of("slopes", "Slopes", words, shown, numbers=numbers, rows=found, remake=differences)


@ab.Section.last("places")
def places(view: ab.View) -> ab.Section:
    """A section that says where others are."""
    return ab.Section.of("places", "Where to look", f"Slopes: {view.place('slopes')}. This: {view.place('places')}.")


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return ab.Model(FORMULA).fit(rows(160, seed=3), seed=11, draws=200, progress=False)


@pytest.fixture
def page(fit: ab.Fit, tmp_path: Path) -> Callable[[Sequence[str | ab.Section | SectionMaker]], Path]:
    """Writes a page with some sections."""
    effects = fit.effects(["slopes"])
    checks = fit.check(effects=effects, checks=["convergence"])

    def call(sections: Sequence[str | ab.Section | SectionMaker]) -> Path:
        path = tmp_path / "page.html"
        ab.Report(sections=sections).render(fit, effects=effects, checks=checks).write(path)
        return path

    return call


@pytest.fixture
def verify() -> Verify:
    def call(path: Path, *sections: Any) -> ab.Verification:
        return ab.verify_report(path, ab.read_cohort(rows(160, seed=3)), sections=sections)

    return call


def change(path: Path, edit: Callable[[dict[str, Any]], None] = lambda manifest: None, **words: str) -> None:
    """Forge a page as a careful forger does: with fingerprints that fit."""
    html = path.read_text("utf-8")
    manifest = read_manifest(html, name="page")
    edit(manifest)
    for old, new in words.items():
        assert old in html
        html = html.replace(old, new)
    bare = {key: manifest[key] for key in manifest if key not in ("page", "digest")}
    path.write_text(embed(MANIFEST.sub(EMPTY, html), bare), encoding="utf-8")


def own_rows(manifest: dict[str, Any]) -> list[list[Any]]:
    return [row for row in manifest["rows"] if row[0].startswith("slopes/")]


def shift(manifest: dict[str, Any]) -> None:
    """Another mean of the section's first row."""
    own_rows(manifest)[0][1] += 1.0


def test_what_is_handed_in_is_made_again_and_compared_whole(page: Any, verify: Verify) -> None:
    path = page(["effects", slopes, places])

    found = verify(path, slopes, places)

    assert found.problems == ()
    assert not [note for note in found.notes if "analyst's own" in note]
    named = {figure.row for figure in found.figures if figure.row.startswith("slopes/")}
    assert len(named) == len(own_rows(read_manifest(path.read_text("utf-8"), name="page"))) == 6
    assert "Slopes: Section 2. This: Section 3." in path.read_text("utf-8")

    change(path, shift)
    forged = verify(path, slopes, places)
    (figure,) = (figure for figure in forged.figures if not figure.agree)
    assert (figure.row.startswith("slopes/"), figure.name) == (True, "mean")
    assert any(problem.startswith(f"{figure.row}: mean is ") for problem in forged.problems)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (WORDS, "Slopes, all of them clear."),
        ("Differences of slopes", "Differences of means"),
        ("Slopes</h2>", "Effects</h2>"),
        ("therapist against coach", "coach against therapist"),
    ],
)
def test_every_word_of_what_is_handed_in_is_compared(old: str, new: str, page: Any, verify: Verify) -> None:
    path = page(["effects", slopes])
    change(path, **{old: new})
    assert verify(path, slopes).problems


def test_the_json_of_what_is_handed_in_is_compared(page: Any, verify: Verify) -> None:
    path = page(["effects", slopes])
    beside = path.with_suffix(".json")
    text = beside.read_text("utf-8")
    beside.write_text(text.replace('"slopes": [', '"slopes": [{"mean": 1.0},', 1), encoding="utf-8")
    assert any(problem.startswith("JSON /slopes") for problem in verify(path, slopes).problems)
    assert verify(path).problems == ()


def test_what_is_not_handed_in_is_said_not_to_be_verified(page: Any, verify: Verify) -> None:
    path = page(["effects", slopes, places])
    change(path, shift, **{WORDS: "All is well."})

    found = verify(path, places)

    assert found.problems == ()
    (said,) = (note for note in found.notes if "analyst's own are made again" in note)
    assert said.endswith("these were not, so nothing in them was compared: 'Slopes', with 6 estimates.")
    assert not [figure for figure in found.figures if figure.row.startswith("slopes/")]


def test_a_section_that_is_made_by_hand_is_compared_and_its_estimates_made_again(
    fit: ab.Fit, page: Any, verify: Verify
) -> None:
    made = ab.Section.of("slopes", "Slopes", "Words.", rows=differences(fit), remake=differences)
    path = page(["effects", made])
    assert verify(path, made).problems == ()
    change(path, shift)
    assert any(problem.startswith("slopes/") for problem in verify(path, made).problems)


def test_estimates_that_a_section_only_claims_are_found_by_making_them_again(
    fit: ab.Fit, page: Any, verify: Verify
) -> None:
    claimed = differences(fit)
    claimed["mean"] += 1.0

    def claiming(view: ab.View) -> ab.Section:
        return ab.Section.of("slopes", "Slopes", "Words.", rows=claimed, remake=differences)

    found = verify(page(["effects", claiming]), claiming)
    assert {figure.name for figure in found.figures if not figure.agree} == {"mean"}
    assert len(found.problems) == len(claimed)


def fails(fit: Any) -> EffectTable:
    raise RuntimeError("no such file")


def others(fit: Any) -> EffectTable:
    return differences(fit).iloc[1:]


def test_other_rows_than_the_page_has_are_told(fit: ab.Fit, page: Any, verify: Verify) -> None:
    made = ab.Section.of("slopes", "Slopes", "Words.", rows=differences(fit), remake=others)
    path = page(["effects", made])
    gone = f"slopes/{differences(fit).index[0]}"
    assert f"{gone}: the refit has no such row." in verify(path, made).problems
    more = replace(made, remake=lambda fit: EffectTable.concat([differences(fit), differences(fit).under("more")]))
    assert sum("the page has no such row" in problem for problem in verify(path, more).problems) == 6


@pytest.mark.parametrize(
    ("remake", "said"),
    [
        (fails, r"section 'slopes': .*cannot be made again \(RuntimeError\('no such file'\)\)"),
        (lambda fit: None, "section 'slopes': what remake returns should be an effects table.* but got NoneType"),
        (lambda fit: pd.DataFrame(differences(fit)), "section 'slopes': .* but got DataFrame"),
        (lambda fit: differences(fit).drop(columns=["mean", "sd"]), "section 'slopes': .* lacks the columns mean, sd"),
        (lambda fit: 1 / 0, "section 'slopes': .*ZeroDivisionError"),
    ],
)
def test_a_remake_that_makes_no_table_is_refused_by_name(
    remake: Any, said: str, fit: ab.Fit, page: Any, verify: Verify
) -> None:
    made = ab.Section.of("slopes", "Slopes", "Words.", rows=differences(fit), remake=remake)
    path = page(["effects", made])
    with pytest.raises(ab.UsageError, match=said):
        verify(path, made)


def test_a_function_that_fails_is_its_own_fault_and_not_the_page_s(page: Any, verify: Verify) -> None:
    path = page(["effects", slopes])

    def broken(view: ab.View) -> ab.Section:
        raise KeyError("who5")

    with pytest.raises(ab.UsageError, match=r"'broken' that was handed in cannot be made again \(KeyError\('who5'\)\)"):
        verify(path, broken)
    with pytest.raises(ab.UsageError, match="should return a Section"):
        verify(path, lambda view: "words")

    def mistaken(view: ab.View) -> ab.Section:
        return ab.Section.of("slopes", "Slopes", f"{len(view.fit.contrasts('weather'))} differences.")

    with pytest.raises(ab.UsageError, match=r"'mistaken' that was handed in cannot be made again .*'weather'"):
        verify(path, mistaken)


def test_what_is_handed_in_and_not_in_the_page_is_told(page: Any, verify: Verify) -> None:
    path = page(["effects", slopes])
    found = verify(path, slopes, places, ab.Section.of("extra", "Extra", "x"))
    assert found.problems == (
        "The page has no section 'extra', which was handed in.",
        "The page has no section 'places', which was handed in.",
    )
    # Left out of page and manifest, it is missed by who knows of it.
    gone = page(["effects"])
    assert verify(gone, slopes).problems == ("The page has no section 'slopes', which was handed in.",)
    # Nothing to say is no section.
    assert verify(gone, lambda view: None).problems == ()


def test_hostile_ways_of_handing_in_are_refused(page: Any, verify: Verify) -> None:
    path = page(["effects", slopes])
    with pytest.raises(ab.UsageError, match="two sections with the id 'slopes'"):
        verify(path, slopes, ab.Section.of("slopes", "Slopes", "x"))
    with pytest.raises(ab.UsageError, match="'effects' comes with the package"):
        verify(path, "effects")
    with pytest.raises(ab.UsageError, match="neither a name"):
        verify(path, 3)
    with pytest.raises(ab.UsageError, match=r"Write \['slopes'\]"):
        ab.verify_report(path, ab.read_cohort(rows(160, seed=3)), sections="slopes")  # type: ignore[arg-type]


def test_an_own_section_does_not_stand_for_one_of_the_package_even_if_it_is_handed_in(
    page: Any, verify: Verify
) -> None:
    cover = ab.Section.of("effects", "Effect sizes", "All is well.")
    with pytest.raises(ab.FileFormatError, match="own section 'effects'"):
        verify(page([cover]), cover)
    # One that claims to come with the package is compared with what the package makes.
    assert verify(page([replace(cover, packaged=True)]), cover).problems


def test_a_section_of_another_page_is_not_taken_for_that_of_this(page: Any, verify: Verify) -> None:
    path = page(["effects", slopes])
    change(path, lambda manifest: manifest["sections"][1].update(id="other"))
    assert verify(path, slopes).problems


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows": True}, "section 'a' has rows, but no remake"),
        ({"remake": differences}, "section 'a' has remake, but no rows"),
        ({"rows": "frame", "remake": differences}, "section 'a': rows should be an effects table.* but got DataFrame"),
    ],
)
def test_estimates_come_with_how_they_are_made_again(options: dict[str, Any], said: str, fit: ab.Fit) -> None:
    found = differences(fit)
    given = {key: {True: found, "frame": pd.DataFrame(found)}.get(value, value) for key, value in options.items()}
    with pytest.raises(ab.UsageError, match=said):
        ab.Section.of("a", "A", "words", **given)


def test_a_row_is_called_what_its_estimand_says(page: Any) -> None:
    def plain(view: ab.View) -> ab.Section:
        found = view.fit.contrasts("sex").iloc[:1]
        table = view.effect_table(view.estimated("plain", found), name="plain-table", caption="Means")
        assert table.headings[:2] == ("Estimate", "Mean")
        assert [row[0] for row in (*table.rows, *table.more)] == ["Male minus female"]
        return ab.Section.of("plain", "Plain", table)

    assert 'id="plain-table"' in page(["effects", plain]).read_text("utf-8")


def test_a_last_section_has_the_id_it_was_named_by(fit: ab.Fit, page: Any) -> None:
    @ab.Section.last("one")
    def other(view: ab.View) -> ab.Section:
        return ab.Section.of("two", "Two", "x")

    with pytest.raises(ab.UsageError, match="'one' was made with the id 'two'"):
        page(["effects", other])

    @ab.Section.last("one")
    def nothing(view: ab.View) -> ab.Section | None:
        return None

    assert 'id="one"' not in page(["effects", nothing]).read_text("utf-8")


def test_the_manifest_has_no_row_about_a_level_of_which_the_page_says_nothing(tmp_path: Path) -> None:
    frame = rows(160, seed=3)
    # Three people are "both".
    frame.loc[frame.index[frame["provider_type"] == "both"][3:], "provider_type"] = "coach"
    fit = ab.Model(FORMULA).fit(frame, seed=11, draws=200, progress=False)
    effects = fit.effects(["slopes"])
    checks = fit.check(effects=effects, checks=["convergence"])
    path = tmp_path / "page.html"
    ab.Report(sections=["effects", slopes]).render(fit, effects=effects, checks=checks).write(path)
    named = [row[0] for row in own_rows(read_manifest(path.read_text("utf-8"), name="page"))]
    assert not [name for name in named if "both" in name]
    assert "against both" not in path.read_text("utf-8")
    assert ab.verify_report(path, ab.read_cohort(frame), sections=[slopes]).problems == ()


def test_sections_of_the_package_make_their_estimates_again_of_any_fit(fit: ab.Fit) -> None:
    effects = fit.effects(["slopes"])
    checks = fit.check(effects=effects, checks=["convergence", "prior_sensitivity"])
    made: list[ab.Section] = []

    def watched(name: str) -> SectionMaker:
        def make(view: ab.View) -> ab.Section | None:
            section = SECTIONS[name](view)
            if section is not None and section.rows is not None:
                made.append(section)
            return section

        return make

    ab.Report(sections=[watched(name) for name in SECTIONS]).render(fit, effects=effects, checks=checks)
    assert {section.id for section in made} >= {"endpoints", "sensitivity"}
    for section in made:
        assert section.rows is not None
        # Another fit with the same draws.
        again = section.remade(replace(fit)).rows
        pd.testing.assert_frame_equal(pd.DataFrame(section.rows), pd.DataFrame(again))


def test_what_a_page_makes_of_empty_cells_and_of_tall_figures_is_let_through() -> None:
    """Classes that the package's own tables and figures have, of a section that nobody handed in."""
    row = '<tr><th scope="row" class="word">a</th><td class="word none">x</td><td class="none">x</td></tr>'
    table = f'<div class="scroll"><table class="cards"><tbody>{row}</tbody></table></div>'
    narrow = '<div class="narrow"><svg class="picture" viewBox="0 0 1 1"></svg></div>'
    drawn = f'<div class="scroll"><svg class="picture wide tall" viewBox="0 0 1 1"></svg>{narrow}</div>'
    page = '<section id="own" aria-labelledby="own-heading">\n<h2 id="own-heading">Own</h2>{}\n</section>'
    assert without_sections(page.format(table + drawn), ["own"])[1] == []
    for kind in ("none word", "wide", "word tall"):
        forged = page.format(table.replace("word none", kind))
        assert len(without_sections(forged, ["own"])[1]) == 1
