"""The command line as a whole: its commands, in the order of `--help`."""

from __future__ import annotations

import typer

import alliance_bayes as ab
from alliance_bayes.cli.fits import attrition, card, check, compare, effects, fit
from alliance_bayes.cli.options import AsJson
from alliance_bayes.cli.pages import report, study, verify
from alliance_bayes.cli.printing import print_json
from alliance_bayes.cli.tables import reduce, simulate, validate
from alliance_bayes.cli.values import Command

__all__ = ["app", "fit", "report"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How the therapeutic alliance relates to follow-up well-being: Bayesian models, checks and a report.",
)


@app.callback()
def _root() -> None:
    pass


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": ab.__version__})
    else:
        print(ab.__version__)


for _command in (
    simulate,
    validate,
    attrition,
    card,
    fit,
    effects,
    check,
    compare,
    report,
    study,
    reduce,
    verify,
    version,
):
    app.command(cls=Command)(_command)
