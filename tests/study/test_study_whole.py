"""The whole study of a small cohort: statements, table, page and JSON say the same, and nobody can be told."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import math
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport, Gate
from alliance_bayes.cli import main
from alliance_bayes.report import Rendered, svg
from alliance_bayes.report.page import EMPTY, embed, read_manifest
from alliance_bayes.report.records import unit
from alliance_bayes.study import Study, run_study, runner
from alliance_bayes.study.tables import shown
from report import test_report_page as house
from report.test_report_hostile import Tags
from report.test_report_withheld import numbers_in

# One study for all of them.
pytestmark = pytest.mark.slow

PARTS = {
    "ratings": ["ratings-observed", "ratings-expected", "ratings-gradients"],
    "change": [
        "change-means",
        "change-regression",
        "change-improved",
        "change-improved-elevated",
        "change-recovered-elevated",
    ],
    "association": ["association-everybody", "association-elevated", "association-groups", "association-curve"],
    "moderation": ["moderation"],
}
# Rows that are no draws of a model: they do not depend on a sampler.
DESCRIPTIVE = "ratings-observed"


def people(n: int = 400, **changes: Callable[[pd.DataFrame], object]) -> pd.DataFrame:
    """Rows of a simulated cohort as text and numbers, one column or another changed."""
    frame = ab.simulate_cohort(n=n, seed=3).data.drop(columns=["provider_id", "who5_change"])
    for name in ("sex", "country", "provider_type"):
        frame[name] = frame[name].astype(str)
    for name, change in changes.items():
        frame[name] = change(frame)
    return frame


def studied(frame: pd.DataFrame) -> Study:
    return run_study(ab.read_cohort(frame), progress=False)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "cohort.csv"
    people().to_csv(path, index=False)
    return path


@dataclass(frozen=True)
class Written:
    """What the command left and said, and the study and page behind it."""

    page: Path
    status: int
    out: str
    err: str
    study: Study
    report: Rendered


@pytest.fixture(scope="module")
def written(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The study, run once for all tests, as users run it."""
    page, made, render = tmp_path_factory.mktemp("page") / "x.html", [], Study.report

    def kept(study: Study, *arguments: Any, **options: Any) -> Rendered:
        made.append((study, render(study, *arguments, **options)))
        return made[-1][1]

    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        patch.setattr(Study, "report", kept)
        # Of every drawing a picture is made, but of few dots: nobody looks at them here.
        patch.setattr(svg, "_PRINT_DPI", 40)
        with pytest.raises(SystemExit) as ended:
            main(["study", str(table), "-o", str(page), "--bundle", str(page.with_name("bundle"))])
    ((study, report),) = made
    return Written(page, int(ended.value.code or 0), out.getvalue(), err.getvalue(), study, report)


@pytest.fixture(scope="module")
def study(written: Written) -> Study:
    return written.study


@pytest.fixture(scope="module")
def report(written: Written) -> Rendered:
    return written.report


