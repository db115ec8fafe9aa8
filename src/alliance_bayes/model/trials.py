"""The column that says of how many trials an outcome counts the successes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.errors import ModelError
from alliance_bayes.model.families import FAMILIES, Family
from alliance_bayes.model.families.family import demand
from alliance_bayes.model.formula import Formula
from alliance_bayes.remedies import setting

__all__ = ["check_trials", "trials_of"]


def check_trials(name: object, formula: Formula, family: Family) -> None:
    """Refuse what cannot name the trials, and a family with trials and no name for them.

    Raises
    ------
    ModelError
        Either of them.
    """
    if name is None:
        if family.has_trials:
            raise ModelError(
                f"family '{family.name}' counts the successes of a number of trials. Name the column that holds that "
                f"number: {setting('trials', 'n_trials')}, for example."
            )
        return
    if not isinstance(name, str) or not name:
        raise ModelError(
            f"{setting('trials')} should be the name of one numeric column but got {name!r}. Write "
            f"{setting('trials', 'n_trials')}, for example."
        )
    if not family.has_trials:
        able = ", ".join(known.name for known in FAMILIES.values() if known.has_trials)
        raise ModelError(
            f"{setting('trials', name)}: family '{family.name}' has no trials. Families that have them: {able}."
        )
    if name in formula.columns:
        role = "the outcome itself" if name == formula.outcome else "a predictor, too"
        raise ModelError(
            f"{setting('trials', name)} is {role}. The number of trials tells how exact an outcome is, and is no part "
            "of the formula; give it a column of its own."
        )


def trials_of(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Trials of complete rows, shape (n,).

    Raises
    ------
    ModelError
        The column is not numeric.
    DataError
        Numbers of trials that are none, all of them.
    """
    column = frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        raise ModelError(f"{setting('trials', name)}: the column is text. Give it as whole numbers.")
    trials = column.to_numpy(float)
    whole = (trials >= 1) & (trials == np.round(trials))
    demand(name, trials, whole, "is not a number of trials (1, 2, ...)", "Correct it, or leave such rows out.")
    return trials
