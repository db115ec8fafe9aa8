"""A family is one object, and one that lacks a part is never made."""

from __future__ import annotations

import re

import pytest

from alliance_bayes.model import FAMILIES, Family
from alliance_bayes.model.families.gaussian import Gaussian

FACTS = ("name", "title", "equation", "sentence", "link", "parameters", "discrete", "kernel")


@pytest.mark.parametrize("fact", ["kernel", "equation", "sentence", "title"])
def test_a_family_that_lacks_a_fact_is_not_made(fact: str) -> None:
    # All methods of the Gaussian, and all facts but one.
    facts = {name: getattr(Gaussian, name) for name in FACTS if name != fact}
    methods = {name: getattr(Gaussian, name) for name in Family.__abstractmethods__}
    lacking = type("Lacking", (Family,), {**methods, **facts})
    with pytest.raises(TypeError, match=f"^Lacking lacks {fact}$"):
        lacking()
    type("Whole", (Family,), {**methods, **{name: getattr(Gaussian, name) for name in FACTS}})()


@pytest.mark.parametrize("part", sorted(Family.__abstractmethods__))
def test_a_family_that_lacks_a_part_of_its_distribution_is_not_made(part: str) -> None:
    facts = {name: getattr(Gaussian, name) for name in FACTS}
    methods = {name: getattr(Gaussian, name) for name in Family.__abstractmethods__ if name != part}
    with pytest.raises(TypeError, match=part):
        type("Lacking", (Family,), {**methods, **facts})()


def test_every_family_says_what_it_is() -> None:
    assert {name: family.name for name, family in FAMILIES.items()} == {name: name for name in FAMILIES}
    for family in FAMILIES.values():
        # What stands in braces is filled in by the report.
        assert set(re.findall(r"\{(\w+)\}", family.equation)) <= {"y", "sigma", "trials"}
        assert all(re.findall(r"\{(\w+)\}", own.meaning) in ([], ["unit"]) for own in family.parameters.values())
        assert not family.linear or family.link == "identity"
