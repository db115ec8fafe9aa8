"""Make again what a manifest describes: the fit, or the whole study, and the page of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alliance_bayes.api import Fit, Model
from alliance_bayes.checks import Check
from alliance_bayes.checks.registry import choose_checks
from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort.imputed import ImputedTables
from alliance_bayes.effects import ESTIMANDS, Estimand, choose_estimands
from alliance_bayes.errors import AllianceBayesError, FileFormatError, UsageError
from alliance_bayes.model.card import card_arguments
from alliance_bayes.moments import Moments
from alliance_bayes.report import Rendered, Report, Section, View
from alliance_bayes.report.registry import SECTIONS, check_sections, make_section
from alliance_bayes.report.sections import LastSection, SectionMaker
from alliance_bayes.study import Study, StudyOptions
from alliance_bayes.study.page import study_report
from alliance_bayes.study.study import answered

__all__ = ["Again", "make_again"]

# Arguments of Model.fit that `info` knows where NUTS ran; the collapsed engine has no sampler to choose.
_NUTS = ("tune", "target_accept")
# Adds its own version to those that the fit was made with.
_THIS = "alliance_bayes (this report)"


class HandedIn:
    """What of the analyst's own is handed in, so that what a page has of it can be made again.

    Parameters
    ----------
    sections
        Sections, and functions that make one of a view.
    checks, estimands
        Checks and estimands.

    Raises
    ------
    UsageError
        Something that is none of these.

    Notes
    -----
    A page names what is the analyst's own and cannot make them: nothing is verified by what the page itself holds.
    """

    def __init__(
        self,
        sections: Sequence[Section | SectionMaker] = (),
        checks: Sequence[Check] = (),
        estimands: Sequence[Estimand] = (),
    ) -> None:
        check_sections(sections)
        chosen = choose_checks(checks)
        self.estimands = {estimand.name: estimand for estimand in choose_estimands(estimands)}
        for name, items in (("sections", sections), ("checks", checks), ("estimands", estimands)):
            if names := [item for item in items if isinstance(item, str)]:
                raise UsageError(
                    f"{name} should be the analyst's own, but {names[0]!r} comes with the package. Leave it out."
                )
        self.sections = tuple(sections)
        self.checks = {check.name: check for check in chosen}
        self._made: dict[str, Section] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of those that there are, once a page was made with `makers`."""
        return (*self._made, *(item.id for item in self.sections if isinstance(item, LastSection)))

    def makers(self, stated: Sequence[str | Mapping[str, Any]]) -> list[str | SectionMaker]:
        """What makes the sections that a manifest states; those of the analyst's own that were not handed in are empty.

        Raises
        ------
        ValueError
            One of the analyst's own has the name of one of the package, for which it would stand.
        """
        titles = own_sections(stated)
        if taken := [name for name in titles if name in SECTIONS]:
            raise ValueError(f"own section {taken[0]!r}")
        # The first makes all that were handed in, those too that the page does not have, and is no section itself.
        return [self._make_all, *(item if isinstance(item, str) else self._maker(**item) for item in stated)]

    def run(self, stated: Sequence[str | Mapping[str, Any]] | None) -> list[str | Check] | None:
        """The checks that a manifest states.

        Raises
        ------
        UsageError
            One of the analyst's own was not handed in: what it says stands all over the page.
        """
        names = own_checks(stated)
        if missing := [name for name in names if name not in self.checks]:
            raise UsageError(
                f"the check(s) {', '.join(map(repr, missing))} of this page are the analyst's own, and what they say "
                "stands all over it. A page cannot say how they are made: hand them in, as "
                "verify_report(page, cohort, checks=[...])."
            )
        return (
            None
            if stated is None
            else [item if isinstance(item, str) else self.checks[item["name"]] for item in stated]
        )

    def computed(self, stated: Any) -> Any:
        """The estimands that a manifest states, with their options.

        Raises
        ------
        UsageError
            One of the analyst's own was not handed in.
        """
        if stated is None:
            return None
        by_name = stated if isinstance(stated, Mapping) else {name: {} for name in stated}
        if missing := [name for name in own_estimands(stated) if name not in self.estimands]:
            raise UsageError(
                f"the estimand(s) {', '.join(map(repr, missing))} of this page are the analyst's own. A page cannot "
                "say how they are computed: hand them in, as verify_report(page, cohort, estimands=[...])."
            )
        return {self.estimands.get(name, name): options for name, options in by_name.items()}

    def _make_all(self, view: View) -> None:
        self._made = {}
        for item in self.sections:
            section = None if isinstance(item, LastSection) else _guarded(item, view)
            if section is not None and section.id in self._made:
                raise UsageError(f"two sections with the id {section.id!r} were handed in. Hand in one of them.")
            if section is not None:
                self._made[section.id] = section

    def _maker(self, id: str, title: str) -> SectionMaker:
        for item in self.sections:
            if isinstance(item, LastSection) and item.id == id:
                return replace(item, make=partial(_guarded, item))
        return lambda view: self._made.get(id) or Section.of(id, title)


