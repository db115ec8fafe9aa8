"""Trials: the column that they come from, everywhere it is needed, and what is refused of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_bayes import Model, load_fit
from alliance_bayes.effects import adjusted_means, bayesian_r2, responders, slopes, superiority
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec, card_arguments, card_text
from builders import fitted, rows

FORMULA = "kept ~ alliance + (1 | provider_type)"


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = rows(n, countries=3).assign(planned=1.0 + np.arange(n) % 8)
    return frame.assign(kept=rng.binomial(frame["planned"].astype(int), 0.7).astype(float))


def built(frame: pd.DataFrame, **spec: object) -> FittedModel:
    means, sds = {"beta": [0.5, 0.2]}, {"beta": 0.1, "u_provider_type": 0.3}
    return fitted(frame, formula=FORMULA, means=means, sds=sds, chains=2, draws=30, spec=spec)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "binomial"}, "family 'binomial' counts the successes of a number of trials."),
        (
            {"family": "poisson", "trials": "planned"},
            "family 'poisson' has no trials. Families that have them: binomial.",
        ),
        ({"family": "binomial", "trials": "kept"}, "trials='kept' is the outcome itself."),
        ({"family": "binomial", "trials": "alliance"}, "trials='alliance' is a predictor, too."),
        ({"family": "binomial", "trials": 3}, "trials should be the name of one numeric column but got 3."),
    ],
)
def test_what_cannot_be_trials(options: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        ModelSpec(FORMULA, **options)  # type: ignore[arg-type]


def test_a_card_keeps_the_trials() -> None:
    spec = ModelSpec(FORMULA, family="binomial", trials="planned")
    again = ModelSpec(**card_arguments(card_text(spec)))
    assert (again.trials, again.family) == ("planned", "binomial")
    assert again.columns == ("kept", "alliance", "provider_type", "planned")
    assert "trials" not in card_text(ModelSpec(FORMULA))


def test_incomplete_trials_leave_a_row_out() -> None:
    frame = table()
    frame.loc[[3, 7], "planned"] = np.nan
    fit = Model(FORMULA, family="binomial", trials="planned").fit(frame, draws=50, tune=50, chains=2, seed=1)
    assert fit.flow.analysed == 58
    assert fit.info["engine"] == "nuts"


def test_one_trial_is_a_bernoulli_outcome_in_every_number() -> None:
    frame = table().assign(planned=1.0)
    frame["kept"] = (frame["kept"] > 3).astype(float)
    one, other = built(frame, family="binomial", trials="planned"), built(frame, family="bernoulli")
    for of in (lambda fit: adjusted_means(fit, "provider_type"), slopes, bayesian_r2):
        a, b = of(one), of(other)
        assert a.index.tolist() == b.index.tolist()
        assert a["unit"].tolist() == b["unit"].tolist()
        for row in a.index:
            np.testing.assert_allclose(a.draws[row], b.draws[row], rtol=1e-9)
    np.testing.assert_allclose(one.log_likelihood(), other.log_likelihood(), rtol=1e-12)
    np.testing.assert_array_equal(
        one.predict(kind="outcome", seed=2) > 0.5, one.predict(kind="outcome", seed=2).values == 1.0
    )


def test_the_residual_variance_is_that_of_every_persons_trials() -> None:
    frame = table()
    fit = built(frame, family="binomial", trials="planned")
    p = fit.predict().values.reshape(60, -1)
    residual = (p * (1 - p) / frame["planned"].to_numpy()).mean(axis=1)
    expected = p.var(axis=1, ddof=1) / (p.var(axis=1, ddof=1) + residual)
    # The variance of expected shares is interpolated.
    np.testing.assert_allclose(bayesian_r2(fit).draws["bayesian_r2/sample"].ravel(), expected, rtol=1e-6)


def test_new_rows_have_trials_of_their_own() -> None:
    fit = built(table(), family="binomial", trials="planned")
    new = rows(40, seed=9, countries=3).assign(planned=np.r_[np.ones(20), np.full(20, 1000.0)])
    drawn = fit.predict(new, kind="outcome", seed=1).values.reshape(60, 40)
    assert set(np.unique(drawn[:, :20])) == {0.0, 1.0}
    expected = fit.predict(new).values.reshape(60, 40)
    # A share of 1,000 trials is within 6 of its standard errors in all of 1,200 draws.
    assert np.abs(drawn[:, 20:] - expected[:, 20:]).max() < 6 * np.sqrt(0.25 / 1000)
    with pytest.raises(ModelError, match=r"lack the column\(s\) planned"):
        fit.predict(new.drop(columns="planned"))


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_kept_fit_has_its_trials(tmp_path: Path, ending: str) -> None:
    fit = Model(FORMULA, family="binomial", trials="planned").fit(table(), draws=20, tune=50, chains=2, seed=1)
    fit.save(tmp_path / f"fit.{ending}")
    again = load_fit(tmp_path / f"fit.{ending}")
    np.testing.assert_array_equal(again.log_likelihood(), fit.log_likelihood())
    np.testing.assert_array_equal(again.predict(kind="outcome", seed=3), fit.predict(kind="outcome", seed=3))
    assert again.design.trials == "planned"


def test_values_that_nobody_shares_have_no_probability() -> None:
    fit = built(table(), family="binomial", trials="planned")
    message = "the outcome is a share of trials ('kept' of 'planned')"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        responders(fit, at_least=0.5)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        superiority(fit, "provider_type")
    with pytest.raises(UsageError, match="'planned' is not a numeric predictor of this model"):
        slopes(fit, predictor="planned")
