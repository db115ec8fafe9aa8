"""The kernel as an operation of PyTensor, so that it is part of a PyMC graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch import basic as numba_basic

from alliance_bayes.latent.kernel import ratings_and_expectations

__all__ = ["ratings_graph"]

_PARAMETERS = 5


class _Ratings(Op):
    """`ratings_and_expectations` on parameters and data; its own outputs hold the derivatives of the others."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply[Any]:
        given = [pt.as_tensor_variable(value) for value in inputs]
        kinds = [pt.dscalar, *[pt.dvector] * 3, pt.dmatrix, pt.dscalar, *[pt.dvector] * 4, pt.dmatrix, pt.dvector]
        return Apply(self, given, [kind() for kind in kinds])

    def perform(self, node: Apply[Any], inputs: Any, output_storage: Any) -> None:
        for store, value in zip(output_storage, ratings_and_expectations(*inputs), strict=True):
            store[0] = np.asarray(value)

    def infer_shape(self, node: Apply[Any], shapes: Any) -> Any:
        people, _, providers, cuts, _, pairs = shapes[:6]
        return [(), people, people, providers, cuts, (), people, people, people, pairs, (people[0], 8), people]

    def connection_pattern(self, node: Apply[Any]) -> list[list[bool]]:
        # Derivatives are known of the log likelihood (output 0) and of the expected ratings (output 6) only.
        return [[k < _PARAMETERS and out in (0, 6) for out in range(12)] for k in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        by_loglik, by_expected = cotangents[0], cotangents[6]
        out: list[Any] = [pt.zeros_like(value) for value in inputs[:_PARAMETERS]]
        if not isinstance(by_loglik.type, DisconnectedType):
            out = [total + by_loglik * part for total, part in zip(out, outputs[1:6], strict=True)]
        if not isinstance(by_expected.type, DisconnectedType):
            theta, lean, provider, cuts, sd = outputs[7:]
            at_pairs = by_expected[inputs[5]] * provider
            out[0] = out[0] + by_expected * theta
            out[1] = out[1] + by_expected * lean
            out[2] = pt.inc_subtensor(out[2][inputs[6]], at_pairs)
            out[3] = out[3] + pt.dot(by_expected, cuts).reshape((2, 4))
            out[4] = out[4] + pt.dot(by_expected, sd)
        return [*out, *(DisconnectedType()() for _ in inputs[_PARAMETERS:])]


@numba_basic.register_funcify_default_op_cache_key(_Ratings)
def _numba_ratings(op: _Ratings, **kwargs: Any) -> tuple[Any, int]:
    @numba_basic.numba_njit
    def ratings(*inputs):  # type: ignore[no-untyped-def]
        return ratings_and_expectations(*inputs)

    # Raised whenever the kernel changes, so that no cached machine code outlives it.
    return ratings, 1


def ratings_graph(parameters: tuple[Any, ...], data: tuple[np.ndarray, ...]) -> tuple[Any, Any]:
    """Log likelihood of the ratings and expected ratings, as variables of a graph.

    Parameters
    ----------
    parameters
        theta, lean, provider, cuts, session_sd, as `ratings_and_expectations` takes them.
    data
        The kernel's other arguments.

    Returns
    -------
    loglik
        Scalar.
    expected
        Shape (n,).
    """
    outputs: Any = _Ratings()(*parameters, *(pt.as_tensor_variable(array) for array in data))
    return outputs[0], outputs[6]
