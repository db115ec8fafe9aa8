"""What a model would have drawn before it saw the data, and after, as figures."""

from __future__ import annotations

from dataclasses import replace

from alliance_bayes.api import Fit
from alliance_bayes.checks import run_checks
from alliance_bayes.report.checked import may_show, told
from alliance_bayes.report.figure_data import Recorder
from alliance_bayes.report.privacy import grouped_only
from alliance_bayes.report.spoken import in_cells, in_sentences
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.text import typeset
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import shown_rows

__all__ = ["predictive_pictures"]


def predictive_pictures(name: str, title: str, fit: Fit, runner: StudyRunner) -> list[Picture]:
    """The first figure of the prior and of the posterior predictive check.

    Parameters
    ----------
    name
        Prefix of the figures' ids; unique in the page.
    title
        What the model is called.
    fit
        The fit.
    runner
        The study, whose options say of how few people a bar may be: a figure with smaller ones is left out. So is that
        of a model of whose number of rows nothing is told: shares of several bars have one solution of how many.
    """
    small = runner.options.small
    sizes = shown_rows(runner.fitted, small)
    counted = any(model.fit is fit and sizes[key] is not None for key, model in runner.fitted.items())
    cells, sentences, pictures = in_cells(fit.design), in_sentences(fit.design), []

    def shown(text: str) -> str:
        return typeset(cells(text))

    for words in ("prior", "posterior") if counted else ("prior",):
        result = run_checks(fit, checks=[f"{words}_predictive"]).results[0]
        plot = result.plots[0]
        if not may_show(plot, small):
            continue
        heading = f"{title}: {words} predictive distribution"
        recorder, identity = Recorder(plot.draw), f"picture-{name}-{words}"
        picture = Picture.drawn(
            recorder,
            name=identity,
            title=heading,
            caption=typeset(sentences(told(result, grouped_only(fit, result.table, small)))),
            description=shown(plot.description),
            size=plot.size,
            shown=shown,
        )
        pictures.append(replace(picture, data=recorder.table(identity, heading, shown)))
    return pictures