def holds_together(study: Study, report: Rendered | None = None) -> tuple[Rendered, house.Node]:
    """What every study must be, whatever its cohort; returns its page."""
    report = report or study.report()
    page = house.parsed(report.html)
    # Ids unique, links found, nothing loaded, a policy that forbids it.
    house.test_ids_are_unique_and_every_link_and_reference_finds_its_target(page)
    house.test_nothing_is_loaded_from_anywhere(page, report)
    house.test_the_content_policy_allows_this_style_sheet_this_script_and_pictures_inside_the_page_only(page)
    levels = [int(node.tag[1]) for node in page.all(*house.HEADINGS)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for shown_table in page.all("table"):
        head, *body = shown_table.all("tr")
        assert body, shown_table.attributes
        assert {len(row.all("th", "td")) for row in body} == {len(head.all("th"))}
    for picture in page.all("svg"):
        title, description = picture.all("title", "desc")
        assert title.text
        assert len(description.text) > 20
    known = {f"{row['block']}/{name}" for name, row in study.table().iterrows()}
    for part in study.parts.values():
        for block in part.blocks:
            page.by_id(block.name)
        for statement in part.findings:
            assert set(statement.rows) <= known, statement.text
            assert not re.search(r"\bnan\b|NaN|None", statement.text), statement.text
    check_numbers(study, json.loads(report.json))
    ids = set(study.cohort.data["participant_id"].astype(str))
    assert all(re.fullmatch(r"\w+", name) for name in ids)
    assert not ids & set(re.findall(r"\w+", report.json + report.html))
    return report, page


def test_a_notebook_shows_what_was_found_and_how_it_was_sampled(study: Study) -> None:
    page = BeautifulSoup(study._repr_html_(), "html.parser")
    items = [item.get_text() for item in page.find_all("li")]
    said = [" ".join(finding.split()) for finding in study.findings]
    assert len(said) > len(items) - 1 == 12
    # A long one is cut off, and says so.
    assert all(text.startswith(item.removesuffix("…")) for item, text in zip(items[:-1], said, strict=False))
    assert items[-1] == f"and {len(said) - 12} more"
    # A notebook keeps both.
    assert len(page.prettify()) + len(repr(study)) < 20_000
    parts, fits = len(study.parts), len(study.fitted)
    assert repr(study) == f"<Study of 'cohort.csv': {len(said)} findings in {parts} parts, {fits} models>"
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in page.tbody.find_all("tr")]
    models = study.models()
    assert [row[:2] for row in rows] == models[["model", "family"]].to_numpy().tolist()
    for row, (_, model) in zip(rows, models.iterrows(), strict=True):
        assert float(row[-1]) == round(model["rhat"], 3)
        assert int(row[4]) == model["divergences"]


def test_regression_to_the_mean_is_shown_for_a_range_of_populations_and_never_as_a_limit(
    study: Study, report: Rendered
) -> None:
    block = next(block for block in study.parts["change"].blocks if block.name == "change-regression")
    shares = block.rows[block.rows["estimand"] == "share_of_regression"]
    assert shares["level"].tolist() == [
        f"{who}, population mean {mean}" for who in ("everybody", "at most 28") for mean in (47, 70)
    ]
    labels = [row[0] for row in block.tables[0].rows]
    assert len(set(labels)) == len(labels) == 14
    assert labels[4] == "Everybody: share expected from regression to a population mean of 47"
    assert labels[-1] == "Baseline WHO-5 of 28 or less: share expected from regression to a population mean of 70"
    said = [one for one in study.parts["change"].findings if one.rows[0].startswith(block.name)]
    assert [one.rows for one in said] == [
        tuple(f"{block.name}/{name}" for name in shares.index[place : place + 2]) for place in (0, 2)
    ]
    for one, mean in ((one, mean) for one in said for mean in (47, 70)):
        assert f"if that mean is {mean}" in one.text
    text = re.sub(r"<[^>]*>", "", report.html.partition("</style>")[2].partition("<script")[0])
    assert not re.search(r"\bbounds?\b", text)


def check_numbers(study: Study, numbers: dict[str, list[dict[str, object]]]) -> None:
    frame = study.table()
    assert [record["id"] for record in numbers["effects"]] == list(frame.index)
    for record, (_, row) in zip(numbers["effects"], frame.iterrows(), strict=True):
        # No row is at given values, and no record says that it is not.
        assert "at" not in record
        for name, value in row.drop("at").items():
            if isinstance(value, float) and not math.isfinite(value):
                assert record[str(name)] is None
            elif not isinstance(value, str) and not pd.isna(value):
                # Six digits; of what is on the scale of the SD, five of that.
                scaled = name in ("mean", "sd", "median", "lower", "upper", "mcse_mean") and row["sd"] > 0
                step = unit(float(row["sd"]), float(row["sd"])) if scaled else unit(float(value))
                assert abs(float(str(record[str(name)])) - value) <= 0.51 * step
            elif isinstance(value, str):
                assert record[str(name)] == value


