"""The methods paragraph and its references: what they name is what the fit and its checks did, and BibTeX reads it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from alliance_bayes.checks import CHECKS, CheckReport, Gate
from alliance_bayes.effects import EffectTable, effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.defaults import PRIOR_SETS
from alliance_bayes.report import Rendered
from alliance_bayes.report.methods import REFERENCES, Cited, bibtex, fit_sentences
from builders import fitted, rendered, rows
from report.test_report_page import parsed


def entries_of(text: str) -> dict[str, dict[str, str]]:
    """Entries of a ``.bib`` file by key, read brace by brace; anything that is no entry is an error."""
    found: dict[str, dict[str, str]] = {}
    place = 0
    while place < len(text.rstrip()):
        start = re.compile(r"\s*@(\w+)\{([^,{}\s]+),").match(text, place)
        assert start is not None, text[place : place + 60]
        kind, key = start.groups()
        place = start.end()
        fields = {"ENTRYTYPE": kind}
        while not (end := re.compile(r"\s*,?\s*\}").match(text, place)):
            name = re.compile(r"[\s,]*(\w+)\s*=\s*\{").match(text, place)
            assert name is not None, text[place : place + 60]
            depth, place = 1, name.end()
            first = place
            while depth:
                depth += {"{": 1, "}": -1}.get(text[place], 0)
                place += 1
            assert name[1] not in fields
            fields[name[1]] = text[first : place - 1]
        place = end.end()
        assert key not in found
        found[key] = fields
    return found


def copied(report: Rendered) -> tuple[str, dict[str, dict[str, str]]]:
    text, references = (node.text for node in parsed(report.html).by_id("methods").all("pre"))
    return text, entries_of(references)


def test_every_reference_is_a_valid_entry_with_a_doi() -> None:
    entries = entries_of(bibtex(REFERENCES.items()))

    assert list(entries) == list(REFERENCES)
    for key, entry in entries.items():
        assert entry["ENTRYTYPE"] == "article"
        assert set(entry) - {"doi"} == {"ENTRYTYPE", "author", "title", "journal", "volume", "pages", "year"}
        assert re.fullmatch(r"(19|20)\d\d", entry["year"])
        assert key.endswith(entry["year"])
        assert all(re.fullmatch(r"[^,]+, [^,]+", name) for name in entry["author"].split(" and "))
        # Everything that BibTeX prints is ASCII: accents are commands.
        assert all(value.isascii() for value in entry.values())
        # The Journal of Machine Learning Research gives none.
        assert ("doi" in entry) == ("Machine Learning Research" not in entry["journal"])
        assert re.fullmatch(r"10\.\d{4,}/\S+", entry.get("doi", "10.1234/x"))
    assert len({entry.get("doi", key) for key, entry in entries.items()}) == len(entries)


def test_text_and_references_belong_together(report: Rendered) -> None:
    text, entries = copied(report)

    named = [key for keys in re.findall(r"\[([\w; ]+)\]", text) for key in keys.split("; ")]
    assert set(named) == set(entries)
    assert list(entries) == report.numbers["methods"]["references"]
    assert text == report.numbers["methods"]["text"]
    assert "200 participants" in text
    assert "4 chains of 150 kept draws, seed 0" in text
    assert "89% equal-tailed interval" in text


def checks_named(*names: str) -> CheckReport:
    import pandas as pd

    table = pd.DataFrame({"value": [1.0]})
    return CheckReport(tuple(CHECKS[name].result("pass", "Fine.", table) for name in names), Gate(True, ()))


@pytest.mark.parametrize(
    ("names", "cited", "not_cited"),
    [
        (("convergence",), {"vehtari2021"}, {"vehtari2017", "vehtari2024", "czado2009"}),
        (("convergence", "loo"), {"vehtari2021", "vehtari2017", "vehtari2024"}, {"czado2009"}),
        (("calibration",), {"czado2009"}, {"vehtari2021", "vehtari2017"}),
    ],
)
def test_a_check_is_cited_only_where_it_was_run(
    fit: FittedModel, table: EffectTable, names: tuple[str, ...], cited: set[str], not_cited: set[str]
) -> None:
    text, entries = copied(rendered(fit, effects=table, checks=checks_named(*names), sections=["checks", "methods"]))

    assert cited <= set(entries)
    assert not not_cited & set(entries)
    done, _, missing = text.partition("Not done: ")
    assert ("PSIS-LOO" in done) == ("loo" in names)
    assert ("PSIS-LOO" in missing) == ("loo" not in names)


@pytest.mark.parametrize(
    ("info", "cited", "not_cited", "words"),
    [
        (
            {"engine": "collapsed", "sampler": "independence Metropolis-Hastings"},
            {"tierney1994", "cappe2008"},
            {"hoffman2014", "abrilpla2023"},
            "independence Metropolis-Hastings",
        ),
        (
            {"engine": "collapsed", "sampler": "NUTS on the marginal density", "fallback": "poor", "tune": 1000},
            {"hoffman2014"},
            {"tierney1994", "cappe2008", "abrilpla2023"},
            "no-U-turn sampler",
        ),
        (
            {"engine": "nuts", "sampler": "nutpie", "density": "PyMC graph", "tune": 1000},
            {"hoffman2014", "abrilpla2023"},
            {"tierney1994"},
            "1,000 warm-up draws",
        ),
        (
            {"engine": "nuts", "sampler": "nutpie", "density": "compiled", "tune": 600},
            {"hoffman2014"},
            {"tierney1994", "abrilpla2023"},
            "on the exact gradient of the joint density",
        ),
    ],
)
def test_the_sampler_that_ran_is_the_one_cited(
    fit: FittedModel,
    table: EffectTable,
    checks_of: Callable[..., CheckReport],
    info: Mapping[str, Any],
    cited: set[str],
    not_cited: set[str],
    words: str,
) -> None:
    packages = dict.fromkeys(("alliance_bayes", "pymc", "nutpie", "arviz"), "1.2.3")
    fit = dataclasses.replace(fit, info={**fit.info, **info, "versions": packages})

    text, entries = copied(rendered(fit, effects=table, checks=checks_of(), sections=["methods"]))

    assert cited <= set(entries)
    assert not not_cited & set(entries)
    assert words in text
    assert ("pymc 1.2.3" in text) == (info.get("density") == "PyMC graph")
    assert ("nutpie 1.2.3" in text) == (info["engine"] == "nuts" or "fallback" in info)
    assert "arviz 1.2.3" in text


@pytest.mark.parametrize("name", list(PRIOR_SETS))
def test_the_sources_of_the_priors_are_those_of_the_set(name: str, checks_of: Callable[..., CheckReport]) -> None:
    fit = fitted(rows(200), formula="who5_followup ~ alliance", spec={"priors": name}, draws=60)

    text, entries = copied(rendered(fit, effects=effects(fit), checks=checks_of(), sections=["methods"]))

    assert f"the set “{name}”" in text
    assert ("aafjes2024" in entries) == (name == "literature")
    assert ("flueckiger2018" in entries) == (name in ("literature", "enthusiastic"))


def test_no_estimate_is_in_the_text_when_conclusions_are_withheld(withheld: Rendered) -> None:
    text, entries = copied(withheld)

    assert "no estimate is reported" in text
    # What was withheld is not among the checks that the text says were made.
    made, kept = (text.partition(f"{word}: ")[2].partition(". ")[0] for word in ("Checks", "with the estimates"))
    assert "convergence of the chains" in made
    assert "residuals along numeric predictors" in kept
    assert not {*made.split("; ")} & {*kept.split("; ")}
    assert "residuals along" not in made
    assert not {"gelman2019", "kruschke2018", "robins1986"} & set(entries)


def test_a_hostile_fit_changes_neither_markup_nor_bibtex(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(200).rename(columns={"country": "c<pre>\u202e<script>"})
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | `c<pre>\u202e<script>`)", draws=60)
    versions = {"alliance_bayes": "1}\n@comment{x, <b>\\input{/etc/passwd}", "arviz": "2\x00\n"}
    info = {**fit.info, "cohort_source": "x\n@misc{evil,}</pre><b>", "versions": versions, "engine": "</pre>"}
    fit = dataclasses.replace(fit, info=info)

    report = rendered(fit, effects=effects(fit), checks=checks_of(), sections=["methods"])
    text, entries = copied(report)

    assert "evil" not in entries
    assert re.fullmatch(r"Version [\w.+-]+", entries["alliance_bayes"]["note"])
    assert "\u202e" not in text
    assert "\x00" not in report.html
    assert "<b>" not in report.html
    assert "c<pre>" in text  # shown as text
    # Three paragraphs, whatever the labels hold.
    assert text.count("\n\n") == 2
    assert text.replace("\n\n", "").count("\n") == 0


@pytest.mark.parametrize(
    ("n", "people", "small", "source", "said"),
    [
        (
            12,
            (12, 80),
            10,
            "NHS Data Dictionary",
            "12 scores were made up for missing items by the mean of the",
        ),
        (1, (1, 90), 1, "", "Follow-up PHQ-9: 1 score was made up for missing items"),
        (12, (3, 80), 10, "", "Follow-up PHQ-9: a few scores were made up for missing items"),
        (95, (95, 5), 10, "", "Follow-up PHQ-9: a few scores were made up for missing items"),
    ],
)
def test_scores_made_up_for_missing_items_are_told_unless_of_few_people(
    n: int, people: tuple[int, int], small: int, source: str, said: str
) -> None:
    fit = fitted(rows(60), formula="who5_followup ~ alliance", draws=5)
    made = {"n": n, "scored": 100, "people": people, "needed": 7, "items": 9, "source": source}
    told = dataclasses.replace(fit, info={**fit.info, "prorated": {"phq9_followup": made}})
    text = " ".join(fit_sentences(told, Cited(), small))
    assert said in text
    assert f"where at least 7 of 9 were answered{f' ({source})' if source else ''}." in text
    assert "made up" not in " ".join(fit_sentences(fit, Cited(), small))
