"""Whatever is changed of a page and sealed again is found: words, tables, drawings, style, script, rows, card, JSON."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.model.spec import Card
from alliance_bayes.report.page import EMPTY, embed, read_manifest
from alliance_bayes.report.svg import draw
from alliance_bayes.verify import verification
from alliance_bayes.verify.again import Again, make_again
from alliance_bayes.verify.own_sections import without_sections
from alliance_bayes.verify.pages import compare_pages
from builders import rows
from scripted import script

FORMULA = "who5_followup ~ alliance + who5_baseline + (alliance || provider_type) + (1 || sex)"
MANIFEST = re.compile(r'<script type="application/json" id="manifest">.*?</script>', re.DOTALL)
type Verify = Callable[..., ab.Verification]


def table() -> pd.DataFrame:
    return rows(160, seed=3)


def own(view: ab.View) -> ab.Section:
    """A section with words, a table and a figure, as an analyst makes one."""
    frame = pd.DataFrame({"Sex": ["one", "two"], "Mean": ["50.1", "49.3"]})
    shown = view.table(frame, name="table-own", caption="Means")

    def paint(figure: Any) -> None:
        figure.subplots().bar(["one", "two"], [50.1, 49.3])

    figure = view.figure(paint, name="own-figure", title="Means", caption="As observed.", description="Two bars.")
    return ab.Section.of("bands", "Where people started", "Words of the analyst's own.", shown, figure)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole page with its JSON."""
    path = tmp_path_factory.mktemp("pages") / "page.html"
    card = Card("alliance", "Alliance", "How do the two go together?")
    fit = ab.Model(FORMULA, card=card).fit(table(), seed=11, draws=200, progress=False)
    effects = fit.effects()
    checks = fit.check(effects=effects, checks=["convergence", "posterior_predictive", "prior_sensitivity"])
    sections = ["data", "model", "checks", "effects", own, "groups", "sensitivity", "limitations", "reproduction"]
    ab.Report(sections=sections).render(fit, effects=effects, checks=checks).write(path)
    return path


@pytest.fixture(scope="module")
def refit(made: Path) -> Again:
    """What every verification of the page would make again."""
    manifest = read_manifest(made.read_text("utf-8"), name="page")
    return make_again(manifest, ab.read_cohort(table()), tell=lambda line: None, name="page")