def test_the_parts_and_their_blocks(study: Study) -> None:
    assert {name: [block.name for block in part.blocks] for name, part in study.parts.items()} == PARTS
    assert not study.withheld
    assert all(part.left_out == () for part in study.parts.values())
    assert [name for name, part in study.parts.items() if not part.findings] == []
    assert not study.table()["mean"].isna().all()


def test_statements_table_page_and_json_agree(study: Study, report: Rendered) -> None:
    _, page = holds_together(study, report)

    assert report.findings == study.findings
    sentences = [statement for part in study.parts.values() for statement in part.findings]
    assert study.findings == tuple(statement.text for statement in sentences if statement.key)
    # The page names the kind of its intervals once.
    kind = re.compile(r"[0-9.]+% equal-tailed interval ")
    text = kind.sub("", page.text)
    for statement in sentences:
        assert kind.sub("", statement.text[1:].replace(" %", "%")) in text
    assert [node.text for node in page.all("main")[0].all("h2")][1:] == [
        "1 Who was studied",
        *(f"{k} {part.title}" for k, part in enumerate(study.parts.values(), 2)),
        "6 Whether to trust it",
        "7 Limitations",
        "8 Reporting guidelines",
        "9 Methods and references to copy",
        "10 Models and reproduction",
    ]


def test_nothing_of_the_page_counts_the_few_who_lack_one_value_more() -> None:
    """Rows of nested models: neither their numbers nor the means of their predictors are there to be subtracted."""
    lacking = np.isin(np.arange(400), [50, 60, 70, 80])

    def without(column: str) -> Callable[[pd.DataFrame], object]:
        return lambda frame: frame[column].mask(lacking)

    study = studied(people(alliance=without("alliance")))
    report, page = holds_together(study)

    sizes = {name: made.fit.flow.analysed for name, made in study.fitted.items() if isinstance(made.fit, ab.Fit)}
    first, change = sizes["outcome_everybody"], sizes["change_everybody"]
    assert change == first + 4
    told = [row[2] for row in house.cells(page.by_id("table-models"))[1:]]
    numbers = dict(zip(study.fitted, told, strict=True))
    assert numbers["outcome_everybody"] == str(first)
    assert numbers["change_everybody"] == numbers["alliance_gaussian"] == "–"
    text = re.sub(r"\b[0-9a-f]{64}\b", "", report.json + report.html)
    assert not re.search(rf"\b{change}\b(?!\.)", text)
    for name, made in study.fitted.items():
        assert isinstance(made.fit, ab.Fit)
        if sizes[name] not in (first, sizes["outcome_elevated"]):
            for centre in made.fit.design.centres.values():
                assert f"{centre:.5g}" not in text


def test_every_block_names_its_models_with_a_link_to_their_cards(study: Study, report: Rendered) -> None:
    page = house.parsed(report.html)
    models = {block.name: block.models for part in study.parts.values() for block in part.blocks}
    assert models[DESCRIPTIVE] == ()
    assert models["change-means"] == ("change_everybody", "change_elevated")
    assert models["association-curve"] == ("dose_response",)
    assert {name for names in models.values() for name in names} == set(study.fitted)
    links = {link.attributes.get("href") for link in page.all("a")}
    assert {f"#card-{name}" for name in study.fitted} <= links


def test_the_guidelines_say_what_a_study_does_and_does_not(study: Study, report: Rendered) -> None:
    numbers = json.loads(report.json)["guidelines"]
    # The model of the main aim has every check.
    assert {item for item, status in numbers["barg"].items() if status == "not done"} == {
        "6 Data made available",
        "6 Draws made available",
    }
    assert {item for item, status in numbers["wambs"].items() if status == "not done"} == {
        "3 Convergence again with twice the iterations",
        "6 Marginal posteriors shown, to be judged by the reader",
    }
    assert numbers["barg"]["1C Priors, each with its reason"] == "done"
    assert numbers["barg"]["2B Convergence of the chains, for every parameter and every effect"] == "done"
    page = house.parsed(report.html)
    for name, made in study.fitted.items():
        assert isinstance(made.fit, ab.Fit)
        listed = [row[0] for row in house.cells(page.by_id(f"table-priors-{name}"))[1:]]
        assert listed == list(made.fit.priors)
    links = page.by_id("table-barg").all("a")
    assert links
    assert all(page.by_id(link.attributes["href"][1:]) for link in links)


