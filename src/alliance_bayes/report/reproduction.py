"""Everything needed to get the same numbers again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alliance_bayes.fit import FittedModel
from alliance_bayes.model import card_text
from alliance_bayes.report.counts import SMALL
from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, count
from alliance_bayes.versions import versions

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["made_from", "reproduction"]

_SETTINGS = {
    "engine": "Engine",
    "engine_reason": "Why this engine",
    "sampler": "Sampler",
    "density": "Density",
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


def reproduction(view: View) -> Section:
    """The section."""
    fit = view.fit
    meta = made_from(fit, versions()["alliance_bayes"])
    info = {"chains": fit.shape[0], "draws": fit.shape[1], **fit.info}
    settings = [(label, clean(info[key])) for key, label in _SETTINGS.items() if key in info]
    settings += [
        (clean(key), clean(value))
        for key, value in info.items()
        if key not in (*_SETTINGS, "versions") and _scalar(value)
    ]
    context = {
        "settings": Table.of("table-settings", "How the draws were made", ("Setting", "Value"), settings, words=(1,)),
        "versions": Table.of(
            "table-versions",
            "Software",
            ("Package", "Version"),
            [(clean(k), clean(v)) for k, v in meta["versions"].items()],
            words=(1,),
        ),
        "draws": f"{count(fit.shape[0])} chains of {count(fit.shape[1])} draws",
        "card": meta["card"],
        "card_name": f"{_file_name(fit.spec.card.name)}.toml",
        "seed": clean(meta["seed"]) if isinstance(meta["seed"], int) else "SEED",
        "prob": f"{view.prob:g}",
        "small": "" if view.small == SMALL else f" --small {view.small}",
        "data": "cohort.csv" if fit.moments is None else "moments.nc",
    }
    return Section("reproduction", "Reproduction details", "reproduction.html", context)


def made_from(fit: FittedModel, version: str) -> dict[str, Any]:
    """What a fit was made from and how, for the JSON's `meta`."""
    chains, draws = fit.shape
    info: dict[str, Any] = {"chains": chains, "draws": draws, **fit.info}
    return {
        "data": {
            "source": info.get("cohort_source"),
            "hash": info.get("cohort_hash"),
            "columns": info.get("cohort_columns"),
            "analysed": fit.flow.analysed,
        },
        "card": card_text(fit.spec),
        "formula": fit.spec.formula,
        "family": fit.spec.family,
        "prior_set": fit.spec.prior_set,
        "seed": info.get("seed"),
        "chains": chains,
        "draws": draws,
        "info": {
            key: value
            for key, value in info.items()
            if key not in ("versions", "missing") and not key.startswith("cohort_")
        },
        "versions": {"alliance_bayes (this report)": version, **dict(info.get("versions", {}))},
    }


def _scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _file_name(name: str) -> str:
    """A name that is safe in a command line."""
    safe = "".join(
        character if character.isascii() and (character.isalnum() or character in "-_") else "-" for character in name
    )
    return safe.strip("-") or "model"
