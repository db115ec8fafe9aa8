"""A report of a built fit, and checks made to order, so that no test here samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CHECKS, CheckReport, Gate, Plot
from alliance_bayes.effects import EffectTable, effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from builders import fitted, rendered, rows

# A slope that is clear, groups that are not, and one that is: female and male differ by 4 points.
MEANS = {"u_sex": np.array([[2.0, 0.0], [-2.0, 0.0]])}


def _line(figure: object) -> None:
    axes = figure.subplots()  # type: ignore[attr-defined]
    axes.plot([0, 1, 2], [1, -2, 3])
    axes.set_yticks([0, 1], ["first", "second"])


def made_checks(*, passed: bool = True, warn: bool = False) -> CheckReport:
    """Checks with the verdicts asked for; `secret` stands for what must not be seen when conclusions are withheld."""
    reasons = (
        () if passed else ("3 draws of 600 diverged, so part of the posterior may be missing: raise target_accept.",)
    )
    table = pd.DataFrame(
        {"criterion": ["R-hat, largest", "divergences"], "value": [1.0031, 0.0], "verdict": ["pass", "pass"]}
    )
    plot = Plot("any-line", "A line", "A line through three points.", _line, (5.0, 3.0))
    secret = pd.DataFrame({"quantity": ["secret slope"], "value": [271.828]})
    return CheckReport(
        (
            CHECKS["convergence"].result(
                "pass" if passed else "fail",
                "The chains agree." if passed else reasons[0],
                table,
                plots=[plot],
                problems=reasons,
            ),
            CHECKS["prior_predictive"].result("info", "Limits -10 to 10; 5 % beyond.", table),
            CHECKS["curvature"].result("warn" if warn else "pass", "Bent by 271.828.", secret),
        ),
        Gate(passed, reasons),
    )


@pytest.fixture(scope="session")
def fit() -> FittedModel:
    return fitted(rows(200, countries=4), means=MEANS, draws=150)


@pytest.fixture(scope="session")
def table(fit: FittedModel) -> EffectTable:
    return effects(fit)


@pytest.fixture(scope="session")
def report(fit: FittedModel, table: EffectTable) -> Rendered:
    return rendered(fit, effects=table, checks=made_checks(warn=True))


@pytest.fixture(scope="session")
def withheld(fit: FittedModel, table: EffectTable) -> Rendered:
    return rendered(fit, effects=table, checks=made_checks(passed=False))


@pytest.fixture(scope="session")
def checks_of() -> Callable[..., CheckReport]:
    return made_checks


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, withheld: Rendered) -> dict[str, Path]:
    """A page with every check and a long factor, and one with its conclusions withheld, as files."""
    folder = tmp_path_factory.mktemp("pages")
    full = rendered(fitted(rows(400, countries=14), draws=300))
    assert not full.withheld
    return {"full": full.write(folder / "full.html")[0], "withheld": withheld.write(folder / "withheld.html")[0]}