def test_the_numbers_of_statements_are_those_of_their_rows(study: Study) -> None:
    checked = 0
    for part in study.parts.values():
        blocks = {block.name: block for block in part.blocks}
        for statement in part.findings:
            for reference in statement.rows:
                name, _, identity = reference.partition("/")
                estimates, row = shown(blocks[name].rows), blocks[name].rows.loc[identity]
                if "probability_of_superiority" in identity or "share" in identity or len(statement.rows) > 2:
                    continue
                assert estimates.mean(row).removeprefix("\N{MINUS SIGN}") in statement.text
                # What is called lower by so much has ends of how much lower.
                lower = row["mean"] < 0 and re.search(r"\blower, by\b", statement.text) is not None
                assert estimates.spoken(row, lower=lower) in statement.text
                checked += 1
    assert checked >= 10


def test_no_row_level_data_is_in_the_json(study: Study, report: Rendered) -> None:
    def longest(value: object) -> int:
        match value:
            case dict():
                return max((longest(item) for item in value.values()), default=0)
            case list():
                own = len(value) if all(isinstance(item, int | float) for item in value) else 0
                return max([own, *map(longest, value)])
        return 0

    numbers = json.loads(report.json)
    # A list of numbers as long as a subgroup could be one a person.
    assert longest(numbers) < 20
    assert set(numbers) == {
        "format",
        "title",
        "withheld",
        "reasons",
        "prob",
        "answer",
        "summary",
        "checks",
        "findings",
        "effects",
        "parts",
        "participants",
        "guidelines",
        "models",
        "meta",
    }


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_command_writes_both_files_and_says_what_was_found(
    table: Path, written: Written, study: Study, report: Rendered
) -> None:
    assert written.status == 0
    assert written.out.splitlines() == [str(written.page), *(f"  * {sentence}" for sentence in study.findings)]
    lines = written.err.splitlines()
    assert lines[0] == "Ratings of the alliance (Gaussian): 400 rows ..."
    assert lines[-2] == "writing the report ..."
    assert lines[-1].startswith("writing the bundle '")
    assert {path.name for path in written.page.parent.iterdir()} == {"x.html", "x.json", "x.key", "bundle"}
    assert written.page.with_suffix(".json").read_text(encoding="utf-8") == report.json
    assert written.page.read_text(encoding="utf-8") == report.html


def test_the_bundle_has_the_rows_of_the_json_and_those_of_the_answer(written: Written, report: Rendered) -> None:
    found = pd.read_csv(written.page.with_name("bundle") / "estimates.csv")
    records = json.loads(report.json)["effects"]
    assert len(records) > 20
    # What the page's answer is made of has no block.
    answer = found[found["section"].isin(["answer", "confounding"])]
    assert set(answer["section"]) == {"answer", "confounding"}
    assert answer.loc[answer["section"] == "answer", "block"].isna().all()
    found = found.drop(answer.index)
    assert found["section"].tolist() == [record["part"] for record in records]
    assert found["block"].tolist() == [record["block"] for record in records]
    assert found["id"].tolist() == [f"{record['block']}/{record['id']}" for record in records]
    for name in ("mean", "sd", "median", "lower", "upper", "p_direction", "rhat"):
        np.testing.assert_array_equal(found[name], [np.nan if r[name] is None else r[name] for r in records])