def own_checks(stated: Sequence[str | Mapping[str, Any]] | None) -> list[str]:
    """Names of the checks of the analyst's own that a manifest states."""
    return [str(item["name"]) for item in stated or () if not isinstance(item, str)]


def own_estimands(stated: Iterable[str] | None) -> list[str]:
    """Names of the estimands of the analyst's own that a manifest states."""
    return [name for name in stated or () if name not in ESTIMANDS]


def own_sections(stated: Sequence[str | Mapping[str, Any]]) -> dict[str, str]:
    """Ids and titles of the sections of the analyst's own that a manifest states.

    Raises
    ------
    KeyError, TypeError
        It does not say.
    """
    return {str(item["id"]): str(item["title"]) for item in stated if not isinstance(item, str)}


def _guarded(item: Section | SectionMaker, view: View) -> Section | None:
    """A section that was handed in; whatever goes wrong in it is its own fault, and no page's."""
    try:
        return make_section(item, view)
    except Exception as error:
        name = item.id if isinstance(item, Section | LastSection) else getattr(item, "__name__", repr(item))
        why = str(error) if isinstance(error, AllianceBayesError) else repr(error)
        raise UsageError(f"the section {name!r} that was handed in cannot be made again ({why}).") from error


@dataclass(frozen=True, eq=False)
class Again:
    """What came out when a page's models were fitted again.

    Parameters
    ----------
    rendered
        The page, as this version writes it of the refit.
    write
        Writes the page of the refit with a page's own figures, by row and column, in place of the refit's.
    unknown
        Titles by id of the page's sections that are the analyst's own and were not handed in: they are empty here.
    unasked
        Sections, checks and estimands that were handed in and that the page does not have.
    """

    rendered: Rendered
    write: Callable[[Mapping[str, Mapping[str, Any]]], Rendered]
    unknown: Mapping[str, str] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()


def make_again(
    manifest: Mapping[str, Any],
    cohort: Cohort | Moments | ImputedTables,
    *,
    tell: Callable[[str], None],
    name: str,
    sections: Sequence[Section | SectionMaker] = (),
    checks: Sequence[Check] = (),
    estimands: Sequence[Estimand] = (),
    other: int = 0,
    keep: Path | None = None,
) -> Again:
    """Fit the models of a manifest to a cohort, and write the page again.

    Parameters
    ----------
    manifest
        Of the page.
    cohort
        The data.
    tell
        Called with a line before each model.
    name
        What the page is called, for errors.
    sections
        Those of the analyst's own, as they were given to :class:`alliance_bayes.Report`.
    checks
        Those of the analyst's own, as they were given to :meth:`alliance_bayes.Fit.check`.
    estimands
        Those of the analyst's own, as they were given to :meth:`alliance_bayes.Fit.effects`.
    other
        Number of another seed than the manifest's, which the page then gives all the same; 0 for the manifest's own.
    keep
        Folder for draws that took long, of which the page of a study is written again.

    Raises
    ------
    FileFormatError
        The manifest does not say enough, or says what no page of this package says.
    UsageError, ModelError, DataError, SamplingError
        See :meth:`alliance_bayes.Model.fit` and :func:`alliance_bayes.run_study`.

    Notes
    -----
    What cannot be made again is taken from the manifest: what the data's file was called, and the versions in use.
    """
    try:
        return _MAKERS[manifest["kind"]](manifest, cohort, tell, HandedIn(sections, checks, estimands), other, keep)
    except AllianceBayesError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"the manifest of '{name}' does not describe a model that this version can fit ({error!r}). Make the "
            "report again."
        ) from error


