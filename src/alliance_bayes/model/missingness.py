"""What a model says of values that were not observed, or not exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from alliance_bayes.errors import ModelError
from alliance_bayes.kinds import is_number
from alliance_bayes.model.grammar import shown
from alliance_bayes.remedies import setting

if TYPE_CHECKING:
    from alliance_bayes.model.spec import ModelSpec

__all__ = ["MISSING", "check_missing"]

#: What may become of rows that lack a value.
MISSING = ("drop", "impute")


def check_missing(spec: ModelSpec) -> tuple[str, ...]:
    """The auxiliary columns of a model, where all that it says of missing values can be.

    Raises
    ------
    ModelError
        An unknown way, auxiliary columns or errors of measurement without imputation, or an error that is no positive
        number or of a column that is no predictor.
    """
    if spec.missing not in MISSING:
        raise ModelError(
            f"{setting('missing')} should be one of {', '.join(map(repr, MISSING))} but got {shown(spec.missing)}."
        )
    auxiliary = tuple(dict.fromkeys(spec.auxiliary))
    if spec.missing == "drop":
        settings = {"auxiliary": auxiliary, "error": spec.error, "reliability": spec.reliability}
        if any(settings.values()):
            name = next(name for name, value in settings.items() if value)
            raise ModelError(
                f"{setting(name)} is for values that are drawn, but rows that lack a value are left out. Impute them: "
                f"{setting('missing', 'impute')}."
            )
        return auxiliary
    if spec.weights is not None and spec.weights_kind == "sampling":
        raise ModelError(
            f"{setting('missing', 'impute')} and {setting('weights_kind', 'sampling')} are two ways to make up for who "
            "was not observed. Take one of them out."
        )
    if faults := list(_error_faults(spec)):
        raise ModelError(" ".join(faults))
    return auxiliary


def _error_faults(spec: ModelSpec) -> Iterable[str]:
    """What is wrong with errors of measurement, all at once."""
    for key, most, expected in (
        ("error", math.inf, "a positive number, the SD of its error of measurement in its own unit"),
        ("reliability", 1.0, "a number between 0 and 1"),
    ):
        for name, value in getattr(spec, key).items():
            if not (is_number(value) and 0 < value < most):
                yield f"{setting(key)} of {shown(name)} should be {expected}, but got {value!r:.40}."
            if name not in spec.parsed.columns[1:]:
                yield (
                    f"{setting(key)} names {shown(name)}, which is no predictor of the formula. Its predictors: "
                    f"{', '.join(spec.parsed.columns[1:])}."
                )
    if both := sorted(spec.error.keys() & spec.reliability.keys()):
        yield (
            f"{setting('error')} and {setting('reliability')} are both given of {', '.join(map(shown, both))}. Take "
            "one of them out."
        )
