"""From sessions and surveys to one row a participant. Reads tables whose values are already known to be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import pandas as pd

from alliance_bayes.cohort.flow import FlowStep
from alliance_bayes.cohort.items import Prorate, Prorated, Rule, Score, prorate_of, score_column
from alliance_bayes.cohort.names import ID, PROVIDER_TYPES, SURVEY_ITEMS
from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import ALLIANCE2, WHO5, Instrument
from alliance_bayes.instruments import score as score_items
from alliance_bayes.instruments.scoring import needed_items
from alliance_bayes.kinds import is_whole
from alliance_bayes.remedies import argument

__all__ = [
    "Baseline",
    "Followup",
    "choose_surveys",
    "item_score",
    "join_scores",
    "score_sessions",
    "score_surveys",
]

Baseline = Literal["first", "before_care"]
Followup = Literal["last", "first"]

#: What is computed of sessions; with the surveys' scores it may not be given in the participants' table.
OF_SESSIONS = ("alliance", "n_sessions", "days_in_care")
#: The score of surveys of which nothing else is said.
WHO5_SURVEYS = (Score("who5", WHO5, SURVEY_ITEMS),)

#: The WHO-5 asks about the last two weeks: two surveys closer than this look back at the same days.
MIN_DAYS_BETWEEN = 14

#: Why a person who was surveyed has no baseline, or no follow-up, by the instrument's name.
LATE_BASELINE, LATER_BASELINE = "baseline {} after the first session", "baseline {} after the last session"
EARLY_FOLLOWUP = "follow-up {} before care"
# Beside a score of surveys: whether all of its items were answered.
_COMPLETE = "_complete"

#: Column -> reason -> ids of the people for whom that is why the value is missing.
WhyMissing = dict[str, dict[str, frozenset[str]]]


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
        * `first_session`, `last_session`: their calendar days (datetime64).
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
    out["first_session"], out["last_session"] = first, last
    return out


def score_surveys(
    surveys: pd.DataFrame, *, scores: Sequence[Score] = WHO5_SURVEYS, prorate: Prorate = None
) -> pd.DataFrame:
    """Score each survey.

    Parameters
    ----------
    surveys
        One row a survey: `participant_id` (str), `date` (datetime64), and the items of the scores, `who5_1` ...
        `who5_5` by default (may be missing).
    scores
        The instruments of the surveys.
    prorate
        What to do about missing items, see `alliance_bayes.cohort.items.prorate_of`; None scores complete surveys only.

    Returns
    -------
    pandas.DataFrame
        `participant_id`, `date`, by instrument its score (`who5`, 0-100; missing when it cannot be scored), and whether
        all of its items were answered (`who5_complete`); rows as they came.
    """
    scored = surveys[[ID, "date"]].copy()
    for score in scores:
        scored[score.name] = score_column(surveys, score, prorate_of(prorate, score))
        scored[f"{score.name}{_COMPLETE}"] = surveys[list(score.items)].notna().all(axis=1)
    return scored


def choose_surveys(
    surveys: pd.DataFrame,
    care: pd.DataFrame,
    *,
    baseline: Baseline = "first",
    followup: Followup = "last",
    min_days_between: int = MIN_DAYS_BETWEEN,
    max_days_into_care: int = 0,
    score: Score = WHO5_SURVEYS[0],
) -> tuple[pd.DataFrame, WhyMissing]:
    """Choose each participant's baseline and follow-up survey.

    Surveys without a score are passed over. Days are calendar days, whatever the time of day: a survey on the day of a
    session is neither too early nor too late for it.

    Parameters
    ----------
    surveys
        What `score_surveys` returns.
    care
        Columns `first_session` and `last_session` (days), indexed by `participant_id`. Participants not in it have no
        care that a survey could be before or after.
    baseline
        "first": the first survey. "before_care": the last that can be a baseline. A survey can be one unless it was
        taken more than `max_days_into_care` days after the first session, or after the last session.
    followup
        "last" or "first": that survey among those at least `min_days_between` days after the baseline survey, and not
        before the day of the first session.
    min_days_between
        Days, 0 or more. The default, 14, is the time that the WHO-5 looks back over.
    max_days_into_care
        Days, 0 or more.
    score
        Whose surveys are chosen.

    Returns
    -------
    chosen : pandas.DataFrame
        Indexed by `participant_id`: `who5_baseline`, `who5_followup` (missing where no survey can be one), and whether
        all of their items were answered where the surveys say so. Without a baseline there is no follow-up either.
        Participants without a scored survey are not in it.
    why : dict
        Column -> reason -> ids of the people who lack that score although they have a survey for it, at the wrong time.

    Raises
    ------
    UsageError
        When an option is none of these.
    """
    check_options(
        baseline=baseline, followup=followup, min_days_between=min_days_between, max_days_into_care=max_days_into_care
    )
    measure = score.name
    scored = surveys.dropna(subset=[measure]).sort_values("date", kind="stable").reset_index(drop=True)
    scored = scored.assign(order=scored.index, day=scored["date"].dt.normalize())
    # Comparisons with what is not known are false, and gaps of it no number.
    first, last = (care[name].reindex(scored[ID]).array for name in ("first_session", "last_session"))
    after_care = scored["day"] > last
    too_late = after_care | ((scored["day"] - first).dt.days > max_days_into_care)
    able = scored[~too_late].groupby(ID, sort=False)
    start = (able.head(1) if baseline == "first" else able.tail(1)).set_index(ID)
    gap = (scored["day"] - start["day"].reindex(scored[ID]).array).dt.days
    late = (gap >= min_days_between) & (scored["order"] > start["order"].reindex(scored[ID]).array)
    ends = scored[late & ~(scored["day"] < first)].groupby(ID, sort=False)
    end = (ends.tail(1) if followup == "last" else ends.head(1)).set_index(ID)

    people = pd.Index(scored[ID].unique())
    taken = [name for name in (measure, f"{measure}{_COMPLETE}") if name in scored]
    parts = {
        f"{measure}_{when}{name.removeprefix(measure)}": frame[name]
        for when, frame in (("baseline", start), ("followup", end))
        for name in taken
    }
    chosen = pd.DataFrame(parts).reindex(people)
    later, late_one, early_one = (
        text.format(score.instrument.name) for text in (LATER_BASELINE, LATE_BASELINE, EARLY_FOLLOWUP)
    )
    # The first survey of somebody without a baseline says when the surveys began.
    begun = scored.drop_duplicates(ID).set_index(ID).index
    ended = pd.Series(after_care[~scored[ID].duplicated()].to_numpy(), index=begun)
    none = start.index.get_indexer(people) < 0
    no_baseline = {
        later: frozenset(people[none & ended.reindex(people).to_numpy()]),
        late_one: frozenset(people[none & ~ended.reindex(people).to_numpy()]),
    }
    early = {early_one: frozenset(set(scored.loc[late, ID]) - set(end.index))}
    why = {f"{measure}_baseline": no_baseline, f"{measure}_followup": no_baseline | early}
    return chosen, why


def join_scores(
    participants: pd.DataFrame,
    sessions: pd.DataFrame,
    surveys: pd.DataFrame,
    *,
    baseline: Baseline = "first",
    followup: Followup = "last",
    min_days_between: int = MIN_DAYS_BETWEEN,
    max_days_into_care: int = 0,
    prorate: Prorate = None,
    scores: Sequence[Score] = WHO5_SURVEYS,
) -> tuple[pd.DataFrame, tuple[FlowStep, ...], WhyMissing, dict[str, Prorated]]:
    """Join three tables into one row a participant.

    Participants without a session are left out first, then those without a survey. A participant whose surveys cannot
    be scored, come too close together, or at the wrong time, stays with a missing score.

    Parameters
    ----------
    participants
        One row a participant: `participant_id` (str) and any further columns, all of which are kept. Its own
        `provider_type` is used before the one that the sessions tell.
    sessions, surveys
        See `score_sessions` and `score_surveys`.
    baseline, followup, min_days_between, max_days_into_care
        See `choose_surveys`.
    prorate, scores
        See `score_surveys`.

    Returns
    -------
    data : pandas.DataFrame
        The participants' columns, then `provider_type`, `provider_id`, `alliance`, `n_sessions`, `days_in_care`,
        `who5_baseline`, `who5_followup`, or those of other scores; rows in the order of `participants`.
    excluded : tuple of FlowStep
        "no session" and "no WHO-5 survey" ("no survey" of several instruments), with their counts.
    why_missing : dict
        See `choose_surveys`; of the people in `data`.
    prorated : dict
        How many of the scores in `data` were made up for missing items, by column.
    """
    care = score_sessions(sessions)
    scored = score_surveys(surveys, scores=scores, prorate=prorate)
    why: WhyMissing = {}
    chosen: dict[str, pd.DataFrame] = {}
    for score in scores:
        survey_pair, reasons = choose_surveys(
            scored,
            care[["first_session", "last_session"]],
            baseline=baseline,
            followup=followup,
            min_days_between=min_days_between,
            max_days_into_care=max_days_into_care,
            score=score,
        )
        chosen |= {f"{score.name}_{when}": survey_pair for when in ("baseline", "followup")}
        why |= reasons
    has_session, has_survey = (
        # What isin does, which takes ten times as long on text.
        pd.Index(table[ID].unique()).get_indexer(participants[ID]) >= 0
        for table in (sessions, surveys)
    )
    no_survey = f"no {scores[0].instrument.name} survey" if len(scores) == 1 else "no survey"
    steps = (
        FlowStep("no session", int((~has_session).sum())),
        FlowStep(no_survey, int((has_session & ~has_survey).sum())),
    )
    data = participants[has_session & has_survey].reset_index(drop=True)
    for name in ("provider_type", "provider_id"):
        if name in care and name not in data:
            data[name] = care[name].reindex(data[ID]).array
    for name in (*OF_SESSIONS, *chosen):
        data[name] = chosen.get(name, care)[name].reindex(data[ID]).array
    here = frozenset(data[ID])
    prorated = {}
    for score in scores:
        rule = prorate_of(prorate, score)
        for name in (f"{score.name}_baseline", f"{score.name}_followup"):
            whole = chosen[name][f"{name}{_COMPLETE}"].reindex(data[ID]).dropna().astype(bool)
            if not whole.all():
                source = score.instrument.missing.source if rule == "instrument" and score.instrument.missing else ""
                n, needed = int((~whole).sum()), needed_items(score.instrument, rule)
                people = (n, int(whole.sum()))
                prorated[name] = Prorated(n, len(whole), people, needed, len(score.items), source)
    why_missing = {name: {text: ids & here for text, ids in reasons.items()} for name, reasons in why.items()}
    return data, steps, why_missing, prorated


def check_options(*, baseline: str, followup: str, min_days_between: int, max_days_into_care: int = 0) -> None:
    """Raise UsageError unless the choice of surveys is one of those on offer."""
    for name, value, known in (("baseline", baseline, get_args(Baseline)), ("followup", followup, get_args(Followup))):
        if value not in known:
            raise UsageError(f"{argument(name)} should be one of {', '.join(map(repr, known))} but got {value!r}.")
    for name, days in (("min_days_between", min_days_between), ("max_days_into_care", max_days_into_care)):
        if not is_whole(days, least=0):
            raise UsageError(f"{argument(name)} should be a whole number of days, 0 or more, but got {days!r}.")


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


def item_score(data: pd.DataFrame, items: Sequence[str], instrument: Instrument, *, prorate: Rule = None) -> pd.Series:
    """Score one instrument from its item columns.

    Parameters
    ----------
    data
        Table that holds the items as float64, NaN where unanswered.
    items
        Their columns, in the instrument's order.
    instrument
        Whose scoring to use.
    prorate
        Least share of items that must be answered, in (0, 1], or "instrument"; None scores complete answers only.

    Returns
    -------
    pandas.Series of float
        Totals in the instrument's points, index of `data`; missing where they cannot be scored.
    """
    return score_items(data[list(items)], instrument, prorate=prorate)["total"]
