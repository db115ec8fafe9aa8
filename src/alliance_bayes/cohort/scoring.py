"""From sessions and surveys to one row a participant. Reads tables whose values are already known to be right."""

from __future__ import annotations

from typing import Literal, get_args

import pandas as pd

from alliance_bayes.cohort.flow import FlowStep
from alliance_bayes.cohort.items import item_score
from alliance_bayes.cohort.names import ID, PROVIDER_TYPES, SURVEY_ITEMS
from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import ALLIANCE2, WHO5

__all__ = ["Baseline", "Followup", "choose_surveys", "join_scores", "score_sessions", "score_surveys"]

Baseline = Literal["first", "before_care"]
Followup = Literal["last", "first"]

#: What is computed here, and may not be given in the participants' table.
SCORED = ("alliance", "n_sessions", "days_in_care", "who5_baseline", "who5_followup")

#: The WHO-5 asks about the last two weeks: two surveys closer than this look back at the same days.
MIN_DAYS_BETWEEN = 14


def score_sessions(sessions: pd.DataFrame) -> pd.DataFrame:
    """Score each session's alliance and average over a participant's sessions.

    Parameters
    ----------
    sessions
        One row a session: `participant_id` (str), `date` (datetime64), `goal` and `bond` (1-5, may be missing), and, if
        there, `provider_id` and `provider_type` ("coach" or "therapist").

    Returns
    -------
    pandas.DataFrame
        Indexed by `participant_id`, in order of first appearance:

        * `alliance`: mean of goal and bond in each session that has both, then the mean over those sessions (1-5);
        * `n_sessions`: sessions held, rated or not;
        * `days_in_care`: calendar days from the first session to the last (0 when there was one);
        * `provider_type`: the one kind of provider seen, or "both"; missing when a session's kind is missing and
          the others are all of one kind;
        * `provider_id`: the provider of most sessions, the earlier seen of equals (its levels are those that occur);
        * `first_session`: calendar day of the first session (datetime64).
    """
    rated = sessions.assign(
        alliance=item_score(sessions, ("goal", "bond"), ALLIANCE2), day=sessions["date"].dt.normalize()
    )
    groups = rated.groupby(ID, sort=False)
    first, last = groups["day"].min(), groups["day"].max()
    out = pd.DataFrame(
        {
            "alliance": groups["alliance"].mean(),
            "n_sessions": groups.size().astype("float64"),
            "days_in_care": (last - first).dt.days.astype("float64"),
        }
    )
    if "provider_type" in sessions:
        out["provider_type"] = _provider_type(rated).reindex(out.index)
    if "provider_id" in sessions:
        out["provider_id"] = _main_provider(rated).reindex(out.index)
    out["first_session"] = first
    return out


def score_surveys(surveys: pd.DataFrame, *, prorate: float | None = None) -> pd.DataFrame:
    """Score each survey.

    Parameters
    ----------
    surveys
        One row a survey: `participant_id` (str), `date` (datetime64), `who5_1` ... `who5_5` (0-5, may be missing).
    prorate
        Least share of items that must be answered, in (0, 1]; None scores complete surveys only.

    Returns
    -------
    pandas.DataFrame
        `participant_id`, `date` and `who5` (0-100; missing when the survey cannot be scored), rows as they came.
    """
    return surveys[[ID, "date"]].assign(who5=item_score(surveys, SURVEY_ITEMS, WHO5, prorate=prorate))


def choose_surveys(
    surveys: pd.DataFrame,
    first_session: pd.Series,
    *,
    baseline: Baseline = "first",
    followup: Followup = "last",
    min_days_between: int = MIN_DAYS_BETWEEN,
) -> pd.DataFrame:
    """Choose each participant's baseline and follow-up survey.

    Surveys without a score are passed over. Days are calendar days.

    Parameters
    ----------
    surveys
        What `score_surveys` returns.
    first_session
        Day of the first session, indexed by `participant_id`. Participants not in it have no day of first session.
    baseline
        "first": the first survey. "before_care": the last survey on or before the day of the first session, and the
        first survey where there is none.
    followup
        "last" or "first": that survey among those at least `min_days_between` days after the baseline survey.
    min_days_between
        Days, 0 or more. The default, 14, is the time that the WHO-5 looks back over.

    Returns
    -------
    pandas.DataFrame
        Indexed by `participant_id`: `who5_baseline`, `who5_followup` (0-100; the latter missing where no survey is late
        enough). Participants without a scored survey are not in it.

    Raises
    ------
    UsageError
        When an option is none of these.
    """
    check_options(baseline=baseline, followup=followup, min_days_between=min_days_between)
    scored = surveys.dropna(subset=["who5"]).sort_values("date", kind="stable").reset_index(drop=True)
    scored = scored.assign(order=scored.index, day=scored["date"].dt.normalize())
    start = scored.groupby(ID, sort=False).head(1).set_index(ID)
    if baseline == "before_care":
        early = scored[scored["day"] <= scored[ID].map(first_session)]
        start = pd.concat([early.groupby(ID, sort=False).tail(1).set_index(ID), start])
        start = start[~start.index.duplicated()]
    gap = (scored["day"] - scored[ID].map(start["day"])).dt.days
    late = scored[(gap >= min_days_between) & (scored["order"] > scored[ID].map(start["order"]))].groupby(
        ID, sort=False
    )
    end = (late.tail(1) if followup == "last" else late.head(1)).set_index(ID)
    return pd.DataFrame({"who5_baseline": start["who5"], "who5_followup": end["who5"].reindex(start.index)})


