"""Which engine a fit takes, what it says of it, and what the collapsed engine does without."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.engines import choice
from alliance_bayes.engines.collapsed import sample_collapsed, why_not_collapsed
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.moments import moments_of
from builders import rows
from engines.collapsed.cases import CASES, Case

FORMULA = "who5_followup ~ alliance + (alliance || country)"
SHORT: dict[str, Any] = {"draws": 50, "chains": 2, "cores": 1, "seed": 3, "progress": False}


class NutsWasAskedError(Exception):
    """Raised in place of sampling by NUTS, which these tests need not do."""


@pytest.fixture
def no_nuts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise NutsWasAskedError

    monkeypatch.setattr(choice, "sample_nuts", refuse)


@pytest.mark.usefixtures("no_nuts")
@pytest.mark.parametrize("engine", ["auto", "collapsed"])
def test_gaussian_models_are_collapsed(engine: str) -> None:
    fit = ab.Model(FORMULA).fit(rows(80), engine=engine, **SHORT)
    assert list(fit.info)[:7] == [
        "engine",
        "sampler",
        "proposal_efficiency",
        "draws",
        "chains",
        "seed",
        "cohort_source",
    ]
    assert {key: fit.info[key] for key in ("engine", "sampler", "draws", "chains", "seed")} == {
        "engine": "collapsed",
        "sampler": "independence Metropolis-Hastings",
        "draws": 50,
        "chains": 2,
        "seed": 3,
    }
    assert fit.shape == (2, 50)


@pytest.mark.usefixtures("no_nuts")
def test_draws_that_nobody_asked_for() -> None:
    fit = ab.Model(FORMULA).fit(rows(80), cores=1, progress=False)
    assert fit.shape == (4, 1000)
    again = ab.Model(FORMULA).fit(rows(80), cores=2, progress=False, seed=fit.info["seed"])
    for name in fit.posterior.data_vars:
        np.testing.assert_array_equal(fit.posterior[name], again.posterior[name])


REASONS = [
    ({"family": "student_t"}, {}, "the family is student_t, not gaussian"),
    ({"family": "censored_gaussian"}, {}, "the family is censored_gaussian, not gaussian"),
    (
        {"priors": {"alliance": "StudentT(4, 0, 5)"}},
        {},
        "the prior of 'alliance' is StudentT(4, 0, 5), not a Normal",
    ),
    ({}, {"sampler": "pymc"}, "sampler 'pymc' was asked for"),
]


@pytest.mark.parametrize(("model", "options", "reason"), REASONS)
def test_other_models_go_to_nuts_which_says_why(
    monkeypatch: pytest.MonkeyPatch, model: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    def pretend(design: Any, priors: Any, settings: Any, **_: Any) -> Any:
        # Draws of the Gaussian model: what this test looks at is the record.
        gaussian = ab.Model(FORMULA)
        own = gaussian.design(rows(80))
        tree, _ = sample_collapsed(own, gaussian.priors_for(own), moments_of(own), settings)
        return tree, {"engine": "nuts", "sampler": settings.sampler}

    monkeypatch.setattr(choice, "sample_nuts", pretend)
    fit = ab.Model(FORMULA, **model).fit(rows(80), **SHORT, **options)
    assert fit.info["engine"] == "nuts"
    assert fit.info["engine_reason"] == reason
    asked = ab.Model(FORMULA, **model).fit(rows(80), engine="nuts", **SHORT, **options)
    assert "engine_reason" not in asked.info


@pytest.mark.usefixtures("no_nuts")
@pytest.mark.parametrize(("model", "_", "reason"), REASONS[:3])
def test_collapsed_engine_refuses_other_models(model: dict[str, Any], _: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError) as raised:
        ab.Model(FORMULA, **model).fit(rows(80), engine="collapsed", **SHORT)
    assert str(raised.value) == f"the collapsed engine cannot take this model: {reason}. Use engine='nuts'."


@pytest.mark.usefixtures("no_nuts")
def test_nuts_is_taken_where_it_is_asked_for() -> None:
    with pytest.raises(NutsWasAskedError):
        ab.Model(FORMULA).fit(rows(80), engine="nuts", **SHORT)
    with pytest.raises(NutsWasAskedError):
        ab.Model(FORMULA).fit(rows(80), sampler="pymc", **SHORT)


def test_collapsed_engine_has_no_samplers_of_nuts() -> None:
    with pytest.raises(UsageError) as raised:
        ab.Model(FORMULA).fit(rows(80), engine="collapsed", sampler="pymc", **SHORT)
    assert str(raised.value) == "sampler 'pymc' belongs to NUTS. Use engine='nuts', or leave the sampler out."


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_gaussian_model_can_be_taken(case: Case) -> None:
    assert why_not_collapsed(case.design, case.priors) == ""


@pytest.mark.slow
def test_collapsed_engine_does_without_pymc() -> None:
    # In a process of its own: neither PyMC nor what it compiles with is loaded, which would take seconds, nor ArviZ,
    # nor SciPy's distributions.
    program = """
import sys
import alliance_bayes as ab
from builders import rows
fit = ab.Model("who5_followup ~ alliance + (alliance | country)").fit(rows(80), draws=500, progress=False, seed=1)
assert not fit.report().withheld
slow = ("pymc", "pytensor", "nutpie", "arviz_base", "arviz_stats", "scipy.stats")
loaded = [name for name in slow if name in sys.modules]
print(fit.info["engine"], *loaded)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["collapsed"]
