"""Whether chains of values and parameters have gone on for long enough."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alliance_bayes.diagnostics import convergence

__all__ = ["agree"]

# Chains go on while they agree less than this, or their draws are worth less. Fewer draws of a chain say little of
# either.
_LARGEST_RHAT, _LEAST_WORTH, _FEWEST = 1.006, 600, 100
# The largest R-hat of level effects and their SDs is that of a hundred quantities. What they are worth is asked of them
# as of others; of a level more it costs as much as of a coefficient, and there may be thousands. By chance alone the
# largest of a hundred with four chains of n independent draws is 1 + 3.4 / n but once in a hundred.
_LARGEST_OF_MANY, _MOST_JUDGED, _OF_CHANCE = 1.008, 100, 3.4


def agree(parameters: Mapping[str, np.ndarray], levels: Mapping[str, np.ndarray]) -> bool:
    """Whether chains agree about parameters and level effects, whose draws are worth enough.

    Parameters
    ----------
    parameters
        Draws by the names of the posterior's variables, shape (chain, draw, ...).
    levels
        Of which levels effects are looked at, by the name of a factor's effects: those with drawn values, of which so
        many at even distances are. Effects of others follow the parameters.
    """
    chosen = {
        name: values[:, :, _some(levels[name])] if name in levels else values for name, values in parameters.items()
    }
    flat = {name: values.reshape(*values.shape[:2], -1) for name, values in chosen.items()}
    draws = np.moveaxis(np.concatenate(list(flat.values()), axis=2), 2, 0)
    _, chains, n = draws.shape
    if n < _FEWEST or chains < 2:
        return True
    found = convergence(draws, np.quantile(draws, [0.055, 0.945], axis=(1, 2)).T)
    limits = [_LARGEST_RHAT if name in ("beta", "sigma") else _LARGEST_OF_MANY for name in flat]
    largest = np.repeat(limits, [values.shape[2] for values in flat.values()])
    # What does not vary (the diagonal of correlations) has none of these.
    apart = found["rhat"] >= np.maximum(largest, 1 + _OF_CHANCE / n)
    worth = min(float(np.nanmin(found["ess_bulk"])), float(np.nanmin(found["ess_tail"])))
    return bool(not apart.any() and worth > min(_LEAST_WORTH, chains * n / 4))


def _some(levels: np.ndarray) -> np.ndarray:
    return (
        levels[np.unique(np.linspace(0, len(levels) - 1, _MOST_JUDGED).round().astype(int))] if levels.size else levels
    )
