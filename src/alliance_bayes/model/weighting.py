"""The column of weights that a model declares, and what kind of weights they are."""

from __future__ import annotations

from collections.abc import Collection

from alliance_bayes.cohort.weights import KINDS
from alliance_bayes.errors import ModelError
from alliance_bayes.model.design import Design
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.levels import lies_within
from alliance_bayes.remedies import setting

__all__ = ["check_weights", "refuse_persons"]


def check_weights(name: object, kind: object, columns: Collection[str], *, imputes: bool = False) -> None:
    """Refuse what cannot name weights, and weights of which nobody says what they are.

    Raises
    ------
    ModelError
        Either of them, a kind without weights, or weights that are in the model as something else.
    """
    if name is None:
        if kind is not None:
            raise ModelError(
                f"{setting('weights_kind', str(kind))} says what weights are, and there are none. Name their column: "
                f"{setting('weights')}."
            )
        return
    if not isinstance(name, str) or not name:
        raise ModelError(f"{setting('weights')} should be the name of one numeric column but got {name!r}. Name one.")
    if kind not in KINDS:
        stated = "not said" if kind is None else shown(str(kind))
        raise ModelError(
            f"{setting('weights', name)}: {setting('weights_kind')} should be one of {', '.join(map(repr, KINDS))} but "
            f"is {stated}. Frequency weights say how many people a row stands for, and count as so many. Sampling "
            "weights are one over the probability of being drawn or observed, and make estimates those of the "
            "population with wider intervals. Say which they are."
        )
    if kind == "sampling" and imputes:
        raise ModelError(
            f"{setting('weights_kind', 'sampling')} and {setting('missing', 'impute')} do not go together: values "
            "are drawn from a model in which all rows count alike. Use one of them."
        )
    if name in columns:
        raise ModelError(
            f"{setting('weights', name)} is a column of the model, too. Weights are no part of it: take it out, or "
            "copy it to a column of another name."
        )


def refuse_persons(design: Design) -> None:
    """Refuse sampling weights of persons who have effects of their own.

    Raises
    ------
    ModelError
        A pooled factor has levels of one person each, of whom some have several rows. Weighted rows tell more or less
        of each person and leave as many persons as there were, so that the SD of persons and all that is averaged over
        them would be those of the sample.
    """
    if design.persons is None:
        return
    for factor in design.factors:
        if lies_within(design.rows.index[factor.name], design.persons) and len(factor.levels) < design.rows.n:
            raise ModelError(
                f"sampling weights are of persons, and the levels of {shown(factor.name)} are persons, or look like "
                f"it. Take it out of the formula: that rows of one person are alike is seen by the "
                f"width of intervals. If they are no persons, say what they are: "
                f"{setting('roles', {factor.name: 'group'})}."
            )