@pytest.fixture
def verify(made: Path, refit: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Verifies a page, its JSON beside it, without fitting anew what would be fitted the same."""

    def call(html: str, numbers: Any = None) -> ab.Verification:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        own_json = made.with_suffix(".json").read_text("utf-8")
        path.with_suffix(".json").write_text(own_json if numbers is None else json.dumps(numbers), encoding="utf-8")
        monkeypatch.setattr(verification, "make_again", lambda *arguments, **options: refit)
        return ab.verify_report(path, ab.read_cohort(table()))

    return call


def resealed(html: str, change: Callable[[dict[str, Any]], None] = lambda manifest: None) -> str:
    """What a careful forger makes: fingerprints that fit the page as it is now."""
    manifest = read_manifest(html, name="page")
    change(manifest)
    return embed(MANIFEST.sub(EMPTY, html), {key: manifest[key] for key in manifest if key not in ("page", "digest")})


@pytest.mark.slow
def test_the_page_as_it_was_made_is_verified_and_told_what_was_done(made: Path, verify: Verify) -> None:
    found = verify(made.read_text("utf-8"))
    assert found.problems == ()
    assert len(found.figures) > 300
    assert found.notes[1] == (
        f"{len(found.figures):,} figures were estimated again, from draws the page's own: all the same to the last "
        "digit kept."
    )
    said = " ".join(found.notes)
    assert re.search(r"written again: [\d,]+ numbers of its text", said)
    assert re.search(r"So was the JSON beside it: [\d,]+ numbers", said)
    assert "nothing in them was compared: 'Where people started'" in said


ARABIC = str.maketrans("0123456789", "".join(map(chr, range(0x660, 0x66A))))
EDITS = {
    "a sentence of the key findings": lambda html: html.replace(
        '<h2 id="findings-heading">Key findings</h2>', '<h2 id="findings-heading">Key findings</h2><p>All is well.</p>'
    ),
    "a word": lambda html: html.replace("What must not be concluded", "What must be concluded"),
    "a number of a sentence": lambda html: re.sub(
        r"(equal-tailed interval )(\d)", lambda m: m[1] + str((int(m[2]) + 1) % 10), html, count=1
    ),
    "a cell": lambda html: re.sub(r"<td>(\d)", lambda m: f"<td>{(int(m[1]) + 1) % 10}", html, count=1),
    "a row of a table": lambda html: re.sub(r"<tr><th scope=\"row\".*?</tr>", "", html, count=1),
    "a path": lambda html: re.sub(r'(<path[^>]* d="M \d)', r"\g<1>9", html, count=1),
    "a mark of a drawing": lambda html: re.sub(r"<use [^>]*>", "", html, count=1),
    "what assistive technology reads": lambda html: re.sub(
        r'aria-label="Figure: ', 'aria-label="Figure of ', html, count=1
    ),
    "a description": lambda html: re.sub(r"(<desc [^>]*>)", r"\1Not: ", html, count=1),
    "style": lambda html: html.replace("</style>", "tr { display: none }</style>"),
    "a style sheet of its own": lambda html: html.replace("</head>", "<style>p { display: none }</style></head>"),
    "an attribute": lambda html: html.replace("<main>", "<main hidden>"),
    "a class": lambda html: re.sub(
        r'<tr><th scope="row" class="', '<tr class="skip"><th scope="row" class="', html, count=1
    ),
    "the policy": lambda html: html.replace("default-src &#39;none&#39;", "default-src *"),
    "a script": lambda html: html.replace('"use strict";', '"use strict"; document.title = "";', 1),
    "a comment": lambda html: html.replace("<footer>", "<!-- nothing --><footer>"),
    "white space": lambda html: html.replace("<footer>", " <footer>"),
    "the card": lambda html: html.replace("How do the two go together?", "How well does it work?"),
    "digits of another script in a path": lambda html: re.sub(
        r'(<path[^>]* d=")([^"]*)', lambda m: m[1] + m[2].translate(ARABIC), html, count=1
    ),
    "digits of another script in a place": lambda html: re.sub(
        r'(<use [^>]*x=")([^"]*)', lambda m: m[1] + m[2].translate(ARABIC), html, count=1
    ),
    "digits of another script in a cell": lambda html: re.sub(
        r"<td>([0-9.]+)", lambda m: f"<td>{m[1].translate(ARABIC)}", html, count=1
    ),
    "zeros after a number": lambda html: re.sub(r"<td>([0-9]+\.[0-9]+)<", r"<td>\g<1>000<", html, count=1),
    "zeros before a number": lambda html: re.sub(r"<td>([0-9]+)<", r"<td>0000\g<1><", html, count=1),
    "zeros after a place of a path": lambda html: re.sub(
        r'(<path[^>]* d="M [0-9]+\.[0-9]+)', r"\g<1>000", html, count=1
    ),
    "other separators in a path": lambda html: re.sub(r'(<path[^>]* d="M [0-9.]+) ', r"\1,", html, count=1),
    "another command in a path": lambda html: re.sub(r'(<path[^>]* d="M [0-9. ]+)L', r"\1l", html, count=1),
    "a label of an axis": lambda html: re.sub(r"(<text[^>]*>)([1-9])(</text>)", r"\1\g<2>0\3", html, count=1),
    "a number by hidden text": lambda html: html.replace("<footer>", '<p class="small">n = 12</p><footer>'),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", EDITS)
def test_what_is_changed_and_sealed_again_is_found(what: str, made: Path, verify: Verify) -> None:
    html = made.read_text("utf-8")
    changed = EDITS[what](html)
    assert changed != html
    found = verify(resealed(changed))
    assert found.problems
    # Page and manifest fit each other: it is the refit that finds it.
    assert not any("fingerprint" in problem for problem in found.problems)


def _anywhere(html: str, chance: random.Random) -> str:
    """One character of the page, outside the manifest and the analyst's own section, changed into another."""
    own_part = re.search(r'<section id="bands".*?</section>', html, re.DOTALL)
    manifest = MANIFEST.search(html)
    assert own_part
    assert manifest
    while True:
        at = chance.randrange(len(html))
        if own_part.start() <= at < own_part.end() or manifest.start() <= at < manifest.end() or html[at].isspace():
            continue
        other = chance.choice("0123456789" if html[at].isdigit() else "abcdefgh")
        if other != html[at]:
            return html[:at] + other + html[at + 1 :]


@pytest.mark.slow
def test_forty_random_edits_are_found_or_below_what_rounding_moves(made: Path, verify: Verify) -> None:
    html, chance = made.read_text("utf-8"), random.Random(5)
    below = 0
    for _ in range(40):
        found = verify(resealed(_anywhere(html, chance)))
        # A hundredth of a point of a drawing, which is counted.
        counted = any("differ by no more than rounding" in note for note in found.notes)
        assert found.problems or counted
        below += not found.problems
    assert below <= 2


def test_a_row_left_out_of_page_and_manifest_is_found(made: Path, verify: Verify) -> None:
    def drop(manifest: dict[str, Any]) -> None:
        assert manifest["rows"].pop(3)[0] == name

    html = made.read_text("utf-8")
    name = read_manifest(html, name="page")["rows"][3][0]
    assert f"{name}: the page has no such row." in verify(resealed(html, drop)).problems


def test_no_rows_at_all_are_found(made: Path, verify: Verify) -> None:
    html = made.read_text("utf-8")
    for none in ([], None):
        assert verify(resealed(html, lambda manifest, none=none: manifest.update(rows=none))).problems  # type: ignore[misc]


@pytest.mark.parametrize("key", ["formula", "family", "seed", "card", "checks", "sections", "page_options", "info"])
def test_what_the_manifest_states_is_compared(key: str, made: Path, verify: Verify) -> None:
    def change(manifest: dict[str, Any]) -> None:
        value = manifest[key]
        if isinstance(value, dict):
            manifest[key] = {**value, "more": 1}
        else:
            manifest[key] = value[:-1] if isinstance(value, list) else value + (1 if isinstance(value, int) else "x")

    # The refit is that of the true manifest: whatever else is stated is not what it was made of.
    assert verify(resealed(made.read_text("utf-8"), change)).problems


@pytest.mark.slow
def test_every_number_of_the_json_is_compared(made: Path, verify: Verify) -> None:
    html, chance = made.read_text("utf-8"), random.Random(1)
    numbers = json.loads(made.with_suffix(".json").read_text("utf-8"))
    leaves: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            if isinstance(item, dict | list):
                collect(item)
            elif isinstance(item, int | float | str):
                leaves.append((value, key))

    collect(numbers)
    for holder, key in chance.sample(leaves, 25):
        kept = holder[key]
        holder[key] = kept + "x" if isinstance(kept, str) else not kept if isinstance(kept, bool) else kept * 1.01 + 1
        problems = verify(html, numbers).problems
        assert len(problems) == 1
        assert problems[0].startswith("JSON /")
        holder[key] = kept
    assert verify(html, {**numbers, "more": 1}).notes
    del numbers["checks"]
    assert verify(html, numbers).problems == ("JSON /: other entries, or in another order.",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "inside",
    [
        "<style>p { display: none }</style>",
        '<p style="position: fixed; top: 0">All is well.</p>',
        "<p>open",
        "</main>",
        "<!-- ",
        "<script>1</script>",
        "<p onclick='x()'>x</p>",
        '<p id="findings">twice</p>',
        "<title>outside of a drawing</title>",
        '<a title="</section>',
        '<svg overflow="visible" width="1" height="1"><rect x="-2000" y="-9000" width="6000" height="9000"/></svg>',
        *(
            f'<div class="scroll"><svg {attribute} viewBox="0 0 9 9"><rect width="9" height="9"/></svg></div>'
            for attribute in (
                'overflow="visible"',
                'transform="translate(0 -500)"',
                'class="skip"',
                'width="99999"',
                'viewBox="0 0 9 9" clip-path="none"',
                'preserveAspectRatio="none"',
                "hidden",
                'x="-5"',
            )
        ),
        '<div class="scroll"><svg viewBox="0 0 9 9"><p>out of the drawing</p></svg></div>',
        '<div class="scroll"><svg viewBox="0 0 9 9"><svg overflow="visible"></svg></svg></div>',
        '<div class="scroll"><svg viewBox="0 0 9 9"><foreignObject></foreignObject></svg></div>',
        '<div class="scroll"><svg viewBox="0 0 9 9"><desc><b>words</b></desc></svg></div>',
        '<div class="scroll"><svg viewBox="0 0 9 9"><image href="https://example.org/a.png"/></svg></div>',
        '<div class="skip"></div>',
        '<p class="findings">All is well.</p>',
        '<p class="verdict pass">pass</p>',
        "<h2>Key findings</h2>",
        '<p hidden="">x</p>',
        '<p>x<a href="https://example.org">y</a></p>',
        '<p id="&#102;indings">twice</p>',
        '<p id="table-own">twice in the section</p>',
        '<p id="table-own-all"><b></p></b>',
        '<p\u00a0class="note">x</p>',
        "<div/>",
    ],
)
def test_an_own_section_holds_nothing_that_changes_the_page_around_it(inside: str, made: Path, verify: Verify) -> None:
    html = made.read_text("utf-8")
    changed = html.replace("<p>Words of the analyst&#39;s own.</p>", inside)
    assert changed != html
    assert any("analyst's own" in problem for problem in verify(resealed(changed)).problems)


def test_an_own_table_does_not_stand_for_one_of_the_page(made: Path, verify: Verify) -> None:
    """The script saves, beside a table, what has its id and '-all'."""
    html = made.read_text("utf-8")
    theirs = next(name for name in re.findall(r'<table id="([^"]*)"', html) if f'id="{name}-all"' not in html)
    changed = html.replace("<p>Words of the analyst&#39;s own.</p>", f'<p id="{theirs}-all">x</p>')
    assert any(f"'{theirs}-all'" in problem for problem in verify(resealed(changed)).problems)


def test_the_heading_of_an_own_section_is_compared(made: Path, verify: Verify) -> None:
    html = made.read_text("utf-8")
    changed = re.sub(r'(<h2 id="bands-heading">)[^<]*', r"\1Key findings", html)
    assert changed != html
    assert verify(resealed(changed)).problems


def paint_much(figure: Any) -> None:
    """What analysts draw: pixels, hatches, text over several lines, contours, pies."""
    axes = figure.subplots(2, 3).ravel()
    axes[0].imshow([[1, 2], [3, 4]])
    axes[1].bar([1, 2], [3, 4], hatch="//")
    axes[2].contourf([[1, 2, 3], [3, 5, 4], [6, 1, 2]])
    axes[3].scatter([1, 2], [2, 3], rasterized=True)
    axes[4].text(0.5, 0.5, 'A & <b>\n"two"', style="italic", alpha=0.5)
    axes[4].annotate("here", (1, 1), (2, 2), arrowprops={"arrowstyle": "->"})
    axes[5].pie([1, 2])
    figure.colorbar(axes[0].images[0])


def test_whatever_a_figure_draws_may_stand_in_an_own_section() -> None:
    drawn = draw(paint_much, name="x", title="A & B", description='"Much" <drawn>', size=(9, 5))
    section = '<section id="a" aria-labelledby="a-heading"><h2 id="a-heading">1 A</h2>{}</section>'
    shell = section.format(f'<figure><div class="scroll">{drawn}</div><figcaption><b>A.</b></figcaption></figure>')
    assert without_sections(shell, ["a"]) == (section.format("\n"), [])


def test_words_of_an_own_section_are_not_compared(made: Path, verify: Verify) -> None:
    html = made.read_text("utf-8")
    assert verify(resealed(html.replace("Words of the analyst&#39;s own.", "Other words."))).problems == ()


@pytest.mark.slow
def test_a_hostile_page_is_read_in_time_that_grows_with_its_length(made: Path, verify: Verify) -> None:
    html = made.read_text("utf-8")
    for piece in ("<", "<a ", "<p>", "<p>1", ">", '<section id="bands" aria-labelledby="bands-heading">', "<!--"):
        size = len(html) // len(piece)
        assert verify(resealed(html.replace("<footer>", piece * size + "<footer>"))).problems


def test_a_json_file_that_is_none_is_refused(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(made.read_text("utf-8"), encoding="utf-8")
    for text, said in (("[" * 100_000, "nested"), ("{", "damaged"), ("[]", "no numbers"), ("1" * 9999, "64 bits")):
        path.with_suffix(".json").write_text(text, encoding="utf-8")
        with pytest.raises(ab.FileFormatError, match=said):
            ab.verify_report(path, ab.read_cohort(table()))


def test_the_check_of_kept_pages_compares_as_verify_does(
    made: Path, refit: Again, monkeypatch: Any, tmp_path: Path
) -> None:
    checking = script("scripts", "check_reports")
    monkeypatch.setattr(verification, "make_again", lambda *arguments, **options: refit)
    cohort = ab.read_cohort(table())
    assert checking.differences(made, made, cohort) == []
    html, fresh = made.read_text("utf-8"), tmp_path / "fresh.html"
    # Another card today, and a page whose words are not what is written today.
    fresh.write_text(resealed(html, lambda manifest: manifest.update(seed=12)), encoding="utf-8")
    assert checking.differences(made, fresh, cohort) == ["Manifest /seed: 11, but 12 by the refit."]
    fresh.write_text(resealed(EDITS["a word"](html)), encoding="utf-8")
    assert "The page lacks 'What must not be concluded'." in checking.differences(fresh, made, cohort)


def plot(labels: dict[str, int], end: int) -> str:
    """A page with one drawing: labels of an axis at their places, and a line that follows draws."""
    texts = "".join(
        f'<text transform="rotate(0 {at} 9.5)" x="{at}.25" y="9.5">{label}</text>' for label, at in labels.items()
    )
    line = f'<path d="M 0 0 L {end} 40.25"/>'
    return f'<div id="a"><svg aria-labelledby="b-title b-desc" viewBox="0 0 400 99">{line}{texts}</svg></div>'


AXIS = {"0": 20, "20": 120, "40": 220, "60": 320, "score": 170}


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (AXIS, False),
        ({label: at + 6 for label, at in AXIS.items()}, False),
        ({**AXIS, "80": 390}, False),
        ({**AXIS, "90": 390}, True),
        ({"00": 20, "200": 120, "400": 220, "600": 320, "score": 170}, True),
        ({"0": 20, "10": 120, "20": 220, "30": 320, "score": 170}, True),
        ({"20": 20, "40": 120, "60": 220, "80": 320, "score": 170}, True),
        ({"60": 20, "40": 120, "20": 220, "0": 320, "score": 170}, True),
        ({**AXIS, "effect": 250}, True),
        ({"0": 20, "20": 120, "40": 220, "60": 320, "scare": 170}, True),
        ({"0": 20, "20": 120, "40": 220, "060": 320, "score": 170}, True),
        ({}, True),
    ],
)
def test_where_draws_are_other_ones_labels_are_those_of_the_fits_about_there(
    labels: dict[str, int], found: bool
) -> None:
    others = [plot(AXIS, end) for end in (301, 303, 299, 305)]
    assert bool(compare_pages(plot(labels, 302), plot(AXIS, 300), others).problems) is found
