"""Some of the analysed rows, as a caller names them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alliance_bayes.errors import UsageError
from alliance_bayes.model import Design

__all__ = ["mask_of_rows"]


def mask_of_rows(design: Design, name: str, given: npt.ArrayLike) -> np.ndarray:
    """A mask of the analysed rows, shape (n_rows,).

    Parameters
    ----------
    design
        The design of the fit.
    name
        What the argument is called.
    given
        True or False for each analysed row.

    Raises
    ------
    UsageError
        Something else, or a mask of no row.
    """
    n, mask = design.rows.n, np.asarray(given)
    if mask.shape != (n,) or mask.dtype != bool:
        raise UsageError(
            f"{name} should be {n:,} values True or False, one for each analysed row, but got an array of "
            f"{mask.dtype} of shape {mask.shape}."
        )
    if not mask.any():
        raise UsageError(f"{name} picks none of the {n:,} analysed rows. Pick at least one.")
    return mask
