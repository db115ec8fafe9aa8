"""The files that declare the study's parts: what they name is there, and texts say what they are given and no more."""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

import alliance_bayes as ab
from alliance_bayes.effects import ESTIMANDS
from alliance_bayes.model.shipped import shipped_cards
from alliance_bayes.study import StudyOptions, declared
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.study.declared import DeclaredBlock, declaration, whole_part
from alliance_bayes.study.registry import PARTS
from alliance_bayes.study.runner import StudyRunner

FOLDER = Path(declared.__file__).parent / "parts"


def test_every_file_is_a_part_and_every_part_has_one() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{name}.toml" for name in PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_what_a_part_names_is_there(name: str) -> None:
    part, blocks = declaration(name), declaration(name).blocks.values()

    assert part.question.endswith("?")
    assert {model.card for model in part.models.values()} <= set(shipped_cards())
    fits = [model.fit or model.card for model in part.models.values()]
    assert len(set(fits)) == len(fits)
    used = {model for block in blocks for model in (*block.models, *(m for one in block.estimates for m in one.models))}
    assert used <= set(part.models)
    estimates = [one for block in blocks for one in block.estimates]
    for one in estimates:
        names = [one.estimand] if isinstance(one.estimand, str) else one.estimand
        measures = {measure for estimand in names for measure in ESTIMANDS[estimand].measures}
        assert set(one.keep) <= measures
        assert all(hasattr(StudyOptions(), source) for source in one.from_study.values())
    assert len({block.name for block in blocks}) == len(list(blocks))
    shown = [one.name for block in blocks for one in (*block.tables, *block.forests)]
    assert name == "modality" or len(set(shown)) == len(shown)


@pytest.mark.parametrize("name", PARTS)
def test_every_sentence_of_a_part_is_said_by_its_code(name: str) -> None:
    code = inspect.getsource(import_module(PARTS[name].__module__))
    assert [key for key in declaration(name).sentences if f'"{key}"' not in code] == []


@pytest.mark.parametrize(
    "table",
    [
        {"name": "b", "title": "B", "estimate": []},
        {"name": "b", "title": "B", "estimates": [{"estimand": "slopes", "rope": 2.0}]},
        {"name": "b", "title": "B", "tables": [{"name": "t"}]},
    ],
)
def test_a_key_that_is_not_known_or_is_lacking_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r"unexpected keyword argument|missing 1 required"):
        DeclaredBlock.of(table)


def test_a_part_of_which_the_file_says_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {
        "title": "Age",
        "question": "Does well-being at follow-up go with age?",
        "limits": ["That age brings it about."],
        "models": {"outcome": {"card": "outcome", "fit": "outcome_everybody"}},
        "blocks": {
            "age": {
                "name": "age",
                "title": "Slope of age",
                "text": ["Intervals have {{ prob }}.", "{% if margin == '0' %}None.{% endif %}"],
                "estimates": [
                    {
                        "estimand": "slopes",
                        "options": {"predictor": "age", "rope": False, "relevant": False},
                        "prefix": "model",
                        "keep": ["slope", "slope_p10_p90"],
                    }
                ],
                "tables": [
                    {"name": "table-age", "caption": "Age", "label": "{{ short }}"},
                    {"name": "table-pairs", "caption": "None", "rows": "pairs"},
                ],
                "forests": [
                    {"name": "picture-age", "title": "Age", "axis": "points", "caption": "One.", "rows": "slope"}
                ],
                "findings": [
                    {"row": "outcome/slope", "text": "Per year {{ row.mean }} ({{ row.interval }})."},
                    {"each": "slope_p10_p90", "text": "{{ row.mean }}.", "key": False},
                ],
            }
        },
    }
    monkeypatch.setattr(declared, "read_wording", lambda *_: table)
    declaration.cache_clear()
    cohort = ab.simulate_cohort(n=120, seed=3)
    runner = StudyRunner(cohort, StudyOptions(), cache=PosteriorCache(None), tell=lambda _: None, progress=False)

    part = partial(whole_part, "age")(runner)
    declaration.cache_clear()

    (block,) = part.blocks
    assert (part.name, part.title, part.limits) == ("age", "Age", ("That age brings it about.",))
    assert (block.name, block.models, block.text) == ("age", ("outcome_everybody",), ("Intervals have 89%.",))
    assert block.rows["estimand"].tolist() == ["slope", "slope_p10_p90"]
    assert all(row.startswith("outcome/") for row in block.rows.index)
    fit = runner.fit("outcome_everybody")
    expected = fit.slopes(predictor="age", prob=0.89, rope=None, relevant=None)
    assert block.rows["mean"].iloc[0] == expected["mean"].iloc[0]
    assert [table.name for table in block.tables] == ["table-age"]
    assert [len(table.rows) for table in block.tables] == [2]
    assert len(block.pictures) == 1
    assert [(finding.key, finding.rows) for finding in part.findings] == [
        (True, (f"age/{block.rows.index[0]}",)),
        (False, (f"age/{block.rows.index[1]}",)),
    ]
    assert part.findings[0].text.startswith("Per year ")
    assert part.findings[0].text.endswith(").")
