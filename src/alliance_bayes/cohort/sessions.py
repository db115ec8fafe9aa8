"""What sessions tell of: one row a session, and the parts of a participant's alliance."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.flow import step_of
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.scoring import item_score, score_sessions
from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import ALLIANCE2
from alliance_bayes.kinds import is_whole
from alliance_bayes.remedies import call

__all__ = ["session_cohort", "with_alliance_parts"]

#: What a session's row takes from the participant's, where the cohort has it.
FROM_PERSON = ("provider_type", "sex", "country", "age", "who5_baseline", "modality")

EARLY = ("alliance_first", "alliance_early")
PROVIDER_PARTS = ("alliance_provider", "alliance_within", "provider_clients")


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
    sessions = _held_sessions(cohort, "session_cohort")
    with_one = sessions["rating"].notna().to_numpy()
    rated = sessions[with_one].reset_index(drop=True)
    ids = pd.Index(cohort.data[ID].array)
    place = ids.get_indexer(pd.Index(rated[ID]))
    person = pd.Categorical.from_codes(place, categories=ids).remove_unused_categories()
    columns = ["rating", "goal", "bond", "session"]
    data = pd.DataFrame({"person": person, **{name: rated[name] for name in columns}})
    if "provider_id" in rated:
        data["provider_id"] = rated["provider_id"].cat.remove_unused_categories()
    for name in FROM_PERSON:
        if name in cohort.data:
            data[name] = cohort.data[name].take(place).array
    persons = pd.factorize(sessions[ID])[0]
    left_out = step_of("session without both ratings", np.ones(len(sessions), dtype=bool), with_one, persons)
    source = f"sessions of {cohort.source}"
    assert cohort.session_names is not None
    return Cohort(
        data,
        source=source,
        excluded=(left_out,),
        person="person",
        time="session",
        unit="session",
        row_names=cohort.session_names[with_one],
    )


def _held_sessions(cohort: Cohort, caller: str) -> pd.DataFrame:
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


def with_alliance_parts(cohort: Cohort, *, early: int = 2) -> Cohort:
    """Add the early alliance, and the alliance's parts between and within providers.

    Parameters
    ----------
    cohort
        With sessions and a column `alliance`.
    early
        How many rated sessions count as early, 1 or more.

    Returns
    -------
    Cohort
        The cohort with these columns added, all in points of the 1-5 scale but the last:

        * `alliance_first`: rating (mean of goal and bond) of the first rated session;
        * `alliance_early`: mean over the first `early` rated sessions; people with fewer use those they have;
        * `alliance_provider`: the part between providers, which is the average over the person's rated sessions of that
          session's provider's mean. A provider's mean is the mean over its clients of each client's mean rating with
          that provider, so that long clients do not weigh more;
        * `alliance_within`: `alliance` minus `alliance_provider`;
        * `provider_clients`: people who rated a session with the person's main provider (that of most sessions),
          on whom that provider's mean rests.

        `alliance_provider` and `alliance_within` are missing for people without a rated session, and for those with a
        rated session whose provider is not known; `provider_clients` is missing where no provider is known. When the
        sessions have no provider ids, the last three columns are not added.

    Raises
    ------
    UsageError
        When the cohort has no sessions or no `alliance`, `early` is no whole number above 0, or one of the columns is
        there already.

    Notes
    -----
    This is centring at the cluster's manifest mean [1]_: with both parts in a model, the coefficient of
    `alliance_within` compares clients of one provider, and that of `alliance_provider` compares providers. A provider's
    mean includes the client's own ratings. They are not left out, because a mean without oneself is lower for those who
    rate higher: it would differ among clients of one provider, and the coefficient of the other part, with slopes *w*
    within and *b* between providers of *n* clients, would be the mixture ((n - 1) w + b) / n.

    The mean of few clients is an uncertain measure of a provider, and the coefficient between providers is biased
    towards the one within them, the more so the fewer clients there are and the less providers differ [2]_. With *n*
    clients and a share *r* of the variance between providers, the mean's reliability is n r / (1 + (n - 1) r);
    `provider_clients` is that *n*.

    References
    ----------
    .. [1] Enders & Tofighi (2007), Psychological Methods 12(2):121-138, doi 10.1037/1082-989X.12.2.121.
    .. [2] Lüdtke et al. (2008), Psychological Methods 13(3):203-229, doi 10.1037/a0012869.
    """
    if not is_whole(early, least=1):
        raise UsageError(f"with_alliance_parts: early should be a whole number, 1 or more, but got {early!r}.")
    sessions = _held_sessions(cohort, "with_alliance_parts")
    if "alliance" not in cohort.data:
        raise UsageError(
            f"with_alliance_parts: {cohort.source} has no column 'alliance', of which these are parts. Give the three "
            f"tables ({call('read_tables')})."
        )
    adds = EARLY + (PROVIDER_PARTS if "provider_id" in sessions else ())
    taken = [name for name in adds if name in cohort.data]
    if taken:
        raise UsageError(
            f"with_alliance_parts: {cohort.source} already has {', '.join(map(repr, taken))}. Rename or remove what is "
            "there, or use it as it is."
        )
    rated = sessions[sessions["rating"].notna()]
    parts = _early(rated, early)
    if "provider_id" in sessions:
        # No overlap is needed: a person may have a main provider and no rating.
        parts = parts.join([_between(rated), _clients(sessions, rated)], how="outer")
    data = cohort.data.copy()
    for name in adds:
        if name == "alliance_within":
            data[name] = data["alliance"] - data["alliance_provider"]
        else:
            data[name] = parts[name].reindex(data[ID]).to_numpy(dtype="float64")
    return dataclasses.replace(cohort, data=data)


def _early(rated: pd.DataFrame, early: int) -> pd.DataFrame:
    """Index: participants with a rated session. Sessions come in order of time."""
    place = rated.groupby(ID, sort=False).cumcount()
    means = {
        name: rated[place < count].groupby(ID, sort=False)["rating"].mean()
        for name, count in zip(EARLY, (1, early), strict=True)
    }
    return pd.DataFrame(means)


def _between(rated: pd.DataFrame) -> pd.Series:
    """Average of the providers' means over a person's rated sessions; missing where one of the providers is."""
    clients = rated.groupby([ID, "provider_id"], observed=True)["rating"].mean()
    providers = clients.groupby(level="provider_id", observed=True).mean()
    codes = pd.Index(providers.index.astype("str")).get_indexer(pd.Index(rated["provider_id"].astype("str")))
    means = np.append(providers.to_numpy(), np.nan)[codes]
    return rated.assign(alliance_provider=means).groupby(ID)["alliance_provider"].mean(skipna=False)


def _clients(sessions: pd.DataFrame, rated: pd.DataFrame) -> pd.Series:
    """How many people rated a session with each person's main provider."""
    pairs = rated.dropna(subset=["provider_id"]).drop_duplicates([ID, "provider_id"])
    counts = pairs["provider_id"].astype("str").value_counts()
    main = score_sessions(sessions)["provider_id"].astype("str")
    clients = main.map(counts).fillna(0.0).astype("float64")
    return clients.where(main.notna()).rename("provider_clients")
