"""Whether data are those that a page was made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort.hashing import keyed_digest
from alliance_bayes.errors import UsageError
from alliance_bayes.moments import Moments, fingerprint

__all__ = ["compare_data"]


def compare_data(
    manifest: Mapping[str, Any], cohort: Cohort | Moments, key: bytes | None
) -> tuple[list[str], list[str]]:
    """Compare data with the digest in a page's manifest.

    Parameters
    ----------
    manifest
        Of the page.
    cohort
        The data.
    key
        The key of the page's digest; None where it is not at hand.

    Returns
    -------
    problems, notes : list of str
        A problem when the data are others; a note that they are the same, or why nothing can be said of that.

    Raises
    ------
    UsageError
        A table for a page of moments, or the reverse.
    """
    data = manifest["data"]
    if data.get("rows", True) and isinstance(cohort, Moments):
        raise UsageError("the page was made of rows, and moments hold none. Give the table it was made of.")
    if not data.get("rows", True) and not isinstance(cohort, Moments):
        raise UsageError("the page was made of moments. Give the file of moments (.nc), not a table.")
    digest = data.get("digest")
    if digest is None:
        return [], ["The page holds no digest of its data: that they are the same shows in the numbers alone."]
    if key is None:
        return [], [
            "The page's key is not here (a file .key beside the page, or --key): that the data are the same shows in "
            "the numbers alone."
        ]
    if isinstance(cohort, Moments):
        found = keyed_digest(key, fingerprint(cohort))
    else:
        found = cohort.digest(key) if manifest["kind"] == "study" else keyed_digest(key, cohort.hash)
    if found == digest:
        return [], ["The data are the same, to the last digit."]
    return ["The data are not those the page was made of, or the key is another page's: the digest differs."], []
