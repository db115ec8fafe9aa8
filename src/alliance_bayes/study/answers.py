"""The answers to a study's questions, and how the models behind them were sampled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from alliance_bayes.api import Fit
from alliance_bayes.checks.convergence import JUDGED
from alliance_bayes.cohort import Cohort
from alliance_bayes.latent import LatentFit
from alliance_bayes.report.text import clean
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.runner import Fitted
from alliance_bayes.study.tables import analysed

__all__ = ["Answers", "told_findings"]


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to a study's questions, and the fits behind them.

    Parameters
    ----------
    cohort
        Everybody in the table.
    options
        What was asked for.
    parts
        The answers by name, in order.
    fitted
        The fits behind them by name, with the time they took.
    """

    cohort: Cohort
    options: StudyOptions
    parts: Mapping[str, Part]
    fitted: Mapping[str, Fitted] = field(repr=False)

    @property
    def findings(self) -> tuple[str, ...]:
        """The key findings, one sentence or more each; in place of those that are withheld, why they are."""
        return told_findings(self.parts.values())

    @property
    def first(self) -> Fit:
        """The model of the association among everybody, which every study has."""
        fit = self.fitted["outcome_everybody"].fit
        assert isinstance(fit, Fit)
        return fit

    def block(self, name: str) -> Block:
        """A block by its name.

        Parameters
        ----------
        name
            Of the block.

        Returns
        -------
        Block
            Of any part.

        Raises
        ------
        KeyError
            There is none.
        """
        blocks = {block.name: block for part in self.parts.values() for block in part.blocks}
        return blocks[name]

    @property
    def withheld(self) -> bool:
        """Whether any number is withheld because draws did not pass the checks."""
        return any(part.withheld for part in self.parts.values())

    def table(self) -> pd.DataFrame:
        """Every reported number in one table: columns ``part``, ``block`` and those of an effects table.

        Returns
        -------
        pandas.DataFrame
            One row an estimate.
        """
        frames = [part.table().assign(part=part.name) for part in self.parts.values() if len(part.table())]
        out = pd.concat(frames)
        return out[["part", *(name for name in out.columns if name != "part")]]

    def rows(self) -> pd.DataFrame:
        """The same table with ids that are unique in the study: ``block/row``, as findings name them.

        Returns
        -------
        pandas.DataFrame
            Indexed by those ids.
        """
        table = self.table()
        ids = [f"{block}/{row}" for block, row in zip(table["block"], table.index, strict=True)]
        return table.set_axis(pd.Index(ids, name="id"), axis=0)

    def models(self) -> pd.DataFrame:
        """How each model was sampled.

        Returns
        -------
        pandas.DataFrame
            Columns `model`, `formula`, `family`, `people` (rows analysed), `engine`, `seconds` (missing where the draws
            were kept from an earlier run), `divergences`, `ess_bulk` (the smallest of a parameter), `ess_per_second`,
            `rhat` (the largest), `reused`.
        """
        return model_table(self.fitted)


def model_table(fitted: Mapping[str, Fitted]) -> pd.DataFrame:
    """One row a model; see :meth:`alliance_bayes.study.Study.models`."""
    return pd.DataFrame([_row(model) for model in fitted.values()])


def _row(model: Fitted) -> dict[str, object]:
    fit = model.fit
    if isinstance(fit, LatentFit):
        family, engine = "graded response, gaussian", str(fit.info["engine"])
    else:
        family, engine = fit.spec.family, str(fit.info["engine"]) + (" (nuts)" if "fallback" in fit.info else "")
    # R-hat and effective sample sizes of what varies.
    details = model.judged.results[0].details
    judged = details[details["status"].isin(JUDGED)]
    ess = float(np.nanmin(judged["ess_bulk"])) if len(judged) else float("nan")
    statistics = fit.sample_stats
    return {
        "model": model.name,
        "formula": model.spec.formula,
        "family": family,
        "people": analysed(model),
        "engine": engine,
        "seconds": model.seconds,
        "divergences": int(statistics["diverging"].sum()) if "diverging" in statistics else 0,
        "ess_bulk": ess,
        "ess_per_second": ess / model.seconds if model.seconds > 0 else float("nan"),
        "rhat": float(np.nanmax(judged["rhat"])) if len(judged) else float("nan"),
        "reused": model.reused,
    }


def told_findings(parts: Iterable[Part]) -> tuple[str, ...]:
    """The key findings of some parts; in place of those that are withheld, why they are."""
    return tuple(
        sentence
        for part in parts
        for sentence in (
            *(f"{part.title}: withheld. {reason}" for reason in part.withheld),
            *(clean(finding.text) for finding in part.findings if finding.key),
        )
    )
