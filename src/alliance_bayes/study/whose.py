"""Of how many people the tables and figures of a part are, where these are not all of the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from alliance_bayes.report.text import capital, join
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.populations import population_words
from alliance_bayes.study.runner import Fitted
from alliance_bayes.wording import Wording

__all__ = ["numbered"]

SENTENCES = Wording("alliance_bayes.study", "whose.toml")


def numbered(
    part: Part, told: Mapping[str, str], fitted: Mapping[str, Fitted], options: StudyOptions
) -> tuple[tuple[Block, ...], str]:
    """The blocks of a part with the number of people in every caption, and a sentence on why they differ.

    Parameters
    ----------
    part
        The part.
    told
        Rows by model as the page tells them ("2,773 people"); a model whose number is not told is not there.
    fitted, options
        The models by name, and the study's options.

    Returns
    -------
    blocks : tuple of Block
        As they are where all that is shown is of the same people.
    sentence : str
        Empty there.
    """
    shown = [block for block in part.blocks if block.tables or block.pictures]
    behind = list(dict.fromkeys(model for block in shown for models in _models(block) for model in models))
    numbers = {model: told.get(model, "") for model in behind}
    if len(set(numbers.values())) < 2:
        return part.blocks, ""
    populations: dict[str, list[str]] = {}
    for model, number in numbers.items():
        own = populations.setdefault("elevated" if fitted[model].part else "everybody", [])
        if (words := number or SENTENCES("hidden")) not in own:
            own.append(words)
    kinds = [f"{capital(population_words(name, options))}: {_together(found)}." for name, found in populations.items()]
    return tuple(_captioned(block, numbers) for block in part.blocks), SENTENCES(
        "why", kinds=" ".join(kinds), imputes=options.imputes
    )


def _models(block: Block) -> list[tuple[str, ...]]:
    """The models behind each table and figure of a block."""
    names = [*(table.name for table in block.tables), *(picture.name for picture in block.pictures)]
    return list(map(block.models_of, names))


def _captioned(block: Block, numbers: Mapping[str, str]) -> Block:
    def of(name: str) -> str:
        found = dict.fromkeys(numbers[model] or SENTENCES("hidden") for model in block.models_of(name))
        return _together(list(found))

    def suffix(name: str, mark: str, end: str = "") -> str:
        return f"{mark}{words}{end}" if (words := of(name)) else ""

    return replace(
        block,
        tables=tuple(replace(one, caption=f"{one.caption}{suffix(one.name, '; ')}") for one in block.tables),
        pictures=tuple(replace(one, caption=f"{one.caption}{suffix(one.name, ' ', '.')}") for one in block.pictures),
    )


def _together(numbers: list[str]) -> str:
    """Numbers with their unit said once: "2,773 and 682 people"."""
    units = {number.rpartition(" ")[2] for number in numbers}
    if len(units) != 1 or SENTENCES("hidden") in numbers:
        return join(numbers)
    return f"{join([number.rpartition(' ')[0] for number in numbers])} {units.pop()}"
