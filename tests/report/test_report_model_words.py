"""What a coefficient is said to be is of the scale that it is on."""

from __future__ import annotations

import pytest

from alliance_bayes.model import FAMILIES, ModelSpec
from alliance_bayes.report.text import equations, meaning
from builders import of_family, rows


@pytest.mark.parametrize("family", FAMILIES)
def test_coefficients_are_of_the_outcome_only_where_it_is_the_linear_predictor(family: str) -> None:
    frame, options = of_family(rows(40, countries=3), family)
    design = ModelSpec("who5_followup ~ alliance + (1 || country)", autoscale=True, **options).design(frame)
    known = {
        "identity": (
            "expected follow-up WHO-5 at the centring values, WHO-5 points",
            "difference in follow-up WHO-5 per alliance point",
        )
    }
    other = ("the linear predictor at the centring values", "difference in the linear predictor per alliance point")
    found = meaning(design, "Intercept"), meaning(design, "alliance")
    assert found == known.get(FAMILIES[family].link, other)
    # Every parameter of the family has words of its own, and every line of the equations is filled in.
    for name in FAMILIES[family].parameters:
        assert meaning(design, name) != f"coefficient of {name}"
    assert not any("{" in line or "}" in line for line in equations(design))
