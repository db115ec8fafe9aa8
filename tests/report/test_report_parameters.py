"""Tables of quantities say what each is, in words, with a parameter's name beside them; figures have the words."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.diagnostics import diagnose
from alliance_bayes.effects import effects
from alliance_bayes.report.parameters import parameter_words, parameters_in
from alliance_bayes.report.privacy import redaction
from alliance_bayes.report.spoken import quantities_called
from builders import fitted, of_family, rendered, rows
from report.test_report_page import parsed

FORMULA = "who5_followup ~ alliance + who5_baseline + sex + (alliance | provider_type) + (1 | country)"
FIT = fitted(rows(), formula=FORMULA, draws=250)
CODE = re.compile(r"(?<![\w(])(?:beta|u_\w+|tau_\w+|corr_\w+|cutpoints)\[")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("beta[Intercept]", "intercept"),
        ("beta[alliance]", "slope: alliance"),
        ("beta[sex[male]]", "difference: sex: male"),
        ("sex[male]", "difference: sex: male"),
        ("who5_baseline", "slope: baseline WHO-5"),
        ("sigma", "residual SD σ"),
        ("tau_country[Intercept]", "SD of the level: country"),
        ("tau_provider_type[alliance]", "SD of the slope of alliance: provider type"),
        ("u_provider_type[both, alliance]", "slope of alliance, provider type: both"),
        ("u_country[C0, Intercept]", "level, country: C0"),
        ("corr_provider_type[Intercept, alliance]", "correlation of level and slope of alliance: provider type"),
        ("slope", ""),
        ("u_nothing[a, Intercept]", ""),
        ("tau_country[nothing]", ""),
    ],
)
def test_a_parameter_is_called_what_it_is(name: str, words: str) -> None:
    assert parameter_words(FIT.design, name) == words


@pytest.mark.parametrize("family", ["gaussian", "student_t", "beta_binomial", "cumulative", "bernoulli"])
def test_every_parameter_of_a_fit_has_words_of_its_own(family: str) -> None:
    frame, options = of_family(rows(), family)
    fit = fitted(frame, formula=FORMULA, spec=options, draws=20)
    names = [str(name) for name in diagnose(fit.posterior)["quantity"]]
    told = [parameter_words(fit.design, name) for name in names]
    assert all(told), [name for name, words in zip(names, told, strict=True) if not words]
    assert len(set(told)) == len(told)
    assert not [words for words in told if re.search(r"[_\[\]]|\d\.\d{6}", words)]


def test_texts_of_figures_have_the_words_and_nothing_else_changes() -> None:
    worded = parameters_in(FIT.design)
    text = "largest R-hat (u_country[C1, Intercept], beta[sex[male]], tau_country[Intercept]). Chains"
    assert worded(text) == (
        "largest R-hat (level, country: C1, difference: sex: male, SD of the level: country). Chains"
    )
    assert worded("sigma") == "residual SD σ"
    assert worded("R-hat (beta[alliance]; sigma; level)") == "R-hat (slope: alliance; residual SD σ; level)"
    for same in ("sigma is", "my_beta[alliance]", "beta alone", "u_other[a, Intercept]"):
        assert worded(same) == same


def test_no_level_that_is_one_person_is_in_the_words_even_where_it_is_a_number() -> None:
    frame = rows(60).assign(pid=pd.Categorical([str(k) for k in np.arange(60) % 30]))
    formula = "who5_followup ~ alliance + (1 | pid)"
    fit = fitted(frame, formula=formula, draws=20, spec={"roles": {"pid": "person"}})
    redact = redaction(fit)
    called = quantities_called(["u_pid[7, Intercept]", "u_pid[13, Intercept]"], fit.design, None, redact)
    assert len(set(called)) == 1
    assert not any(re.search(r"\d", words or "") for words in called)


def test_the_page_names_no_quantity_by_its_code_alone_and_the_json_keeps_the_codes() -> None:
    table = effects(FIT)
    report = rendered(FIT, effects=table)
    tree = parsed(report.html)
    (checks,) = [section for section in tree.all("section") if section.attributes.get("id") == "checks"]
    cells = [cell.text for cell in checks.all("td", "th")]
    assert not [cell for cell in cells if CODE.match(cell)]
    assert not [cell for cell in cells if any(cell == identity for identity in table.index)]
    assert "SD of the level: country (tau_country[Intercept])" in cells
    captions = [caption.text for caption in checks.all("figcaption")]
    assert not [text for text in captions if re.search(r"(?:beta|u_\w+|tau_\w+|corr_\w+)\[", text)]
    details = next(one for one in report.numbers["checks"] if one["name"] == "convergence")["details"]
    named = {row["quantity"] for row in details}
    assert "tau_country[Intercept]" in named
    assert named & set(table.index)
