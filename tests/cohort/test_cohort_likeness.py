"""Levels that look like misspellings, and those that only look alike."""

from __future__ import annotations

import random
import string
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alliance_bayes.cohort.likeness import alike_levels

CYRILLIC = "G\u0435rm\u0430ny"  # two of its letters are drawn as Latin ones


def found(counts: dict[str, int]) -> dict[str, str]:
    return {one.level: one.usual for one in alike_levels(counts)}


@pytest.mark.parametrize(
    ("usual", "n", "level", "n_level"),
    [
        ("Germany", 40, "Germnay", 1),
        ("Germany", 2, "Germnay", 1),
        ("Germany", 40, "Germnya", 2),
        ("Germany", 40, "germany ", 30),
        ("Germany", 40, "GERMANY", 39),
        ("Germany", 40, CYRILLIC, 20),
        ("Germany", 9, "Gernany", 3),
        ("Deutschland", 2, "Deutschand", 1),
        ("Deutschland", 900, "Deutschand", 40),
        ("Philippines", 9, "Phillipines", 2),
        ("United States", 9, "Untied Sttaes", 1),
        ("New York", 9, "New-York", 9),
        ("in person", 9, "in_person", 4),
        ("\u00d6sterreich", 9, "Oesterreich", 1),
        ("Cura\u00e7ao", 3, "Curacao", 3),
        ("caf\u00e9", 9, unicodedata.normalize("NFD", "caf\u00e9"), 1),
        ("\u0422\u043e\u043c\u0441\u043a", 5, "\u0422\u041e\u041c\u0421\u041a", 2),
        ("male", 90, "mael", 2),
        ("female", 90, "femlae", 2),
        ("coach", 90, "caoch", 4),
        ("therapist", 99, "therpist", 2),
        ("F10", 9, "F1O", 1),
        ("site 1", 4, "site1", 4),
        ("Ward North", 40, "Ward Nroth", 1),
    ],
)
def test_a_misspelling_is_found(usual: str, n: int, level: str, n_level: int) -> None:
    assert found({"France": 30, usual: n, level: n_level}) == {level: usual}


@pytest.mark.parametrize(
    "counts",
    [
        {"F10": 5, "F11": 40},
        {"site 1": 3, "site 2": 50, "site 12": 1},
        {"coach": 300, "coach A": 2, "coach B": 40},
        {"siteA": 40, "siteB": 3},
        {"groupa": 30, "groupb": 1, "groupc": 20},
        {"Austria": 300, "Australia": 200},
        {"Austria": 3, "Australia": 900},
        {"Iceland": 40, "Ireland": 300},
        {"Slovakia": 2, "Slovenia": 40},
        {"Niger": 3, "Nigeria": 90},
        {"Gambia": 1, "Zambia": 20},
        {"trial": 90, "trail": 60},
        {"male": 300, "female": 3},
        {"employed": 300, "unemployed": 3},
        {"typical": 300, "atypical": 3},
        {"nurse": 40, "nurses": 2},
        {"hypotension": 2, "hypertension": 40},
        {"A+": 40, "A-": 3, "AB+": 2, "AB-": 1},
        {"<5": 3, ">5": 40},
        {"C": 1, "C++": 9, "C#": 3},
        {"I": 3, "II": 9, "III": 30},
        {"1.5": 3, "15": 8},
        {"T-1": 3, "T1": 8},
        {"XA": 30, "XB": 2},
        {"QAXZ": 30, "QAZX": 2},
        {"": 3, " ": 2, ".": 1},
    ],
)
def test_what_only_looks_alike_is_not(counts: dict[str, int]) -> None:
    assert found(counts) == {}


def test_many_levels_that_are_codes_are_not() -> None:
    letters = random.Random(1)
    codes = {"".join(letters.choices("ABCDE", k=6)): letters.choice((1, 2, 30)) for _ in range(2_000)}
    assert found(codes) == {}


def test_letters_that_look_the_same_are_told_by_their_numbers() -> None:
    (one,) = alike_levels({"Germany": 40, CYRILLIC: 2})
    assert CYRILLIC not in str(one)
    assert "\\u0435" in str(one)


WORDS = st.text(string.ascii_lowercase + "\u00e9\u0439 -1", min_size=1, max_size=12)


@given(st.dictionaries(WORDS, st.integers(1, 50), max_size=12))
@example({"Germnay": 1, "Germany": 1})
def test_one_of_two_is_the_other_misspelt_and_the_more_frequent_is_right(counts: dict[str, int]) -> None:
    alike = alike_levels(counts)
    assert len({one.level for one in alike}) == len(alike)
    for one in alike:
        assert (one.n, one.n_usual) == (counts[one.level], counts[one.usual])
        assert one.n <= one.n_usual
        assert one.level != one.usual
        # Numbers are what they are.
        assert [c for c in one.level if c.isdigit()] == [c for c in one.usual if c.isdigit()]


@given(st.text(string.ascii_letters, min_size=8, max_size=14), st.data())
def test_every_single_slip_in_a_long_word_is_found(word: str, data: st.DataObject) -> None:
    word = word.lower()
    place = data.draw(st.integers(1, len(word) - 3))
    slips = {
        word[:place] + word[place + 1 :],
        word[:place] + "\u00f1" + word[place:],
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        word[:place] + "\u00f1" + word[place + 1 :],
    }
    for slip in slips - {word}:
        assert found({word: 40, slip: 1}) == {slip: word}
