from __future__ import annotations

import re

import pytest

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import (
    ALLIANCE2,
    INSTRUMENTS,
    PHQ2,
    PHQ9,
    SRS,
    WAI,
    WAI_S,
    WAI_SR,
    WHO5,
    instrument,
    score,
)


@pytest.mark.parametrize(
    ("entry", "n_items", "item_range", "item_step", "score_range"),
    [
        (WHO5, 5, (0, 5), 1, (0, 100)),
        (WAI, 36, (1, 7), 1, (36, 252)),
        (WAI_S, 12, (1, 7), 1, (12, 84)),
        (WAI_SR, 12, (1, 5), 1, (12, 60)),
        (ALLIANCE2, 2, (1, 5), 1, (1, 5)),
        (SRS, 4, (0, 10), None, (0, 40)),
        (PHQ9, 9, (0, 3), 1, (0, 27)),
        (PHQ2, 2, (0, 3), 1, (0, 6)),
        (instrument("GAD-7"), 7, (0, 3), 1, (0, 21)),
        (instrument("OQ-45"), 45, (0, 4), 1, (0, 180)),
        (instrument("CORE-OM"), 34, (0, 4), 1, (0, 40)),
        (instrument("ORS"), 4, (0, 10), None, (0, 40)),
        (instrument("WEMWBS"), 14, (1, 5), 1, (14, 70)),
        (instrument("SAI"), 6, (0, 5), 1, (0, 5)),
        (instrument("HAq-II"), 19, (1, 6), 1, (19, 114)),
        (instrument("CALPAS"), 24, (1, 7), 1, (1, 7)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_items_and_ranges(entry, n_items, item_range, item_step, score_range):
    assert (entry.n_items, entry.item_range, entry.item_step) == (n_items, item_range, item_step)
    assert entry.score_range == score_range


@pytest.mark.parametrize("entry", [WAI, WAI_S, WAI_SR, ALLIANCE2], ids=lambda entry: entry.name)
def test_subscales_share_out_every_item_equally(entry):
    sizes = {len(items) for items in entry.subscales.values()}
    assert len(sizes) == 1
    named = sorted(item for items in entry.subscales.values() for item in items)
    assert named == list(range(1, entry.n_items + 1))


def test_keys():
    assert WAI.subscales == {
        "task": (2, 4, 7, 11, 13, 15, 16, 18, 24, 31, 33, 35),
        "bond": (1, 5, 8, 17, 19, 20, 21, 23, 26, 28, 29, 36),
        "goal": (3, 6, 9, 10, 12, 14, 22, 25, 27, 30, 32, 34),
    }
    assert WAI_SR.subscales == {"task": (1, 2, 10, 12), "goal": (4, 6, 8, 11), "bond": (3, 5, 7, 9)}
    assert {entry.name: entry.reversed_items for entry in INSTRUMENTS if entry.reversed_items} == {
        "WAI": (1, 3, 7, 9, 10, 11, 12, 15, 20, 27, 29, 31, 33, 34),
        "WAI-S": (4, 10),
        "OQ-45": (1, 12, 13, 20, 21, 24, 31, 37, 43),
        "CORE-OM": (3, 4, 7, 12, 19, 21, 31, 32),
        "HAq-II": (4, 8, 11, 16, 19),
    }
    sizes = {name: len(items) for entry in ("OQ-45", "CORE-OM") for name, items in instrument(entry).subscale_items}
    assert sizes == {
        "symptom_distress": 25,
        "interpersonal_relations": 11,
        "social_role": 9,
        "wellbeing": 4,
        "problems": 12,
        "functioning": 12,
        "risk": 6,
    }


def test_cut_offs():
    cut_offs = {
        (entry.name, threshold.name): (threshold.direction, threshold.value)
        for entry in INSTRUMENTS
        for threshold in entry.thresholds
    }
    assert cut_offs == {
        ("WHO-5", "low_wellbeing"): ("at or below", 50),
        ("WHO-5", "depression_screen"): ("at or below", 28),
        ("SRS", "alliance_alert"): ("below", 36),
        ("PHQ-9", "depression_screen"): ("at or above", 10),
        ("PHQ-9", "remission"): ("below", 5),
        ("PHQ-2", "depression_screen"): ("at or above", 3),
        ("GAD-7", "anxiety_screen"): ("at or above", 10),
        ("GAD-7", "anxiety_case"): ("at or above", 8),
        ("OQ-45", "clinical_range"): ("at or above", 64),
        ("CORE-OM", "clinical_range"): ("at or above", 10),
        ("ORS", "clinical_range"): ("at or below", 25),
    }
    assert {entry.name: entry.smallest_relevant_change for entry in INSTRUMENTS if entry.smallest_relevant_change} == {
        "WHO-5": 10,
        "PHQ-9": 5,
        "GAD-7": 4,
    }
    assert {entry.name: entry.relevant_source for entry in INSTRUMENTS if entry.relevant_source} == {
        "WHO-5": "Topp et al. 2015",
        "PHQ-9": "Löwe et al. 2004",
        "GAD-7": "Toussaint et al. 2020",
    }


def test_what_counts_as_change_and_how_many_items_may_be_missing():
    """Copied from the sources that the entries name."""
    assert {one.name: one.reliable_change.value for one in INSTRUMENTS if one.reliable_change} == {
        "PHQ-9": 6,
        "GAD-7": 4,
        "OQ-45": 14,
        "ORS": 5,
    }
    assert {one.name: one.response.value for one in INSTRUMENTS if one.response} == {"PHQ-9": 0.5}
    assert {one.name: one.case for one in INSTRUMENTS if one.case} == {
        "WHO-5": "depression_screen",
        "PHQ-9": "depression_screen",
        "GAD-7": "anxiety_case",
        "OQ-45": "clinical_range",
        "CORE-OM": "clinical_range",
        "ORS": "clinical_range",
    }
    assert {one.name: (one.missing.most, dict(one.missing.subscales)) for one in INSTRUMENTS if one.missing} == {
        "PHQ-9": (2, {}),
        "CORE-OM": (3, {"problems": 1, "functioning": 1}),
    }
    assert {one.measures for one in INSTRUMENTS if one.higher_is == "worse"} == {"symptoms", "distress"}


def test_every_figure_has_a_source():
    """A short name of one that is listed, an address, a doi, or the word that it is assumed."""
    for entry in INSTRUMENTS:
        listed = " ".join(entry.sources)
        figures = [(threshold.name, threshold.source) for threshold in entry.thresholds]
        figures += [("relevant", entry.relevant_source)] if entry.smallest_relevant_change else []
        figures += [("missing", entry.missing.source)] if entry.missing else []
        figures += [("reliability", entry.reliability[1])] if entry.reliability else []
        figures += [(name, one.source) for name in ("reliable_change", "response") if (one := getattr(entry, name))]
        for name, source in figures:
            short = re.split(r" et al\.|,| \(", source)[0]
            known = short in listed or source.startswith("https://") or short.split()[-1] in listed
            assert known, (entry.name, name, source)
        if entry.reference is not None:
            assert re.search(r"assumed|derived", entry.reference.source), entry.name
        assert entry.population_means is None or "population" in listed


def test_references_and_reliabilities():
    assert {entry.name: (known.mean, known.sd) for entry in INSTRUMENTS if (known := entry.reference)} == {
        "WHO-5": (50, 19),
        "ALLIANCE2": (4.5, 0.7),
        "SRS": (36, 4),
        "PHQ-9": (10, 6),
        "PHQ-2": (2, 1.7),
    }
    assert {entry.name: entry.reliability for entry in INSTRUMENTS if entry.reliability} == {
        "ALLIANCE2": (0.72, "Sagui-Henson et al. 2022"),
        "CALPAS": (0.83, "Gaston 1991"),
    }


def test_items_of_a_key_that_is_not_known_are_not_scored():
    assert [entry.name for entry in INSTRUMENTS if not entry.scored] == ["CALPAS"]
    with pytest.raises(UsageError) as caught:
        score([[4] * 24], instrument("CALPAS"))
    assert str(caught.value) == (
        "which items of CALPAS are reversed is not known here, so they cannot be scored. Score them by the authors' "
        "manual, and use the totals."
    )


def test_a_clinical_score_is_ten_times_the_mean():
    """34 answers of 1, of which eight are reversed to 3: (26 + 24) / 34 x 10; with two missing, by those answered."""
    answers = [1.0] * 34
    assert score([answers], instrument("CORE-OM"))["total"].iloc[0] == 500 / 34
    answers[0] = answers[1] = float("nan")
    assert score([answers], instrument("CORE-OM"), prorate=0.9)["total"].iloc[0] == 480 / 32


def test_what_is_unverified_says_so_and_everything_has_a_source():
    assert {entry.name for entry in INSTRUMENTS if not entry.verified} == {
        "WAI",
        "WAI-S",
        "SRS",
        "OQ-45",
        "CORE-OM",
        "ORS",
        "SAI",
        "HAq-II",
        "CALPAS",
    }
    for entry in INSTRUMENTS:
        assert entry.sources
        assert str(entry).count("UNVERIFIED") == len(entry.unverified)
    assert {entry.name for entry in INSTRUMENTS if entry.higher_is == "worse"} == {
        "PHQ-9",
        "PHQ-2",
        "GAD-7",
        "OQ-45",
        "CORE-OM",
    }
