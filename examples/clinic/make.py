"""Make the folder of a clinic: patients as SPSS keeps them, and therapists as a table for a spreadsheet.

The numbers are made up. Run it in this folder; it writes patients.sav (extra `files`) and therapists.csv, and
`soffice --headless --convert-to xlsx therapists.csv` made therapists.xlsx of the latter.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat

HERE = Path(__file__).resolve().parent
PATIENTS, THERAPISTS, TIMES = 120, 14, 5
REFUSED, NOT_ASKED = -99.0, -98.0

rng = np.random.default_rng(11)
therapist = rng.integers(1, THERAPISTS + 1, PATIENTS)
of_therapist, of_patient = rng.normal(0, 4, THERAPISTS + 1), rng.normal(0, 9, PATIENTS)
usual = rng.normal(3.6, 0.5, PATIENTS)
table = pd.DataFrame(
    {
        "pid": np.arange(1001.0, 1001 + PATIENTS),
        "age": rng.integers(19, 70, PATIENTS).astype(float),
        "sex": rng.choice([1.0, 2.0, 3.0], PATIENTS, p=[0.6, 0.37, 0.03]),
        "therapist_id": therapist.astype(float),
    }
)
for time in range(1, TIMES + 1):
    alliance = np.clip(np.round((usual + rng.normal(0, 0.4, PATIENTS)) * 2) / 2, 1, 5)
    mean = 38 + 5 * (alliance - 3.5) + 2.5 * time + of_therapist[therapist] + of_patient
    who5 = np.clip(np.round((mean + rng.normal(0, 8, PATIENTS)) / 4) * 4, 0, 100)
    left = rng.random(PATIENTS) < 0.04 * (time - 1)
    who5[left] = np.nan
    alliance[left] = np.nan
    who5[~left & (rng.random(PATIENTS) < 0.04)] = REFUSED
    who5[~left & (rng.random(PATIENTS) < 0.03)] = NOT_ASKED
    table[f"who5_t{time}"], table[f"alliance_t{time}"] = who5, alliance

scores = [name for name in table if name.startswith("who5")]
missing = {REFUSED: "refused", NOT_ASKED: "not asked"}
pyreadstat.write_sav(
    table,
    HERE / "patients.sav",
    column_labels={
        "age": "age at intake",
        **dict.fromkeys(scores, "WHO-5 score"),
        **{name: "working alliance" for name in table if name.startswith("alliance")},
    },
    variable_value_labels={"sex": {1: "female", 2: "male", 3: "diverse"}, **dict.fromkeys(scores, missing)},
    missing_ranges={name: [REFUSED, NOT_ASKED] for name in scores},
)
with (HERE / "therapists.csv").open("w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["therapist_id", "orientation", "years_of_practice"])
    for number in range(1, THERAPISTS + 1):
        orientation = rng.choice(["behavioural", "psychodynamic", "systemic"])
        writer.writerow([number, orientation, int(rng.integers(1, 30))])
