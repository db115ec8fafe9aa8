"""A density given as a function of a vector, made ready for nutpie."""

from __future__ import annotations

import ctypes
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from alliance_bayes.errors import SamplingError

__all__ = ["NumbersModel", "numbers_of"]

_NAME = "numbers"
# Seconds without a chain after which there will be none, and the most to wait for that.
_SETTLED, _PATIENCE = 0.2, 5.0

# What is on it belongs to a thread, and goes with what Python keeps for it.
_known = threading.local()

ValueAndGradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


class NumbersModel:
    """A density ready for :func:`alliance_bayes.engines.nuts.run_nutpie`.

    Parameters
    ----------
    size
        Length of the vector.
    value_and_gradient
        Log density and its gradient, shape (size,). NaN is a point that cannot be.
    first
        From a seed to where a chain begins.

    Attributes
    ----------
    compiled
        What nutpie samples.
    """

    def __init__(self, size: int, value_and_gradient: ValueAndGradient, first: Callable[[int], np.ndarray]) -> None:
        from nutpie.compiled_pyfunc import from_pyfunc

        self._function, self._stopped = value_and_gradient, False
        self._chains: weakref.WeakSet[_Chain] = weakref.WeakSet()
        self.compiled = from_pyfunc(
            size,
            self._chain,
            lambda *_: lambda numbers: {_NAME: np.asarray(numbers, dtype=float)},
            [np.dtype(np.float64)],
            [(size,)],
            [_NAME],
            make_initial_point_fn=first,
        )

    def _chain(self) -> _Chain:
        chain = _Chain(self)
        self._chains.add(chain)
        return chain

    def stop(self, sampler: Any) -> None:
        """End the chains of a sampler that failed, and wait until they have.

        nutpie lets the other chains run on when one fails. Python must not end below them: they call it.
        """
        self._stopped = True
        started = quiet = time.monotonic()
        while (now := time.monotonic()) - quiet < _SETTLED and now - started < _PATIENCE:
            _ = sampler.is_finished  # any call has nutpie let go of the chains that have ended
            if len(self._chains):
                quiet = now
            time.sleep(0.01)


class _Chain:
    """The density as one chain calls it."""

    def __init__(self, model: NumbersModel) -> None:
        self._model, self._function = model, model._function

    def __call__(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        if self._model._stopped:
            raise SamplingError("sampling was stopped.")
        _keep_thread_state()
        return self._function(q)


def _keep_thread_state() -> None:
    """Have Python know the calling thread from now on.

    nutpie's threads are not Python's. What Python keeps for a thread would be made for every call and thrown away after
    it, which takes longer than the density of hundreds of rows. One claim more than is given back keeps it; some 20 KB
    a thread, until the process ends.
    """
    if not hasattr(_known, "thread"):
        ctypes.pythonapi.PyGILState_Ensure()
        _known.thread = True


def numbers_of(tree: Any) -> np.ndarray:
    """The vectors that were drawn, shape (chain, draw, size)."""
    return np.asarray(tree["posterior"][_NAME].transpose("chain", "draw", ...).values, dtype=float)