def test_the_page_is_verified_by_its_table_and_a_forged_number_is_found(
    table: Path, tmp_path: Path, study: Study, report: Rendered
) -> None:
    manifest = read_manifest(report.html, name="study")
    row = next(row for row in manifest["rows"] if row[0].startswith("association-everybody/everybody/slope/"))
    row[manifest["columns"].index("mean")] += 1
    bare = {key: value for key, value in manifest.items() if key not in ("page", "digest")}
    start = report.html.index('<script type="application/json" id="manifest">')
    end = report.html.index("</script>", start) + len("</script>")
    page = tmp_path / "forged.html"
    page.write_text(embed(report.html[:start] + EMPTY + report.html[end:], bare), encoding="utf-8")

    found = ab.verify_report(page, ab.read_cohort(table))

    assert [(figure.row, figure.name) for figure in found.figures if not figure.agree] == [(row[0], "mean")]
    # The study was run again, in Python: the same draws, to the last digit.
    assert found.table.loc[found.table["agree"], "error"].isna().all()
    # The rows of the parts, and the shares of people that only the answer states.
    own = {name for name in report.numbers["answer"]["rows"] if name.startswith("answer/")}
    assert len(own) == 2
    # And how strong an unmeasured cause must be, which the limitations state of the main aim.
    causes = {name for name in found.table["row"] if name.startswith("confounding/")}
    assert any(name.startswith("confounding/robustness") for name in causes)
    assert set(found.table["row"]) == set(study.rows().index) | own | causes
    assert len(found.problems) == 1


