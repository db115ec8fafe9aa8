"""Of how many people tables are that stand together: the number in each caption, and why they differ."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from alliance_bayes.effects import COLUMNS, EffectTable
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.study import StudyOptions
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.whose import numbered


def part_of(*blocks: Block) -> Part:
    return Part("made", "Made", "Why?", blocks)


def block_of(name: str, *models: str, of: dict[str, tuple[str, ...]] | None = None) -> Block:
    table = Table.of(f"table-{name}", "A caption", ("Quantity", "Mean"), [("a", "1")])
    picture = Picture("A figure", "A caption.", "", None, name=f"picture-{name}")
    return Block(name, name, EffectTable(columns=list(COLUMNS)), models=models).with_page(
        tables=[table], pictures=[picture], of=of
    )


FITTED: Any = {name: SimpleNamespace(part=name == "low") for name in ("all", "low", "few", "sessions")}
TOLD = {"all": "2,773 people", "low": "682 people", "sessions": "9,100 sessions"}


def captions(part: Part) -> list[str]:
    return [one.caption for block in part.blocks for one in (*block.tables, *block.pictures)]


def test_parts_of_one_number_are_as_they_are() -> None:
    part = part_of(block_of("a", "all"), block_of("b", "all"))
    blocks, why = numbered(part, TOLD, FITTED, StudyOptions())
    assert (blocks, why) == (part.blocks, "")


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (("all",), "2,773 people"),
        (("low",), "682 people"),
        (("all", "low"), "2,773 and 682 people"),
        (("few",), "a number of people that is not shown"),
        (("sessions", "low"), "9,100 sessions and 682 people"),
        (("low", "few"), "682 people and a number of people that is not shown"),
    ],
)
def test_every_caption_says_its_number(models: tuple[str, ...], words: str) -> None:
    part = part_of(block_of("a", "all"), block_of("b", *models), block_of("c", "low"))
    blocks, why = numbered(part, TOLD, FITTED, StudyOptions(elevated=24))
    found = captions(part_of(*blocks))
    assert found[2:4] == [f"A caption; {words}", f"A caption. {words}."]
    assert found[0] == "A caption; 2,773 people"
    assert found[4] == "A caption; 682 people"
    assert why.startswith(
        "The tables and figures of this section are not all of the same people. Everybody: 2,773 people"
    )
    assert "(baseline WHO-5 of 24 or less): 682 people" in why


def test_a_table_of_some_of_a_blocks_models_has_their_number() -> None:
    part = part_of(block_of("a", "all", "low", of={"table-a": ("low",)}))
    blocks, _ = numbered(part, TOLD, FITTED, StudyOptions())
    assert captions(part_of(*blocks)) == ["A caption; 682 people", "A caption. 2,773 and 682 people."]


def test_observed_numbers_are_of_a_models_people_though_no_model_is_behind_them() -> None:
    part = part_of(block_of("seen", of={"": ("low",)}), block_of("a", "all"))
    blocks, why = numbered(part, TOLD, FITTED, StudyOptions())
    assert captions(part_of(*blocks))[0] == "A caption; 682 people"
    assert "682 people" in why
