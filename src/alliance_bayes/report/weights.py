"""What a page says of weights of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.text import column_name, number

__all__ = ["is_weighed", "weights_told", "weights_words"]


def weights_told(fit: FittedModel) -> dict[str, Any] | None:
    """What weights are, as numbers; None where all rows count alike."""
    known: Mapping[str, Any] = dict(fit.info.get("weights") or {})
    return {name: known[name] for name in ("column", "kind", "effective") if name in known} or None


def is_weighed(fit: FittedModel) -> bool:
    """Whether means and shares count people by sampling weights."""
    return weights_words(fit)["kind"] == "sampling"


def weights_words(fit: FittedModel) -> dict[str, str]:
    """The same for sentences; `kind` is empty where all rows count alike."""
    known = weights_told(fit)
    if known is None:
        return {"kind": "", "column": "", "effective": ""}
    effective = number(known["effective"], 1) if "effective" in known else ""
    return {"kind": str(known["kind"]), "column": column_name(str(known["column"])), "effective": effective}
