"""Make again what a manifest describes: the fit, or the whole study, and the page of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alliance_bayes.api import Fit, Model
from alliance_bayes.checks import Check
from alliance_bayes.cohort import Cohort
from alliance_bayes.effects import Estimand
from alliance_bayes.errors import AllianceBayesError, FileFormatError, UsageError
from alliance_bayes.model.card import card_arguments
from alliance_bayes.moments import Moments
from alliance_bayes.report import Rendered, Report, Section
from alliance_bayes.report.registry import HandedIn, own_checks, own_estimands, own_sections
from alliance_bayes.report.sections import SectionMaker
from alliance_bayes.study import Study, StudyOptions
from alliance_bayes.study.page import study_report
from alliance_bayes.study.study import answered

__all__ = ["Again", "make_again"]

# Arguments of Model.fit that `info` knows where NUTS ran; the collapsed engine has no sampler to choose.
_NUTS = ("tune", "target_accept")
# Adds its own version to those that the fit was made with.
_THIS = "alliance_bayes (this report)"


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
    cohort: Cohort | Moments,
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
    cohort: Cohort | Moments,
    tell: Callable[[str], None],
    handed: HandedIn,
    other: int,
    keep: Path | None,
) -> Again:
    asked, checked = manifest["asked"], manifest["checks"]
    for found, what, who in ((asked, "effects", "effects()"), (checked, "checks", "check()")):
        if found is None:
            raise UsageError(
                f"the {what} of this page were put together by hand, which nothing can make again. "
                f"Give Report.render what {who} made."
            )
    run, computed = handed.run(checked["only"]), handed.computed(asked["estimands"])
    model = Model(**card_arguments(manifest["card"], source="the manifest's card"))
    info = manifest["info"]
    # Another engine was asked for than ran only where the model's kind decided it; the page says why.
    engine = "auto" if "engine_reason" in info else info["engine"]
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
        key: tuple(value) if isinstance(value, list) and key == "rope" else value for key, value in asked.items()
    }
    table = fit.effects(**{**options, "estimands": computed})
    extra = None
    if checked["extra"] is not None:
        if isinstance(cohort, Moments) or any(column not in cohort.data for column in checked["extra"]):
            raise UsageError(
                f"the checks of this page looked at the columns {', '.join(map(str, checked['extra']))}, which the "
                "data do not have. Give the table with these columns."
            )
        extra = cohort.complete(model.columns)[0][list(checked["extra"])]
    others = {key: value for key, value in checked.items() if key != "only"}
    checks = fit.check(effects=table, checks=run, **{**others, "extra": extra})
    tell("writing the page again")
    titles = own_sections(manifest["sections"])
    report = Report(sections=handed.makers(manifest["sections"]), **manifest["page_options"])
    write = partial(report.render, fit, effects=table, checks=checks, again=True)
    return Again(
        write(),
        lambda told: write(told=told),
        {name: title for name, title in titles.items() if name not in handed.ids},
        (
            *(f"section {name!r}" for name in handed.ids if name not in titles),
            *(f"check {name!r}" for name in handed.checks if name not in own_checks(checked["only"])),
            *(f"estimand {name!r}" for name in handed.estimands if name not in own_estimands(asked["estimands"])),
        ),
    )


def _taken(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a refit takes from the manifest, because the data do not say it."""
    versions = {str(key): str(value) for key, value in manifest["versions"].items() if key != _THIS}
    source = manifest["data"]["source"]
    return {"versions": versions} | ({} if source is None else {"cohort_source": str(source)})


def _seed(seed: int, other: int) -> int:
    """The seed, or another that follows from it."""
    return seed if other == 0 else int(np.random.SeedSequence([seed, other]).generate_state(1)[0])


def _study(
    manifest: Mapping[str, Any],
    cohort: Cohort | Moments,
    tell: Callable[[str], None],
    handed: HandedIn,
    other: int,
    keep: Path | None,
) -> Again:
    if handed.sections or handed.checks or handed.estimands:
        raise UsageError(
            "the page is a study, which has no sections, checks or estimands of the analyst's own. Hand none in."
        )
    if isinstance(cohort, Moments):
        raise UsageError("the page is a study, which needs rows, and moments hold none. Give the table it was made of.")
    taken = _taken(manifest)
    people = replace(cohort, source=taken["cohort_source"])
    known = {option.name for option in fields(StudyOptions)}
    options = StudyOptions(**{key: value for key, value in manifest["options"].items() if key in known})
    seeded = replace(options, seed=_seed(options.seed, other))

    def write(told: Mapping[str, Mapping[str, Any]] | None, say: Callable[[str], None] | None) -> Rendered:
        study = answered(people, seeded, keep=keep, tell=say, progress=False, told=told)
        fitted = {
            name: replace(made, fit=_with_versions(made.fit, taken["versions"])) for name, made in study.fitted.items()
        }
        return study_report(Study(people, options, study.parts, fitted), software=taken["versions"])

    return Again(write(None, tell), lambda told: write(told, None))


def _with_versions(fit: Any, versions: Mapping[str, str]) -> Any:
    return replace(fit, info={**fit.info, "versions": versions}) if isinstance(fit, Fit) else fit


type _Maker = Callable[[Mapping[str, Any], Cohort | Moments, Callable[[str], None], HandedIn, int, Path | None], Again]

_MAKERS: Mapping[str, _Maker] = {
    "report": _report,
    "study": _study,
}
