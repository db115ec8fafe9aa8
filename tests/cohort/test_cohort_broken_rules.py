"""Files with values that break a rule: the whole message, case by case."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliance_bayes.cohort import read_cohort
from alliance_bayes.errors import DataError

# Name: (the file, options, every line of the message below its first).
CASES: dict[str, tuple[str, dict[str, object], list[str]]] = {
    "duplicate_id": (
        "participant_id,age\n007,30\n008,31\n007,32\n",
        {},
        [
            "column 'participant_id', row 4: '007' is already in row 2. Keep one row for each participant, "
            "or pass person='participant_id' if participants have several rows.",
        ],
    ),
    "missing_id": (
        "participant_id,age\n1,30\n,31\nNA,32\n",
        {},
        [
            ("column 'participant_id', row 3: '' has no identifier. Fill in the identifier, or remove the row."),
            ("column 'participant_id', row 4: 'NA' has no identifier. Fill in the identifier, or remove the row."),
        ],
    ),
    "id_with_space": (
        "participant_id,age\n1,30\n 2,31\n",
        {},
        [
            (
                "column 'participant_id', row 3: ' 2' has spaces around it. Remove them: identifiers are "
                "compared character by character."
            ),
        ],
    ),
    "negative_days": (
        "participant_id,days_in_care\n1,-3\n2,14\n",
        {},
        [
            (
                "column 'days_in_care', row 2: '-3' is below 0 (days). Correct it, or leave the cell empty if it"
                " is unknown."
            ),
        ],
    ),
    "age_out_of_range": (
        "participant_id,age\n1,121\n2,-1\n3,36.5\n",
        {},
        [
            (
                "column 'age', row 2: '121' is outside 0 to 120 (years). Correct it, or leave the cell empty if "
                "it is unknown. If it is another measure, rename it: columns={'new_name': 'age'}."
            ),
            (
                "column 'age', row 3: '-1' is outside 0 to 120 (years). Correct it, or leave the cell empty if "
                "it is unknown. If it is another measure, rename it: columns={'new_name': 'age'}."
            ),
        ],
    ),
    "score_off_grid": (
        "participant_id,who5_baseline,who5_followup\n1,41,44\n2,40,13\n",
        {},
        [
            (
                "column 'who5_baseline', row 2: '41' is not on the grid 0, 4, ..., 100 (WHO-5 score). Give the "
                "percentage score (the raw sum times 4), or leave the cell empty if it is unknown."
            ),
            (
                "column 'who5_followup', row 3: '13' is not on the grid 0, 4, ..., 100 (WHO-5 score). Give the "
                "percentage score (the raw sum times 4), or leave the cell empty if it is unknown."
            ),
        ],
    ),
    "score_out_of_range": (
        "participant_id,who5_baseline\n1,104\n2,-4\n",
        {},
        [
            (
                "column 'who5_baseline', row 2: '104' is outside 0 to 100 (WHO-5 score). Correct it, or leave "
                "the cell empty if it is unknown."
            ),
            (
                "column 'who5_baseline', row 3: '-4' is outside 0 to 100 (WHO-5 score). Correct it, or leave the"
                " cell empty if it is unknown."
            ),
        ],
    ),
    "item_out_of_range": (
        "participant_id,who5_baseline_1,who5_baseline_2,who5_baseline_3,who5_baseline_4,who5_baseline_5\n1,6,0,0,0,0\n2,1,2.5,1,1,1\n",
        {},
        [
            (
                "column 'who5_baseline_1', row 2: '6' is outside 0 to 5 (WHO-5 item). Correct it, or leave the "
                "cell empty if it is unknown."
            ),
            (
                "column 'who5_baseline_2', row 3: '2.5' is not a whole number (WHO-5 item). Correct it, or leave"
                " the cell empty if it is unknown."
            ),
        ],
    ),
    "item_lacking": (
        "participant_id,who5_followup_1,who5_followup_2,who5_followup_3,who5_followup_4\n1,1,2,3,4\n",
        {},
        [
            (
                "column 'who5_followup_1': is one of 4 items of 'who5_followup', which needs 5. Add "
                "who5_followup_5, or give 'who5_followup' itself."
            ),
        ],
    ),
    "score_contradicts_items": (
        "participant_id,who5_baseline,who5_baseline_1,who5_baseline_2,who5_baseline_3,who5_baseline_4,who5_baseline_5\n1,40,2,2,2,2,2\n2,48,2,2,2,2,2\n",
        {},
        [
            ("column 'who5_baseline', row 3: '48' differs from the score of its items (40). Correct one of them."),
        ],
    ),
    "change_contradicts": (
        "participant_id,who5_baseline,who5_followup,who5_change\n1,40,48,8\n2,40,48,4\n3,40,,4\n",
        {},
        [
            (
                "column 'who5_change', row 3: '4' is not follow-up minus baseline. Correct it, or remove the "
                "column: it is always computed."
            ),
            (
                "column 'who5_change', row 4: '4' is a change, but there is no 'who5_followup' in this row. Correct "
                "it, or remove the column: it is always computed."
            ),
        ],
    ),
    "alliance_off_range": (
        "participant_id,alliance\n1,0.5\n2,5.5\n3,4.75\n",
        {},
        [
            (
                "column 'alliance', row 2: '0.5' is outside 1 to 5 (mean alliance rating). Correct it, leave the "
                "cell empty, or say on which instrument's scale it is: instruments={'alliance': 'wai_sr'}."
            ),
            (
                "column 'alliance', row 3: '5.5' is outside 1 to 5 (mean alliance rating). Correct it, leave the "
                "cell empty, or say on which instrument's scale it is: instruments={'alliance': 'wai_sr'}."
            ),
        ],
    ),
    "rating_off_range": (
        "participant_id,alliance_goal,alliance_bond\n1,0,5\n2,4.5,5\n3,4,6\n",
        {},
        [
            (
                "column 'alliance_goal', row 2: '0' is outside 1 to 5 (alliance rating). Correct it, or leave "
                "the cell empty if it is unknown."
            ),
            (
                "column 'alliance_goal', row 3: '4.5' is not a whole number (alliance rating). Correct it, or "
                "leave the cell empty if it is unknown."
            ),
            (
                "column 'alliance_bond', row 4: '6' is outside 1 to 5 (alliance rating). Correct it, or leave "
                "the cell empty if it is unknown."
            ),
        ],
    ),
    "whole_sessions": (
        "participant_id,n_sessions\n1,3.5\n2,-1\n",
        {},
        [
            (
                "column 'n_sessions', row 2: '3.5' is not a whole number (sessions). Correct it, or leave the "
                "cell empty if it is unknown."
            ),
            (
                "column 'n_sessions', row 3: '-1' is below 0 (sessions). Correct it, or leave the cell empty if "
                "it is unknown."
            ),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_broken_rules_are_all_named(case: str, tmp_path: Path) -> None:
    text, options, lines = CASES[case]
    path = tmp_path / "cohort.csv"
    path.write_bytes(text.encode())
    with pytest.raises(DataError) as caught:
        read_cohort(path, **options)
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    expected = [f"cohort.csv: {count} found; nothing was analysed.", *(f"  - {line}" for line in lines)]
    assert str(caught.value).splitlines() == expected
    assert len(caught.value.problems) == len(lines)
