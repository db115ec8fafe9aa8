"""What a check says of a fit that was made from moments, where the check is about single rows."""

from __future__ import annotations

import pandas as pd

from alliance_bayes.checks.results import CheckResult

__all__ = ["rows_needed"]


def rows_needed(name: str, title: str, what: str) -> CheckResult:
    """A result that tells why there is none.

    Parameters
    ----------
    name, title
        Of the check.
    what
        What it compares, as the beginning of a sentence.
    """
    sentence = (
        f"{what} needs the analysed rows, and this fit was made from moments. Where the rows are, fit the model to "
        "them and check that fit."
    )
    return CheckResult(name, title, "info", sentence, pd.DataFrame())
