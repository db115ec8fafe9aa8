"""One row a session: the table that models of single ratings and of their course need."""

from __future__ import annotations

import pandas as pd

from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.flow import FlowStep
from alliance_bayes.cohort.items import item_score
from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import ALLIANCE2
from alliance_bayes.remedies import call

__all__ = ["held_sessions", "session_cohort"]

#: What a session's row takes from the participant's, where the cohort has it.
FROM_PERSON = ("provider_type", "sex", "country", "age", "who5_baseline", "modality")


def session_cohort(cohort: Cohort) -> Cohort:
    """Turn a cohort's rated sessions into a table of its own, one row each.

    Parameters
    ----------
    cohort
        With sessions: read by `read_tables`, or simulated.

    Returns
    -------
    Cohort
        Its rows are sessions, in the order of the people and of dates, and it has no `participant_id`:

        * `person`: factor of participants' ids, in the order of the people; only those with a rated session are levels;
        * `rating`: mean of `goal` and `bond` (1-5), which follow;
        * `session`: sessions that the person had before this one, rated or not (0 for the first one held);
        * `provider_id`: whom this session was with, where known;
        * `provider_type`, `sex`, `country`, `age`, `who5_baseline`, `modality`: the person's, where the cohort has it.

        Sessions that lack a rating are left out; the flow counts them, in sessions.

    Raises
    ------
    UsageError
        When the cohort has no sessions.
    """
    held = held_sessions(cohort, "session_cohort")
    rated = held[held["rating"].notna()].reset_index(drop=True)
    ids = pd.Index(cohort.data[ID].array)
    place = ids.get_indexer(pd.Index(rated[ID]))
    person = pd.Categorical.from_codes(place, categories=ids).remove_unused_categories()
    own = ["rating", "goal", "bond", "session"]
    data = pd.DataFrame({"person": person, **{name: rated[name] for name in own}})
    if "provider_id" in rated:
        data["provider_id"] = rated["provider_id"].cat.remove_unused_categories()
    for name in FROM_PERSON:
        if name in cohort.data:
            data[name] = cohort.data[name].take(place).array
    left_out = FlowStep("session without both ratings", len(held) - len(rated))
    return Cohort(data, source=f"sessions of {cohort.source}", excluded=(left_out,), person="person")


def held_sessions(cohort: Cohort, caller: str) -> pd.DataFrame:
    """Rate and number every session of a cohort.

    Parameters
    ----------
    cohort
        Any cohort.
    caller
        Who asks, for the error's text.

    Returns
    -------
    pandas.DataFrame
        The cohort's sessions with `rating` (mean of goal and bond, missing when either is) and `session` (how many the
        person had before).

    Raises
    ------
    UsageError
        When the cohort has no sessions.
    """
    if cohort.sessions is None:
        raise UsageError(
            f"{caller}: {cohort.source} has no sessions, only one row a participant. Give the three tables "
            f"({call('read_tables')})."
        )
    return cohort.sessions.assign(
        rating=item_score(cohort.sessions, ("goal", "bond"), ALLIANCE2),
        session=cohort.sessions.groupby(ID, sort=False).cumcount().astype("float64"),
    )