def test_a_closed_gate_withholds_every_number_of_the_models(
    capsys: pytest.CaptureFixture[str],
    table: Path,
    tmp_path: Path,
    study: Study,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reason = "3 draws of 600 diverged, so part of the posterior may be missing: raise target_accept."
    real = runner.run_gate
    monkeypatch.setattr(
        runner, "run_gate", lambda *given: dataclasses.replace(real(*given), gate=Gate(False, (reason,)))
    )

    status, out, _ = run(capsys, "study", table, "-o", tmp_path / "x.html")
    html, numbers = ((tmp_path / f"x.{kind}").read_text(encoding="utf-8") for kind in ("html", "json"))
    found = json.loads(numbers)

    assert status == 1
    closed = [
        (part.title, block.title) for part in study.parts.values() for block in part.blocks if block.name != DESCRIPTIVE
    ]
    assert [line for line in out.splitlines() if "withheld" in line] == [
        f"  * {part}: withheld. {block}: {reason}" for part, block in closed
    ]
    assert found["withheld"] is True
    assert found["reasons"] == [f"{block}: {reason}" for _, block in closed]
    assert {record["block"] for record in found["effects"]} == {DESCRIPTIVE}
    assert "line_against_spline" not in found["parts"]["association"]
    present = set(numbers_in(found))
    (seen,) = (block for block in study.parts["ratings"].blocks if block.name == DESCRIPTIVE)
    described = {shown(seen.rows).interval(row) for _, row in seen.rows.iterrows()}
    for part in study.parts.values():
        for block in part.blocks:
            if block.name == DESCRIPTIVE:
                continue
            estimates = shown(block.rows)
            for _, row in block.rows.iterrows():
                # Whole numbers such as 0 may coincide with a setting.
                values = {float(row[name]) for name in ("mean", "sd", "median", "lower", "upper")}
                assert not {v for v in values & present if not math.isclose(v, round(v))}
                assert estimates.spoken(row) not in html
                # An interval of few digits may be that of a description as well.
                assert estimates.interval(row) in described or estimates.interval(row) not in html
    section = house.parsed(html).by_id("association")
    assert section.all("svg", "table") == []
    assert "Withheld: the draws did not pass the checks." in section.text


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_closed_gate_of_one_model_withholds_that_block_and_what_rests_on_it(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = runner.run_gate

    def one(fit: ab.Fit, *effects: object) -> CheckReport:
        bad = fit.spec.formula.startswith("who5_followup ~ alliance + ") and fit.flow.analysed > 200
        judged = real(fit, *effects)
        return dataclasses.replace(judged, gate=Gate(False, ("Bad.",))) if bad else judged

    monkeypatch.setattr(runner, "run_gate", one)
    study = run_study(ab.read_cohort(table), progress=False)

    withheld = [block.name for part in study.parts.values() for block in part.blocks if block.withheld]
    assert withheld == ["association-everybody", "association-groups", "association-curve"]
    numbers = json.loads(study.report().json)
    assert "line_against_spline" not in numbers["parts"]["association"]
    assert "straight line" not in " ".join(study.findings).lower()
    assert len([part for part in study.parts.values() if part.withheld]) == 1


HOSTILE = {
    "coach": "<script>alert(1)</script>",
    "therapist": '"><img src=x onerror=alert(2)>',
    "both": "{{ 7 * 7 }} & $\\frac{1}$",
}


def test_labels_that_are_markup_are_shown_and_gaps_are_left_out(study: Study, report: Rendered) -> None:
    rng = np.random.default_rng(0)

    def gaps(name: str) -> Callable[[pd.DataFrame], object]:
        return lambda frame: frame[name].mask(rng.random(len(frame)) < 0.05)

    frame = people(
        provider_type=lambda frame: frame["provider_type"].map(HOSTILE),
        country=lambda frame: np.where(np.arange(len(frame)) % 2, "</title><b>", "' onload='alert(3)"),
        age=gaps("age"),
        alliance=gaps("alliance"),
        days_in_care=gaps("days_in_care"),
        sex=gaps("sex"),
    )

    hostile, _ = holds_together(studied(frame))
    ours, theirs = Tags(), Tags()
    ours.feed(report.html)
    theirs.feed(hostile.html)

    assert theirs.tags <= ours.tags
    assert theirs.attributes <= ours.attributes
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile.html
    assert "</title><b>" not in hostile.html
    assert "&lt;/title&gt;&lt;b&gt;" in hostile.html
    assert "<img" not in hostile.html
    assert "{{ 7 * 7 }}" in hostile.html
    found = {record["level"] for record in json.loads(hostile.json)["effects"] if record["factor"] == "provider_type"}
    assert found == set(HOSTILE.values())
    flow = json.loads(hostile.json)["participants"]
    assert flow["participants"] == 400
    assert flow["analysed"] == int(frame.drop(columns=["n_sessions"]).notna().all(axis=1).sum())


@pytest.mark.usefixtures("gate_alone")
def test_one_country_and_one_sex() -> None:
    study = studied(people(country=lambda _: "US", sex=lambda _: "female"))

    holds_together(study)

    assert set(study.table()["factor"].dropna()) == {"provider_type", "who5_baseline", "n_sessions"}
    assert "(1 | country)" not in study.fitted["alliance_gaussian"].spec.formula
    assert "Sex, " not in " ".join(study.findings)


def test_nothing_to_compare_at_all() -> None:
    study = studied(people(country=lambda _: "US", sex=lambda _: "female", provider_type=lambda _: "coach"))

    _, page = holds_together(study)

    formulas = {made.spec.formula for made in study.fitted.values()}
    assert not [formula for formula in formulas if "|" in formula]
    (overall,) = (s.text for s in study.parts["moderation"].findings if s.key)
    assert overall.startswith(
        "Of 2 differences of the slope (between low and high baseline WHO-5, between few and many sessions), "
    )
    assert page.by_id("moderation").text


@pytest.mark.usefixtures("gate_alone")
def test_a_level_that_only_incomplete_rows_have_and_levels_of_one_person() -> None:
    def countries(frame: pd.DataFrame) -> np.ndarray:
        return np.where(np.arange(len(frame)) < 30, "Lost", np.where(np.arange(len(frame)) == 50, "Alone", "Here"))

    frame = people(country=countries, who5_followup=lambda frame: frame["who5_followup"].mask(np.arange(400) < 30))

    study = studied(frame)
    holds_together(study)

    assert study.fitted["outcome_everybody"].fit.design.factors[-1].levels == ("Alone", "Here")
    # The mean observed rating of one person is that person's rating, and how many are in the next smallest country
    # would tell that it is one person: both are hidden, and a country alone has nothing beside it.
    observed = study.parts["ratings"].blocks[0].rows
    assert set(observed["factor"]) == {"provider_type", "sex"}
    assert not {"Lost", "Alone"} & set(observed["level"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either a COHORT or --demo. 'alliance-bayes study --help' shows how."),
        (["TABLE", "--demo"], "give either a COHORT or --demo. 'alliance-bayes study --help' shows how."),
        (["MOMENTS"], "the study needs rows, and moments hold none. Give a table, or fit single models to them."),
        (["TABLE", "-o", "x.pdf"], "the report's file 'x.pdf' should end in .html. Rename it."),
        (
            ["TABLE", "--margin", "0", "--elevated", "100"],
            "run_study: --elevated should be in the interval [0, 100) but got 100.0; --margin should be a finite "
            "number above 0 but got 0.0. Nothing was fitted.",
        ),
        (
            ["SHORT"],
            "short.csv: the study needs the columns alliance, who5_baseline, who5_followup, age, sex, country, "
            "provider_type, days_in_care, n_sessions, and this table has no sex, n_sessions. Add them (rename columns "
            "with --map ...), or fit single models with 'alliance-bayes fit'.",
        ),
        (
            ["TABLE", "--keep", "cohort.csv"],
            "'cohort.csv' is a file, and no folder. Choose another name.",
        ),
    ],
)
def test_wrong_use_is_status_2_and_writes_nothing(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = people(150)
    frame.to_csv("cohort.csv", index=False)
    frame.drop(columns=["sex", "n_sessions"]).to_csv("short.csv", index=False)
    if "MOMENTS" in arguments:
        model = ab.Model("who5_followup ~ alliance + age + (1 | sex)")
        ab.save_moments(ab.reduce_table("cohort.csv", model), "m.nc", spec=model)
    before = sorted(tmp_path.iterdir())
    files = {"TABLE": "cohort.csv", "SHORT": "short.csv", "MOMENTS": "m.nc"}

    status, out, err = run(capsys, "study", *(files.get(argument, argument) for argument in arguments))

    assert (status, out, err) == (2, "", f"error: {message}\n")
    assert sorted(tmp_path.iterdir()) == before


def test_tables_that_are_read_together_say_of_how_many_people_each_is_and_why_they_differ(
    study: Study, report: Rendered
) -> None:
    page = BeautifulSoup(report.html, "html.parser")
    analysed = {name: model.fit.design.n for name, model in study.fitted.items()}
    mixed = []
    for part in study.parts.values():
        section = page.find(id=part.name)
        # Ratings are described of those whom Table 1 counts, where few of the others could be told.
        behind = {name: analysed[name] for block in part.blocks for name in (block.of.get("") or block.models)}
        why = [text.get_text() for text in section.find_all("p") if "not all of the same people" in text.get_text()]
        found = []
        shown = [*section.select(".tablename"), *section.select("figcaption")]
        for caption in (one for one in shown if not one.find_parent("details", class_="data")):
            told = re.search(r"(?:; |\. )([\d,]+)(?: and ([\d,]+))? people\.?$", caption.get_text().strip())
            found.append(set() if told is None else {int(n.replace(",", "")) for n in told.groups() if n})
        if len(set(behind.values())) < 2:
            assert why == []
            assert not any(found), part.name
            continue
        mixed.append(part.name)
        (sentence,) = why
        assert all(found), part.name
        numbers = set().union(*found)
        assert numbers == set(behind.values())
        assert numbers == {int(n.replace(",", "")) for n in re.findall(r"([\d,]+)(?= and \d| people)", sentence)}
        assert sentence.endswith("Each model leaves out who lacks a value that it needs.")
    # Those with a follow-up beside all who were rated, and everybody beside those who began low.
    assert mixed == ["ratings", "change", "association"]
    low = study.cohort.data["who5_baseline"] <= study.options.elevated
    complete = study.cohort.data["who5_followup"].notna()
    assert f"of 28 or less): {int((low & complete).sum())} people" in report.html
