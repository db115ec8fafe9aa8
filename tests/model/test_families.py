"""A family is one object, and one that lacks a part is never made."""

from __future__ import annotations

import re

import pytest

from alliance_bayes.model import FAMILIES, Family
from alliance_bayes.model.families.gaussian import Gaussian
from alliance_bayes.model.families.poisson import Poisson


def lacking(family: type[Family], part: str) -> type[Family]:
    """A family with everything that another has, but one part, which it would inherit from the general one at most."""
    own = {name: getattr(family, name) for name in dir(family) if not name.startswith("__") and name != part}
    return type("Lacking", (Family,), own)


@pytest.mark.parametrize("fact", ["kernel", "equation", "sentence", "title"])
def test_a_family_that_lacks_a_fact_is_not_made(fact: str) -> None:
    with pytest.raises(TypeError, match=f"^Lacking lacks {fact}$"):
        lacking(Gaussian, fact)()
    lacking(Gaussian, "nothing")()


@pytest.mark.parametrize("part", sorted(Family.__abstractmethods__))
def test_a_family_that_lacks_a_part_of_its_distribution_is_not_made(part: str) -> None:
    made = lacking(Gaussian, part)
    with pytest.raises(TypeError, match=part):
        made()


@pytest.mark.parametrize(
    ("family", "part"),
    [
        (Gaussian, "exceedance"),
        (Gaussian, "level_probability"),
        (Gaussian, "parameter_prior"),
        (Poisson, "exceedance"),
    ],
)
def test_a_family_that_lacks_a_part_of_its_kind_is_not_made(family: type[Family], part: str) -> None:
    with pytest.raises(TypeError, match=f"^Lacking lacks {part}$"):
        lacking(family, part)()


def test_every_family_says_what_it_is() -> None:
    assert {name: family.name for name, family in FAMILIES.items()} == {name: name for name in FAMILIES}
    for family in FAMILIES.values():
        # What stands in braces is filled in by the report.
        assert set(re.findall(r"\{(\w+)\}", family.equation)) <= {"y", "sigma", "trials"}
        assert all(re.findall(r"\{(\w+)\}", own.meaning) in ([], ["unit"]) for own in family.parameters.values())
        assert not family.linear or family.link == "identity"
