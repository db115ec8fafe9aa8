"""Section 7: everything needed to get the same numbers again, and where each item of the reporting guideline is."""

from __future__ import annotations

from typing import Any

from alliance_bayes.fit import FittedModel
from alliance_bayes.model import card_text
from alliance_bayes.report.checking import Checked
from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, count

__all__ = ["reproduction"]

_SETTINGS = {
    "engine": "Engine",
    "engine_reason": "Why this engine",
    "sampler": "Sampler",
    "fallback": "Why NUTS had to step in",
    "proposal_efficiency": "Worth of a proposal, in independent draws",
    "chains": "Chains",
    "draws": "Kept draws a chain",
    "tune": "Warm-up draws a chain",
    "target_accept": "Target acceptance",
    "seed": "Seed",
    "compile_seconds": "Compilation, seconds",
    "sample_seconds": "Sampling, seconds",
    "cohort_source": "Data",
    "cohort_hash": "Data, SHA-256",
}


def reproduction(
    fit: FittedModel, *, checked: Checked, withheld: bool, prob: float, version: str
) -> tuple[Section, dict[str, Any]]:
    """The section, and its part of the JSON's `meta`."""
    chains, draws = fit.shape
    info: dict[str, Any] = {"chains": chains, "draws": draws, **fit.info}
    versions = {"alliance_bayes (this report)": version, **dict(info.get("versions", {}))}
    settings = [(label, clean(info[key])) for key, label in _SETTINGS.items() if key in info]
    settings += [
        (clean(key), clean(value))
        for key, value in info.items()
        if key not in (*_SETTINGS, "versions") and _scalar(value)
    ]
    card = card_text(fit.spec)
    seed = info.get("seed")
    context = {
        "settings": Table.of("table-settings", "How the draws were made", ("Setting", "Value"), settings, words=(1,)),
        "versions": Table.of(
            "table-versions",
            "Software",
            ("Package", "Version"),
            [(clean(k), clean(v)) for k, v in versions.items()],
            words=(1,),
        ),
        "draws": f"{count(chains)} chains of {count(draws)} draws",
        "card": card,
        "card_name": f"{_file_name(fit.spec.card.name)}.toml",
        "seed": clean(seed) if isinstance(seed, int) else "SEED",
        "prob": f"{prob:g}",
        "data": "cohort.csv" if fit.moments is None else "moments.nc",
        "guideline": _guideline(checked, withheld),
    }
    meta = {
        "data": {"source": info.get("cohort_source"), "hash": info.get("cohort_hash"), "analysed": fit.flow.analysed},
        "card": card,
        "formula": fit.spec.formula,
        "family": fit.spec.family,
        "prior_set": fit.spec.prior_set,
        "seed": seed,
        "chains": chains,
        "draws": draws,
        "info": {key: value for key, value in info.items() if key not in ("versions", "cohort_source", "cohort_hash")},
        "versions": versions,
    }
    return Section("reproduction", "Reproduction details", "reproduction.html", context), meta


def _scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _file_name(name: str) -> str:
    """A name that is safe in a command line."""
    safe = "".join(
        character if character.isascii() and (character.isalnum() or character in "-_") else "-" for character in name
    )
    return safe.strip("-") or "model"


def _guideline(checked: Checked, withheld: bool) -> Table:
    """The Bayesian Analysis Reporting Guidelines (Kruschke 2021, doi 10.1038/s41562-021-01177-7): what is where."""
    results = "withheld" if withheld else "yes"

    def check(*names: str) -> str:
        return "yes" if any(checked.by_name(name) for name in names) else "not in this report"

    items = [
        ("Why Bayesian; question and estimand", "Section 2", "yes"),
        ("Variables, likelihood, parameters and priors with their reasons", "Section 2", "yes"),
        ("Formal specification of the model", "Section 2", "yes"),
        ("Prior predictive check", "Section 3", check("prior_predictive")),
        ("Software and versions", "Section 7", "yes"),
        (
            "R-hat and effective sample size of every reported quantity",
            "Section 3 and the JSON file",
            check("convergence"),
        ),
        ("Posterior predictive check", "Section 3", check("posterior_predictive")),
        (
            "Central tendency and interval of every reported quantity, its kind and probability",
            "Sections 4 to 6",
            results,
        ),
        ("Decision rule: limits of the region of practical equivalence, with their reason", "Section 4", results),
        ("Sensitivity to the priors", "Section 3", check("prior_sensitivity", "sensitivity", "power_scaling")),
        ("Participant flow and missing data (STROBE)", "Section 1", "yes"),
        ("Seed, model card, fingerprint of the data, how to rerun", "Section 7", "yes"),
    ]
    return Table.of(
        "table-guideline", "Reporting guidelines: what is where", ("Item", "Where", "Covered"), items, words=(1, 2)
    )
