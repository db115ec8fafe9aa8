"""Files with cells that cannot be read: the whole message, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliance_bayes.cohort import Cohort, read_cohort
from alliance_bayes.errors import DataError, Problem

# Name: (the file, options, every line of the message below its first).
CASES: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "text_in_numbers": (
        "participant_id,age,alliance\n1,n/a,4\n2,unknown,four\n3,30,-\n",
        {},
        [
            (
                "column 'age', row 2: 'n/a' is not a number. Correct it; a missing value is an empty cell, NA or"
                " NaN, or is named in missing=['NA', 'NaN', 'n/a']."
            ),
            (
                "column 'age', row 3: 'unknown' is not a number. Correct it; a missing value is an empty cell, "
                "NA or NaN, or is named in missing=['NA', 'NaN', 'unknown']."
            ),
            (
                "column 'alliance', row 3: 'four' is not a number. Correct it; a missing value is an empty cell,"
                " NA or NaN, or is named in missing=['NA', 'NaN', 'four']."
            ),
            (
                "column 'alliance', row 4: '-' is not a number. Correct it; a missing value is an empty cell, NA"
                " or NaN, or is named in missing=['NA', 'NaN', '-']."
            ),
        ],
    ),
    "decimal_comma": (
        'participant_id,alliance\n1,"4,5"\n2,4\n',
        {},
        [
            (
                "column 'alliance', row 2: '4,5' has a decimal comma. Pass decimal=',' if every number is "
                "written so; otherwise correct the cell."
            ),
        ],
    ),
    "decimal_point": (
        'participant_id,alliance\n1,"4,5"\n2,4.25\n',
        {"decimal": ","},
        [
            (
                "column 'alliance', row 3: '4.25' has a decimal point. Pass decimal='.' if every number is "
                "written so; otherwise correct the cell."
            ),
        ],
    ),
    "thousands": (
        'participant_id,days_in_care\n1,"1,234"\n2,1 234\n3,"1,234,567"\n',
        {},
        [
            (
                "column 'days_in_care', row 2: '1,234' has a comma that may separate thousands or decimals. "
                "Write it without the comma, or pass decimal=',' if that is the decimal mark."
            ),
            ("column 'days_in_care', row 3: '1 234' has separators between thousands. Write the number without them."),
            (
                "column 'days_in_care', row 4: '1,234,567' has separators between thousands. Write the number "
                "without them."
            ),
        ],
    ),
    "infinite": (
        "participant_id,alliance\n1,inf\n2,-Infinity\n3,1e999\n",
        {},
        [
            ("column 'alliance', row 2: 'inf' is infinite. Correct it; a missing value is an empty cell, NA or NaN."),
            (
                "column 'alliance', row 3: '-Infinity' is infinite. Correct it; a missing value is an empty "
                "cell, NA or NaN."
            ),
            ("column 'alliance', row 4: '1e999' is infinite. Correct it; a missing value is an empty cell, NA or NaN."),
        ],
    ),
    "truth_values": (
        "participant_id,age\n1,TRUE\n2,False\n",
        {},
        [
            "column 'age', row 2: 'TRUE' is a truth value, not a number. Write the number that is meant.",
            "column 'age', row 3: 'False' is a truth value, not a number. Write the number that is meant.",
        ],
    ),
    "mixed_further_column": (
        "participant_id,phq9\n1,12\n2,3\n3,?\n4,5\n",
        {},
        [
            (
                "column 'phq9', row 4: '?' is not a number, but the column holds numbers. Correct it; a missing "
                "value is an empty cell, NA or NaN, or is named in missing=['NA', 'NaN', '?']. If the column is a "
                "factor, pass categorical=['phq9']."
            ),
        ],
    ),
    "mostly_text_further_column": (
        "participant_id,ward\n1,A\n2,B\n3,12\n",
        {},
        [
            (
                "column 'ward': mixes numbers (in 1 of its cells) with text (in 2). Remove the column or correct"
                " it. If the column is a factor, pass categorical=['ward']."
            ),
        ],
    ),
    "commas_in_further_column": (
        'participant_id,phq9\n1,"4,5"\n2,"3,5"\n',
        {},
        [
            (
                "column 'phq9', row 2: '4,5' has a decimal comma. Pass decimal=',' if every number is written "
                "so; otherwise correct the cell."
            ),
            (
                "column 'phq9', row 3: '3,5' has a decimal comma. Pass decimal=',' if every number is written "
                "so; otherwise correct the cell."
            ),
        ],
    ),
    "all_missing": (
        "participant_id,age,sex,note\n1,NA,,\n2,NaN,,\n",
        {},
        [
            "column 'age': has no value in any row. Fill it in, or remove the column.",
            "column 'sex': has no value in any row. Fill it in, or remove the column.",
        ],
    ),
    "everything_at_once": (
        "participant_id,age,sex,alliance,who5_baseline\n1,36,female,4.5,40\n1,150,Female,9,41\n,abc,female,NA,40\n",
        {},
        [
            "column 'participant_id', row 3: '1' is already in row 2. Keep one row for each participant, "
            "or pass person='participant_id' if participants have several rows.",
            ("column 'participant_id', row 4: '' has no identifier. Fill in the identifier, or remove the row."),
            (
                "column 'age', row 3: '150' is outside 0 to 120 (years). Correct it, or leave the cell empty if "
                "it is unknown. If it is another measure, rename it: columns={'new_name': 'age'}."
            ),
            (
                "column 'age', row 4: 'abc' is not a number. Correct it; a missing value is an empty cell, NA or"
                " NaN, or is named in missing=['NA', 'NaN', 'abc']."
            ),
            (
                "column 'sex', row 3: 'Female' differs from 'female' (n = 2) in case or spacing alone. Write "
                "'female', or declare both: levels={'sex': ['Female', 'female']}."
            ),
            (
                "column 'alliance', row 3: '9' is outside 1 to 5 (mean alliance rating). Correct it, leave the "
                "cell empty, or say on which instrument's scale it is: instruments={'alliance': 'wai_sr'}."
            ),
            (
                "column 'who5_baseline', row 3: '41' is not on the grid 0, 4, ..., 100 (WHO-5 score). Give the "
                "percentage score (the raw sum times 4), or leave the cell empty if it is unknown."
            ),
        ],
    ),
    "mixed_case_levels": (
        "participant_id,provider_type\n1,coach\n2,Coach\n3,coach\n4,COACH\n",
        {},
        [
            (
                "column 'provider_type', row 3: 'Coach' differs from 'coach' (n = 2) in case or spacing alone. "
                "Write 'coach', or declare both: levels={'provider_type': ['COACH', 'Coach', 'coach']}."
            ),
            (
                "column 'provider_type', row 5: 'COACH' differs from 'coach' (n = 2) in case or spacing alone. "
                "Write 'coach', or declare both: levels={'provider_type': ['COACH', 'Coach', 'coach']}."
            ),
        ],
    ),
    "spaces_in_levels": (
        "participant_id,sex,country\n1,female,New  Zealand\n2, female,New Zealand\n3,male,New Zealand\n",
        {},
        [
            "column 'sex', row 3: ' female' has spaces around it. Write 'female'.",
            (
                "column 'country', row 2: 'New  Zealand' differs from 'New Zealand' (n = 2) in case or spacing "
                "alone. Write 'New Zealand', or declare both: levels={'country': ['New  Zealand', 'New Zealand']}."
            ),
        ],
    ),
    "undeclared_level": (
        "participant_id,provider_type\n1,coach\n2,Therapist\n3,psychiatrist\n",
        {"levels": {"provider_type": ["coach", "therapist", "both"]}},
        [
            (
                "column 'provider_type', row 3: 'Therapist' is not a declared level ('coach', 'therapist', "
                "'both'). Write 'therapist' if that is meant, or declare it with levels={'provider_type': ['coach', "
                "'therapist', 'both', 'Therapist']}."
            ),
            (
                "column 'provider_type', row 4: 'psychiatrist' is not a declared level ('coach', 'therapist', "
                "'both'). Correct it, or declare it with levels={'provider_type': ['coach', 'therapist', 'both', "
                "'psychiatrist']}."
            ),
        ],
    ),
}


def _use_all(cohort: Cohort) -> None:
    """Further columns that nobody asked for are told when somebody uses them."""
    cohort.complete(list(cohort.aside))


@pytest.mark.parametrize("case", CASES)
def test_unreadable_cells_are_all_named(case: str, tmp_path: Path) -> None:
    text, options, lines = CASES[case]
    path = tmp_path / "cohort.csv"
    path.write_bytes(text.encode())
    with pytest.raises(DataError) as caught:
        _use_all(read_cohort(path, **options))
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    expected = [f"cohort.csv: {count} found; nothing was analysed.", *(f"  - {line}" for line in lines)]
    assert str(caught.value).splitlines() == expected
    assert len(caught.value.problems) == len(lines)


def test_of_many_cells_those_with_one_value_are_one_line() -> None:
    problems = [Problem("sex", row, "female ", "has spaces around it", "Write 'female'.") for row in range(2, 42)]
    problems.append(Problem("age", 9, "??", "is not a number", "Correct it."))
    assert str(DataError(problems)).splitlines() == [
        "table: 41 problems found; nothing was analysed.",
        "  - column 'sex', rows 2, 3, 4, 5, 6 and 35 more: 'female ' has spaces around it. Write 'female'.",
        "  - column 'age', row 9: '??' is not a number. Correct it.",
    ]
    # As many as can be listed are listed one by one, and others are not the same.
    assert len(str(DataError(problems[:25])).splitlines()) == 26
    others = [Problem("age", row, f"{row}?", "is not a number", "Correct it.") for row in range(2, 42)]
    assert str(DataError(others)).splitlines()[-1].startswith("  ... and 15 more (")
