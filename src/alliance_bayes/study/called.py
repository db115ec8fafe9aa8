"""What the models of a study are called on its page: by their cards' titles, told apart where several share one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from alliance_bayes.api import Fit
from alliance_bayes.report.text import clean
from alliance_bayes.study.runner import Fitted
from alliance_bayes.wording import Wording

__all__ = ["called", "family_called"]

SENTENCES = Wording("alliance_bayes.study", "called.toml")


def called(fitted: Mapping[str, Fitted]) -> dict[str, str]:
    """A reader's name of every model; no two models have the same.

    Parameters
    ----------
    fitted
        The models by name.

    Returns
    -------
    dict of str
        The card's title, with the people where it is of a part of them; where models share that, the family's name;
        where they share that, too, the model's own name.
    """
    names = {
        name: SENTENCES("model", title=clean(model.spec.card.title or name), part=model.part)
        for name, model in fitted.items()
    }
    further: tuple[Callable[[str], str], ...] = (lambda name: family_called(fitted[name]), lambda name: name)
    for of in further:
        many = Counter(names.values())
        names = {
            name: SENTENCES("apart", model=title, by=clean(of(name))) if many[title] > 1 else title
            for name, title in names.items()
        }
    return names


def family_called(model: Fitted) -> str:
    """The family of a model in words."""
    fit = model.fit
    return fit.design.family.title if isinstance(fit, Fit) else f"graded response, {fit.naive.design.family.title}"
