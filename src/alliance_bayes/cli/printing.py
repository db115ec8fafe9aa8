"""What commands print with `--json`: one document on standard output, numbers as they were computed."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alliance_bayes.cohort import Flow

__all__ = ["flow_record", "print_json"]


def print_json(document: Any) -> None:
    """Print a document; NaN and infinities are null."""
    from alliance_bayes.report.records import plain

    # ASCII, since a terminal may have no letters for what labels say.
    print(json.dumps(plain(document), allow_nan=False, indent=1))


def flow_record(flow: Flow) -> dict[str, Any]:
    """Who was left out, as `Cohort.told` has it."""
    left_out = [
        {key: value for key, value in dataclasses.asdict(step).items() if value is not None} for step in flow.steps
    ]
    counted = {} if flow.people is None else {"people": flow.people, "analysed_people": flow.analysed_people}
    return {"participants": flow.participants, "left_out": left_out, "analysed": flow.analysed, **counted}
