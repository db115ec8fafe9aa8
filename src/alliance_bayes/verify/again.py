"""Make again what a manifest describes: the fit, or the whole study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from alliance_bayes.api import Model
from alliance_bayes.cohort import Cohort
from alliance_bayes.effects import EffectTable
from alliance_bayes.errors import AllianceBayesError, FileFormatError, UsageError
from alliance_bayes.model.card import card_arguments, card_text
from alliance_bayes.moments import Moments
from alliance_bayes.report.checking import SENSITIVITY
from alliance_bayes.report.endpoints import endpoint_effects
from alliance_bayes.study import StudyOptions, run_study

__all__ = ["Again", "make_again"]

# Arguments of Model.fit that a manifest's `info` knows; the collapsed engine has no sampler to set up.
_NUTS = ("sampler", "tune", "target_accept")


@dataclass(frozen=True, eq=False)
class Again:
    """What came out when a page's models were fitted again.

    Parameters
    ----------
    table
        Its rows under the manifest's ids, with their draws.
    withheld
        Whether conclusions would be withheld.
    cards
        The models' cards as they were fitted: the text of the one, or texts by model name.
    """

    table: EffectTable
    withheld: bool
    cards: str | Mapping[str, str]


def make_again(
    manifest: Mapping[str, Any], cohort: Cohort | Moments, *, tell: Callable[[str], None], name: str
) -> Again:
    """Fit the models of a manifest to a cohort.

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

    Raises
    ------
    FileFormatError
        The manifest does not say enough, or says what no page of this package says.
    UsageError, ModelError, DataError, SamplingError
        See :meth:`alliance_bayes.Model.fit` and :func:`alliance_bayes.run_study`.
    """
    try:
        return _MAKERS[manifest["kind"]](manifest, cohort, tell)
    except AllianceBayesError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"the manifest of '{name}' does not describe a model that this version can fit ({error!r}). Make the "
            "report again."
        ) from error


def _report(manifest: Mapping[str, Any], cohort: Cohort | Moments, tell: Callable[[str], None]) -> Again:
    asked = manifest["asked"]
    if asked is None:
        raise UsageError(
            "the effects of this page come from a table that was put together by hand, which nothing can make again. "
            "Give Report.render a table that effects() made."
        )
    model = Model(**card_arguments(manifest["card"], source="the manifest's card"))
    info = manifest["info"]
    tell(f"fitting '{model.card.name}' again")
    fit = model.fit(
        cohort,
        engine=info["engine"],
        draws=manifest["draws"],
        chains=manifest["chains"],
        seed=manifest["seed"],
        same_people=info.get("same_people", ()),
        progress=False,
        **({} if info["engine"] == "collapsed" else {name: info[name] for name in _NUTS if name in info}),
    )
    tell("computing effects")
    asked = dict(asked)
    if isinstance(asked["rope"], list):
        asked["rope"] = tuple(asked["rope"])
    table = fit.effects(**asked)
    gate = fit.check(effects=table, only=("convergence",)).gate
    tables = [table]
    # What is computed beside the effects is made again where the page has it.
    named = {row[0].split("/")[0] for row in manifest["rows"] or []}
    if "endpoints" in named:
        shares = endpoint_effects(fit, prob=asked["prob"], small=manifest["small"])
        tables += [] if shares is None else [shares.under("endpoints")]
    if "sensitivity" in named:
        tell("fitting it again under other priors and without parts of the data")
        found = fit.check(effects=table, only=SENSITIVITY)
        tables += [result.rows.under(f"sensitivity/{result.name}") for result in found if result.rows is not None]
    return Again(EffectTable.concat(tables), not gate.passed, card_text(fit.spec))


def _study(manifest: Mapping[str, Any], cohort: Cohort | Moments, tell: Callable[[str], None]) -> Again:
    if isinstance(cohort, Moments):
        raise UsageError("the page is a study, which needs rows, and moments hold none. Give the table it was made of.")
    known = {field.name for field in fields(StudyOptions)}
    options = {key: value for key, value in manifest["options"].items() if key in known}
    study = run_study(cohort, tell=tell, progress=False, **options)
    blocks = [block for part in study.parts.values() for block in part.blocks]
    whole = EffectTable.concat(block.rows.under(block.name) for block in blocks if len(block.rows))
    cards = {name: card_text(made.spec) for name, made in study.fitted.items()}
    return Again(whole, study.withheld, cards)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Cohort | Moments, Callable[[str], None]], Again]] = {
    "report": _report,
    "study": _study,
}
