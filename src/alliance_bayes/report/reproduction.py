"""Everything needed to get the same numbers again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alliance_bayes.cohort.flow import ROW
from alliance_bayes.cohort.hashing import keyed_digest
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import card_text
from alliance_bayes.report.drawn import draws_per_set, is_given
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import SMALL
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, count
from alliance_bayes.versions import versions

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["digest_of", "made_from", "reproduction", "told"]

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
    "cohort_source": "Data",
}
#: What a page says of how the draws came about. What else a fit knows may count people.
TOLD = (
    *(name for name in _SETTINGS if not name.startswith("cohort_")),
    "divergences",
    "trait",
    "n_nodes",
    "measurement_priors",
    "same_people",
)


def reproduction(view: View) -> Section:
    """The section."""
    fit = view.fit
    meta = made_from(fit)
    info = {"chains": fit.shape[0], "draws": fit.shape[1], **fit.info}
    settings = [(label, clean(info[key])) for key, label in _SETTINGS.items() if key in info]
    if fit.imputation is not None:
        settings += [
            ("Completed tables kept", count(fit.imputation.tables)),
            ("Successive draws of a chain that share imputed values", count(draws_per_set(fit))),
        ]
    if "same_people" in info:
        settings.append(("Only those with a value in", clean(", ".join(info["same_people"]))))
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
        "reading": _reading(fit),
        **dict(zip(("data", "data_kind"), _data_name(fit), strict=True)),
    }
    return Section("reproduction", "Reproduction details", "reproduction.html", context)


def made_from(fit: FittedModel) -> dict[str, Any]:
    """What a fit was made from and how, for the JSON's `meta`."""
    chains, draws = fit.shape
    info: dict[str, Any] = {"chains": chains, "draws": draws, **fit.info}
    return {
        "data": {
            "source": info.get("cohort_source"),
            "rows": fit.moments is None,
            "analysed": fit.flow.analysed,
        }
        | ({} if fit.flow.people is None else {"people": fit.flow.analysed_people, "unit": fit.flow.unit})
        | ({"read": long} if (long := _long(fit)) else {})
        | ({"tables": fit.info["imputation"]["tables"]} if is_given(fit) else {})
        | ({"labels": dict(labels)} if (labels := info.get("labels")) else {}),
        "card": card_text(fit.spec),
        "formula": fit.spec.formula,
        "family": fit.spec.family,
        "prior_set": fit.spec.prior_set,
        "seed": info.get("seed"),
        "chains": chains,
        "draws": draws,
        "info": told(info),
        "versions": {"alliance_bayes (this report)": versions()["alliance_bayes"], **dict(info.get("versions", {}))},
    }


def told(info: Mapping[str, Any]) -> dict[str, Any]:
    """What a page says of how draws came about."""
    return {key: info[key] for key in TOLD if key in info}


def digest_of(fit: FittedModel, key: bytes | None) -> str | None:
    """Digest of the table or moments that a fit was made from, which only those who have the key can compare."""
    known = fit.info.get("cohort_hash")
    return None if key is None or known is None else keyed_digest(key, str(known))


def _data_name(fit: FittedModel) -> tuple[str, str]:
    """What the data are called in a command line (a folder where the model is made of sessions), and what they are."""
    if fit.moments is not None:
        return "moments.nc", "moments"
    return ("tables", "tables") if fit.spec.derived or fit.spec.rows == "sessions" else ("cohort.csv", "table")


def _reading(fit: FittedModel) -> str:
    """Options that tell how rows were made, whose they are and what columns are called, with a blank before each."""
    options = [
        (name.removesuffix("s"), f"{key}={value}")
        for name in ("wide", "join", "labels")
        for key, value in dict(fit.info.get(name) or {}).items()
    ]
    return "".join(f" --{name} {shlex.quote(clean(value))}" for name, value in [*_long(fit).items(), *options])


def _long(fit: FittedModel) -> dict[str, str]:
    """Which columns say whose and when a row is, and what it is called, as `read_cohort` takes them."""
    known = dict(fit.info.get("long") or {})
    columns = {name: known.get(name) for name in ("person", "time", "unit")}
    return {name: str(value) for name, value in columns.items() if value is not None and (name, value) != ("unit", ROW)}


def _file_name(name: str) -> str:
    """A name that is safe in a command line."""
    safe = "".join(
        character if character.isascii() and (character.isalnum() or character in "-_") else "-" for character in name
    )
    return safe.strip("-") or "model"
