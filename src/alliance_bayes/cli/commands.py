"""The command line as a whole: its commands, in the order of `--help`."""

from __future__ import annotations

import typer

import alliance_bayes as ab
from alliance_bayes.cli.fits import check, effects, fit
from alliance_bayes.cli.pages import report, study, verify
from alliance_bayes.cli.tables import reduce, simulate, validate

__all__ = ["app", "fit", "report"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How the therapeutic alliance relates to follow-up well-being: Bayesian models, checks and a report.",
)


@app.callback()
def _root() -> None:
    pass


def version() -> None:
    """Print the version."""
    print(ab.__version__)


for _command in (simulate, validate, fit, effects, check, report, study, reduce, verify, version):
    app.command()(_command)