def _report(
    manifest: Mapping[str, Any],
    cohort: Cohort | Moments | ImputedTables,
    tell: Callable[[str], None],
    handed: HandedIn,
    other: int,
    keep: Path | None,
) -> Again:
    request, checked = manifest["asked"], manifest["checks"]
    for entry, noun, who in ((request, "effects", "effects()"), (checked, "checks", "check()")):
        if entry is None:
            raise UsageError(
                f"the {noun} of this page were put together by hand, which nothing can make again. "
                f"Give Report.render what {who} made."
            )
    run, computed = handed.run(checked["only"]), handed.computed(request["estimands"])
    model = Model(**card_arguments(manifest["card"], source="the manifest's card"))
    info = manifest["info"]
    # Another engine was asked for than ran only where the model's kind decided it; the page says why.
    engine = "auto" if "engine_reason" in info or info["engine"] == "imputation" else info["engine"]
    tell(f"fitting '{model.card.name}' again")
    fit = model.fit(
        cohort,
        engine=engine,
        draws=manifest["draws"],
        chains=manifest["chains"],
        seed=_seed(manifest["seed"], other),
        same_people=info.get("same_people", ()),
        progress=False,
        **{key: info[key] for key in (*_NUTS, *(("sampler",) if info["engine"] == "nuts" else ())) if key in info},
    )
    fit = replace(fit, info={**fit.info, **_taken(manifest), "seed": manifest["seed"]})
    tell("computing effects and running the checks")
    options: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) and key == "rope" else value for key, value in request.items()
    }
    table = fit.effects(**{**options, "estimands": computed})
    extra = None
    if checked["extra"] is not None:
        first = cohort[0] if isinstance(cohort, ImputedTables) else cohort
        rows = None if isinstance(first, Moments) else model.derive(first)
        if rows is None or any(column not in rows.data for column in checked["extra"]):
            raise UsageError(
                f"the checks of this page looked at the columns {', '.join(map(str, checked['extra']))}, which the "
                "data do not have. Give the table with these columns."
            )
        extra = rows.complete(model.columns)[0][list(checked["extra"])]
    if not checked["beside"]:
        # Of a fit that was read from a file, which holds nothing beside the model.
        fit = replace(fit, beside=None)
    others = {key: value for key, value in checked.items() if key not in ("only", "beside")}
    checks = fit.check(effects=table, checks=run, **{**others, "extra": extra})
    tell("writing the page again")
    titles = own_sections(manifest["sections"])
    report = Report(sections=handed.makers(manifest["sections"]), **manifest["page_options"])
    write = partial(report.render, fit, effects=table, checks=checks, again=True)
    return Again(
        write(),
        lambda page_rows: write(told=page_rows),
        {name: title for name, title in titles.items() if name not in handed.ids},
        (
            *(f"section {name!r}" for name in handed.ids if name not in titles),
            *(f"check {name!r}" for name in handed.checks if name not in own_checks(checked["only"])),
            *(f"estimand {name!r}" for name in handed.estimands if name not in own_estimands(request["estimands"])),
        ),
    )


def _taken(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a refit takes from the manifest, because the data do not say it."""
    versions = {str(key): str(value) for key, value in manifest["versions"].items() if key != _THIS}
    source, labels = manifest["data"]["source"], manifest["data"].get("labels") or {}
    taken = {"versions": versions} | ({} if source is None else {"cohort_source": str(source)})
    # The table's own: `compare_data` refuses others. A page of a file without labels calls columns by their names.
    return taken | {"labels": {str(name): str(label) for name, label in dict(labels).items()}}


def _seed(seed: int, other: int) -> int:
    """The seed, or another that follows from it."""
    return seed if other == 0 else int(np.random.SeedSequence([seed, other]).generate_state(1)[0])


def _study(
    manifest: Mapping[str, Any],
    cohort: Cohort | Moments | ImputedTables,
    tell: Callable[[str], None],
    handed: HandedIn,
    other: int,
    keep: Path | None,
) -> Again:
    if handed.sections or handed.checks or handed.estimands:
        raise UsageError(
            "the page is a study, which has no sections, checks or estimands of the analyst's own. Hand none in."
        )
    if not isinstance(cohort, Cohort):
        raise UsageError("the page is a study, which needs the rows of one table. Give the table it was made of.")
    taken = _taken(manifest)
    people = replace(cohort, source=taken["cohort_source"])
    known = {option.name for option in fields(StudyOptions)}
    options = StudyOptions(**{key: value for key, value in manifest["options"].items() if key in known})
    seeded = replace(options, seed=_seed(options.seed, other))

    def write(page_rows: Mapping[str, Mapping[str, Any]] | None, say: Callable[[str], None] | None) -> Rendered:
        study = answered(people, seeded, keep=keep, tell=say, progress=False, told=page_rows)
        fitted = {
            name: replace(item, fit=_with_versions(item.fit, taken["versions"])) for name, item in study.fitted.items()
        }
        return study_report(Study(people, options, study.parts, fitted), software=taken["versions"], told=page_rows)

    return Again(write(None, tell), lambda page_rows: write(page_rows, None))


def _with_versions(fit: Any, versions: Mapping[str, str]) -> Any:
    return replace(fit, info={**fit.info, "versions": versions}) if isinstance(fit, Fit) else fit


type _Data = Cohort | Moments | ImputedTables
type _Maker = Callable[[Mapping[str, Any], _Data, Callable[[str], None], HandedIn, int, Path | None], Again]

_MAKERS: Mapping[str, _Maker] = {
    "report": _report,
    "study": _study,
}
