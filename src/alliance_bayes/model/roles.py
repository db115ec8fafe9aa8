"""What the levels of a pooled factor are: persons, providers or groups. Default priors of their effects follow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import ModelError
from alliance_bayes.foreign import shown
from alliance_bayes.remedies import setting

if TYPE_CHECKING:
    from alliance_bayes.model.design_rows import PooledFactor

__all__ = [
    "ROLES",
    "Role",
    "RoleOf",
    "are_persons",
    "check_roles",
    "columns_of",
    "is_of_persons",
    "may_be_persons",
    "person_column",
    "role_of",
    "role_wanted",
]

type Role = Literal["person", "provider", "group"]
#: From what differs most from level to level to what differs least.
ROLES: tuple[Role, ...] = get_args(Role.__value__)

# Columns of a cohort, by the names that `read_cohort` gives them.
_KNOWN: Mapping[str, Role] = {
    "participant_id": "person",
    "provider_id": "provider",
    "provider_type": "group",
    "sex": "group",
    "country": "group",
    "modality": "group",
    "site": "group",
}
# Rows of a level up to which a factor of unknown role looks like one of persons or providers.
_FEW_ROWS = 20


@dataclass(frozen=True)
class RoleOf:
    """The role of one factor, and where it comes from.

    Parameters
    ----------
    role
        Its role; that of persons where it is not known, since their effects may be the largest.
    known
        Whether the analyst or the column's name says so.
    """

    role: Role
    known: bool


def role_of(factor: str, declared: Mapping[str, Role]) -> RoleOf:
    """The role of a pooled factor.

    Parameters
    ----------
    factor
        Its name; of a combination ("country:sex"), which is as fine as the finest of its columns.
    declared
        Roles by factor, or by column of a combination.
    """
    if factor in declared:
        return RoleOf(declared[factor], known=True)
    roles = [declared.get(part, _KNOWN.get(part)) for part in factor.split(":")]
    known = [role for role in roles if role is not None]
    if len(known) < len(roles):
        return RoleOf("person", known=False)
    return RoleOf(min(known, key=ROLES.index), known=True)


def columns_of(role: Role, declared: Mapping[str, Role]) -> frozenset[str]:
    """Columns and factors of a role: by what is declared and, where nothing is, by their names."""
    return frozenset(name for name, assigned in {**_KNOWN, **declared}.items() if assigned == role)


def check_roles(roles: Mapping[str, object], factors: Iterable[str]) -> dict[str, Role]:
    """Declared roles.

    Raises
    ------
    ModelError
        Something that is no role, or a name that is no pooled factor of the formula and no column of one.
    """
    factors = list(factors)
    known = list(dict.fromkeys([*factors, *(part for factor in factors for part in factor.split(":"))]))
    problems = [
        f"{setting('roles')} of {shown(name)} should be one of {', '.join(map(repr, ROLES))} but got {shown(role)}."
        for name, role in roles.items()
        if role not in ROLES
    ]
    unknown = [name for name in roles if name not in known]
    if unknown:
        problems.append(
            f"{setting('roles')} names {', '.join(map(shown, unknown))}, but the formula pools over "
            f"{', '.join(map(repr, known)) or 'no factor'}."
        )
    if problems:
        raise ModelError(" ".join(problems))
    return {name: next(literal for literal in ROLES if literal == role) for name, role in roles.items()}


def is_of_persons(factor: PooledFactor, n_rows: int) -> bool:
    """Whether the levels of a factor are persons, by what is said of it or, where nothing is, by their number."""
    return _are_persons(factor.role, len(factor.levels), n_rows)


def person_column(factors: Iterable[str], frame: pd.DataFrame, declared: Mapping[str, Role]) -> str | None:
    """The column of a pooled factor of persons who have several rows, by its role or its number of levels; or None.

    Where every row has a participant's id of its own, only a role that is known says otherwise.
    """
    one_each = _one_each(frame)
    for factor in factors:
        for part in factor.split(":"):
            if one_each and not role_of(part, declared).known:
                continue
            if part in frame and are_persons(part, declared, frame[part].nunique(), int(frame[part].count())):
                return part
    return None


def _one_each(frame: pd.DataFrame) -> bool:
    """Whether every row has a participant's id of its own; numbers that go up may only count the rows."""
    if ID not in frame or frame[ID].duplicated().any():
        return False
    numbers = pd.to_numeric(frame[ID].astype("str"), errors="coerce")
    return bool(numbers.isna().any() or not numbers.is_monotonic_increasing)


def are_persons(name: str, declared: Mapping[str, Role], n_levels: int, n_rows: int) -> bool:
    """Whether the levels of a factor are persons of whom some have several of so many rows."""
    return n_levels < n_rows and may_be_persons(name, declared, n_levels, n_rows)


def may_be_persons(name: str, declared: Mapping[str, Role], n_levels: int, n_rows: int) -> bool:
    """Whether the levels of a factor are persons or look like it, be it with one row each."""
    return _are_persons(role_of(name, declared), n_levels, n_rows)


def _are_persons(role: RoleOf, n_levels: int, n_rows: int) -> bool:
    return role.role == "person" and (role.known or _looks_like_persons(n_levels, n_rows))


def _looks_like_persons(n_levels: int, n_rows: int) -> bool:
    return n_rows <= _FEW_ROWS * n_levels


def role_wanted(factor: str, n_levels: int, n_rows: int) -> str:
    """A request to declare the role of a factor that has about one level for every few rows; empty without need."""
    if not _looks_like_persons(n_levels, n_rows):
        return ""
    return (
        f"'{factor}' has {n_levels:,} levels in {n_rows:,} rows, and nothing says what they are, so they are taken for "
        f"persons. Say whether they are persons, providers or groups ({setting('roles', {factor: 'provider'})}, say): "
        "priors, the people that are counted, and who is named in a report follow it."
    )