def join_scores(
    participants: pd.DataFrame,
    sessions: pd.DataFrame,
    surveys: pd.DataFrame,
    *,
    baseline: Baseline = "first",
    followup: Followup = "last",
    min_days_between: int = MIN_DAYS_BETWEEN,
    prorate: float | None = None,
) -> tuple[pd.DataFrame, tuple[FlowStep, ...]]:
    """Join three tables into one row a participant.

    Participants without a session are left out first, then those without a survey. A participant whose surveys cannot
    be scored, or come too close together, stays with a missing score.

    Parameters
    ----------
    participants
        One row a participant: `participant_id` (str) and any further columns, all of which are kept. Its own
        `provider_type` is used before the one that the sessions tell.
    sessions, surveys
        See `score_sessions` and `score_surveys`.
    baseline, followup, min_days_between
        See `choose_surveys`.
    prorate
        See `score_surveys`.

    Returns
    -------
    data : pandas.DataFrame
        The participants' columns, then `provider_type`, `provider_id`, `alliance`, `n_sessions`, `days_in_care`,
        `who5_baseline`, `who5_followup`; rows in the order of `participants`.
    excluded : tuple of FlowStep
        "no session" and "no WHO-5 survey", with their counts.
    """
    told = score_sessions(sessions)
    chosen = choose_surveys(
        score_surveys(surveys, prorate=prorate),
        told["first_session"],
        baseline=baseline,
        followup=followup,
        min_days_between=min_days_between,
    )
    has_session = participants[ID].isin(sessions[ID])
    has_survey = participants[ID].isin(surveys[ID])
    steps = (
        FlowStep("no session", int((~has_session).sum())),
        FlowStep("no WHO-5 survey", int((has_session & ~has_survey).sum())),
    )
    data = participants[has_session & has_survey].reset_index(drop=True)
    for name in ("provider_type", "provider_id"):
        if name in told and name not in data:
            data[name] = told[name].reindex(data[ID]).array
    for name in SCORED:
        scores = chosen if name in chosen else told
        data[name] = scores[name].reindex(data[ID]).array
    return data, steps


def check_options(*, baseline: str, followup: str, min_days_between: int) -> None:
    """Raise UsageError unless the choice of surveys is one of those on offer."""
    for name, value, known in (("baseline", baseline, get_args(Baseline)), ("followup", followup, get_args(Followup))):
        if value not in known:
            raise UsageError(f"{name} should be one of {', '.join(map(repr, known))} but got {value!r}.")
    if not isinstance(min_days_between, int) or isinstance(min_days_between, bool) or min_days_between < 0:
        raise UsageError(f"min_days_between should be a whole number of days, 0 or more, but got {min_days_between!r}.")


def _provider_type(sessions: pd.DataFrame) -> pd.Series:
    kind = sessions["provider_type"].astype("str")
    seen = {name: kind.eq(name).groupby(sessions[ID], sort=False).any() for name in ("coach", "therapist")}
    gap = kind.isna().groupby(sessions[ID], sort=False).any()
    out = pd.Series(pd.NA, index=gap.index, dtype="str")
    out[seen["coach"] & ~seen["therapist"] & ~gap] = "coach"
    out[seen["therapist"] & ~seen["coach"] & ~gap] = "therapist"
    out[seen["coach"] & seen["therapist"]] = "both"
    return out.astype(pd.CategoricalDtype(list(PROVIDER_TYPES)))


def _main_provider(sessions: pd.DataFrame) -> pd.Series:
    known = sessions.dropna(subset=["provider_id"]).sort_values("date", kind="stable")
    known = known.assign(order=range(len(known)), provider_id=known["provider_id"].astype("str"))
    counts = known.groupby([ID, "provider_id"], sort=False)["order"].agg(["size", "min"]).reset_index()
    counts = counts.sort_values(["size", "min"], ascending=[False, True], kind="stable")
    main = counts.drop_duplicates(ID).set_index(ID)["provider_id"]
    return main.astype(pd.CategoricalDtype(pd.Index(sorted(main.unique()), dtype="str")))
