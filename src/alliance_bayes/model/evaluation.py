"""A formula's terms evaluated on rows by formulae, without the indicator matrices of pooled factors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from formulae.environment import Environment
from formulae.matrices import DesignMatrices
from formulae.model_description import model_description

from alliance_bayes.errors import ModelError
from alliance_bayes.model.formula import CALLABLE, Formula

__all__ = ["evaluate_terms"]

# What formulae finds besides its own functions. That a formula calls nothing else is seen to where it is parsed.
_FUNCTIONS = {name: getattr(np, name) for name in CALLABLE}
_NAMESPACE: dict[str, Any] = {**_FUNCTIONS, "np": SimpleNamespace(**_FUNCTIONS)}


def evaluate_terms(formula: Formula, frame: pd.DataFrame) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Evaluate a formula's common and pooled terms.

    Parameters
    ----------
    formula
        The parsed formula.
    frame
        Complete rows.

    Returns
    -------
    tuple
        formulae's common terms and its group-specific terms, evaluated.

    Raises
    ------
    ModelError
        A term that cannot be evaluated.

    Notes
    -----
    formulae spreads a pooled factor over one indicator column a level, dense, which ten thousand levels make larger
    than any memory. Only the pooled expressions are wanted here, so each factor is evaluated as a constant.
    """
    try:
        description = model_description(formula.plain)
        factors = [term.factor for term in description.group_terms]
        names = list(dict.fromkeys(str(factor.name) for factor in factors))
        constant = {name: f"pooled_factor_{number}" for number, name in enumerate(names)}
        stand_ins = {
            str(term.factor.name): term.factor
            for term in model_description(" + ".join(["y ~ 1", *(f"(1 | {c})" for c in constant.values())])).group_terms
        }
        for term in description.group_terms:
            term.factor = stand_ins[constant[str(term.factor.name)]]
        # Ordered, or formulae would sort its values to find its levels.
        level = pd.Categorical.from_codes(
            np.zeros(len(frame), dtype=np.int64), categories=pd.Index(["all"]), ordered=True
        )
        # A logarithm of zero shows up as an infinite column, which is refused by name later.
        with np.errstate(all="ignore"):
            model = DesignMatrices(
                description, frame.assign(**dict.fromkeys(constant.values(), level)), Environment([_NAMESPACE])
            ).model
    except (KeyError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise ModelError(
            f"formula {formula.text!r} cannot be applied to the table: {error}. "
            f"A formula may call I, bs, poly, scale, center, C and {', '.join(_FUNCTIONS)}."
        ) from error
    for term, factor in zip(model.group_terms, factors, strict=True):
        term.factor = factor
    return tuple(model.common_terms), tuple(model.group_terms)
