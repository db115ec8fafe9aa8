"""Names of the models on a study's page: a reader's own for each, and none that only the package knows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from alliance_bayes.study.called import called


def model(title: str, *, part: bool = False) -> Any:
    # What has no fit of the package is one of the latent alliance, whose family is that of its outcome.
    fit = SimpleNamespace(naive=SimpleNamespace(design=SimpleNamespace(family=SimpleNamespace(title="Gaussian"))))
    return SimpleNamespace(spec=SimpleNamespace(card=SimpleNamespace(title=title)), part=part, fit=fit)


def test_every_model_has_a_name_of_its_own_by_the_least_that_tells_it_apart() -> None:
    models = {
        "change_everybody": model("Change"),
        "change_elevated": model("Change", part=True),
        "improved": model("Improvement"),
        "improved_again": model("Improvement"),
        "untitled": model(""),
    }
    names = called(models)
    assert list(names) == list(models)
    assert len(set(names.values())) == len(models)
    assert names["change_everybody"] == "Change"
    assert names["change_elevated"] == "Change, elevated symptoms"
    # Of one title, one population and one family only their own names tell.
    assert names["improved"] == "Improvement (graded response, Gaussian) (improved)"
    assert names["untitled"] == "untitled"
