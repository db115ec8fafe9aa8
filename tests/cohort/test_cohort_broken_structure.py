"""Files that do not hold a table: the whole message, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliance_bayes.cohort import read_cohort
from alliance_bayes.errors import DataError

# Name: (the file, options, every line of the message below its first).
CASES: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "empty_file": (
        "",
        {},
        [
            "table: is empty. Check that the export finished; a header row is needed.",
        ],
    ),
    "blank_file": (
        "\n\n  \n",
        {},
        [
            "table: is empty. Check that the export finished; a header row is needed.",
        ],
    ),
    "header_only": (
        "participant_id,age\n",
        {},
        [
            "table: has a header but no rows. Check that the export finished.",
        ],
    ),
    "header_and_empty_rows": (
        "participant_id,age\n,\n,\n",
        {},
        [
            "table: has a header but no rows. Check that the export finished.",
        ],
    ),
    "duplicate_columns": (
        "participant_id,age,sex,age, sex\n1,30,f,31,f\n",
        {},
        [
            "column 'age': is the name of columns 2 and 4. Rename or remove one of them.",
            "column 'sex': is the name of columns 3 and 5. Rename or remove one of them.",
        ],
    ),
    "side_by_side": (
        "participant_id,age,,name,value\n1,30,,a,1\n2,31,,,\n",
        {},
        [
            (
                "table: has an empty column (number 3) between others: two tables side by side, it seems. Give each "
                "table a file of its own, or remove the column."
            ),
        ],
    ),
    "no_header": (
        "1,36,4.5,40\n2,41,4,44\n",
        {},
        [
            (
                "table: has numbers for column names (1, 36, 4.5, 40, ...): the first row should name the "
                "columns. Add a header row."
            ),
        ],
    ),
    "missing_mapped_column": (
        "participant_id,Age at intake\n1,30\n",
        {"columns": {"age": "Age at entry", "sex": "gender"}},
        [
            (
                "column 'Age at entry': is not in the table (mapped to 'age'). Did you mean 'Age at intake'? "
                "Columns: participant_id, Age at intake."
            ),
            "column 'gender': is not in the table (mapped to 'sex'). Columns: participant_id, Age at intake.",
        ],
    ),
    "mapped_twice": (
        "participant_id,age,years\n1,30,30\n",
        {"columns": {"age": "years"}},
        [
            (
                "column 'age': is in the table, but 'years' is mapped to this name too. Rename the column, or "
                "leave it out of columns."
            ),
        ],
    ),
    "almost_the_name_asked_for": (
        "Participant ID,SEX\n1,f\n",
        {"levels": {"sex": ["f", "m"]}},
        [
            "column 'SEX': looks like 'sex' but is spelled otherwise. Rename it, or pass columns={'sex': 'SEX'}.",
        ],
    ),
    "undeclared_column_in_levels": (
        "participant_id,age\n1,30\n",
        {"levels": {"sex": ["f", "m"]}, "categorical": ["site"]},
        [
            "column 'sex': is not in the table. Columns: participant_id, age.",
            "column 'site': is not in the table. Columns: participant_id, age.",
        ],
    ),
    "semicolons": (
        "participant_id;age\n1;30\n",
        {},
        [
            (
                "table: has one column, but its header holds semicolons: it seems to be separated by them. Pass "
                "sep=';', and decimal=',' if its numbers are written 4,5."
            ),
        ],
    ),
    "tabs": (
        "participant_id\tage\n1\t30\n",
        {},
        [
            ("table: has one column, but its header holds tabs: it seems to be separated by them. Pass sep='\\t'."),
        ],
    ),
    "spreadsheet_note": (
        "sep=;\nparticipant_id;age\n1;30\n",
        {"sep": ","},
        [
            (
                "table: begins with a line that says it is separated by ';', but is to be read with ','. Leave sep "
                "out, or remove that line."
            ),
        ],
    ),
    "ragged": (
        "participant_id,age,sex\n1,30,f\n2,31\n3,32,m,x\n",
        {},
        [
            (
                "table, row 3: has 2 cells where the header has 3 (line 3 of the file). Give it a cell for "
                "each column, also where one is empty (two commas in a row), and put text that contains line breaks in "
                "double quotation marks."
            ),
            (
                "table, row 4: has 4 cells where the header has 3 (line 4 of the file). Put text that contains "
                "commas in double quotation marks."
            ),
        ],
    ),
    "ragged_after_quoted_newline": (
        'participant_id,note,age\n1,"two\nlines",30\n\n2,plain\n',
        {},
        [
            (
                "table, row 4: has 2 cells where the header has 3 (line 5 of the file). Give it a cell for "
                "each column, also where one is empty (two commas in a row), and put text that contains line breaks in "
                "double quotation marks."
            ),
        ],
    ),
    "open_quote": (
        'participant_id,note\n1,fine\n2,"never closed\n3,x\n',
        {},
        [
            (
                "table, row 3: cannot be split into cells from line 3 of the file on (unexpected end of data). "
                "Close every quotation mark, and double those inside quoted text."
            ),
        ],
    ),
    "quote_inside": (
        'participant_id,note\n1,"a" b\n',
        {},
        [
            (
                "table, row 2: cannot be split into cells from line 2 of the file on (',' expected after '\"'). "
                "Close every quotation mark, and double those inside quoted text."
            ),
        ],
    ),
    "nul": (
        "participant_id,age\n1,3\x000\n",
        {},
        [
            "table: holds NUL characters, the first on line 2. Export the file again.",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_broken_structure_is_named(case: str, tmp_path: Path) -> None:
    text, options, lines = CASES[case]
    path = tmp_path / "cohort.csv"
    path.write_bytes(text.encode())
    with pytest.raises(DataError) as caught:
        read_cohort(path, **options)
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    expected = [f"cohort.csv: {count} found; nothing was analysed.", *(f"  - {line}" for line in lines)]
    assert str(caught.value).splitlines() == expected
    assert len(caught.value.problems) == len(lines)


def test_columns_between_spaces_are_told_where_values_are_missing_too(tmp_path: Path) -> None:
    rows = "".join(f"p{k} {20 + k} {'' if k % 3 == 0 else 40}\n" for k in range(12))
    (tmp_path / "table.csv").write_text(f"participant_id age who5_baseline\n{rows}", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_cohort(tmp_path / "table.csv")
    (problem,) = caught.value.problems
    assert "sep=' '" in problem.remedy
