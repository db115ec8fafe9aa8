"""What a study's page writes out of its models: equations without sample means, the model of ratings, margins."""

from __future__ import annotations

import pytest

from alliance_bayes.latent.measurement import MEASUREMENT_PRIORS
from alliance_bayes.report.text import MINUS, equations
from alliance_bayes.study import StudyOptions
from alliance_bayes.study.latent import measurement_equations
from builders import fitted, rows


def test_centres_are_named_where_their_values_are_not_told() -> None:
    design = fitted(rows(60), formula="who5_followup ~ alliance + age + (alliance || sex)", draws=4).design
    told, untold = equations(design), equations(design, untold=design.centres)
    assert untold[1] == (
        f"η = β[Intercept] + β[alliance] · (alliance {MINUS} mean alliance) + β[age] · (age {MINUS} mean age)"
        f" + u[sex, Intercept] + u[sex, alliance] · (alliance {MINUS} mean alliance)"
    )
    assert f"{design.centres['age']:.5g}" in told[1]
    assert (told[0], told[2:]) == (untold[0], untold[2:])


@pytest.mark.parametrize("trait", ["stretched", "normal"])
def test_the_model_of_ratings_has_every_parameter_with_a_prior(trait: str) -> None:
    text = "\n".join(measurement_equations(trait))
    missing = [name for name in MEASUREMENT_PRIORS if name not in text]
    assert missing == ([] if trait == "stretched" else ["trait_sd_above"])


@pytest.mark.parametrize(
    ("margins", "reasons"),
    [
        ({}, ("a tenth of the reference SD of 19", "a tenth of the reference SD of 0.7")),
        ({"margin": 3.0, "alliance_margin": 0.2}, ("chosen by the analyst", "chosen by the analyst")),
    ],
)
def test_a_margin_has_the_reason_of_its_value(margins: dict[str, float], reasons: tuple[str, str]) -> None:
    options = StudyOptions(**margins)  # type: ignore[arg-type]
    assert (options.reason("margin"), options.reason("alliance_margin")) == reasons
