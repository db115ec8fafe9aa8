"""Overlap of groups: by hand, by other optimisers and loops, on made data without a counterpart, and refusals."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from alliance_bayes.effects import Overlap, overlap
from alliance_bayes.effects.overlap import propensity
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.moments import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from builders import fitted, rendered, rows
from report.test_report_page import parsed

FORMULA = "who5_followup ~ alliance + who5_baseline + age + (1 | sex) + (1 | provider_type)"


def frame_of(n: int = 400, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = rows(n, countries=3, seed=seed)
    types = pd.Categorical(
        rng.choice(["coach", "therapist", "both"], n, p=[0.6, 0.25, 0.15]), ["coach", "therapist", "both"]
    )
    frame["provider_type"] = types
    frame["age"] = frame["age"] + 6.0 * (frame["provider_type"] == "both")
    return frame


def built(frame: pd.DataFrame | None = None, formula: str = FORMULA, **more: Any) -> FittedModel:
    return fitted(frame_of() if frame is None else frame, formula=formula, **{"draws": 500, **more})


def test_the_propensity_is_the_mode_of_a_multinomial_regression_with_its_prior() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, (200, 2))
    codes = np.r_[0, 1, 2, rng.integers(0, 3, 197)]

    def loss(flat: np.ndarray) -> float:
        z, beta = (x - x.mean(axis=0)) / x.std(axis=0), flat.reshape(3, 3)
        eta = beta[0] + z @ beta[1:]
        own = eta[np.arange(200), codes]
        return float((np.log(np.exp(eta).sum(axis=1)) - own).sum() + (beta[1:] ** 2).sum() / (2 * 2.5**2))

    # Without derivatives: another way to the one minimum.
    found = optimize.minimize(
        loss, np.zeros(9), method="Powell", options={"ftol": 1e-12, "xtol": 1e-8, "maxiter": 10**5}
    )
    z, beta = (x - x.mean(axis=0)) / x.std(axis=0), found.x.reshape(3, 3)
    eta = np.exp(beta[0] + z @ beta[1:])
    np.testing.assert_allclose(propensity(x, codes, 3), eta / eta.sum(axis=1, keepdims=True), atol=2e-4)
    # Where a covariate tells the levels apart, the prior keeps the scores away from 0 and 1.
    apart = propensity(np.r_[np.zeros(50), np.ones(50)][:, None], np.r_[np.zeros(50, int), np.ones(50, int)], 2)
    assert 1e-6 < apart.min() < 0.05


def test_differences_and_shares_are_those_of_loops() -> None:
    fit = built()
    frame, found = fit.design.frame, overlap(fit)
    assert found.by == "provider_type"
    types = frame["provider_type"].astype(str).to_numpy()
    labels = ["coach", "therapist", "both"]
    columns = {
        ("who5_baseline", None): frame["who5_baseline"].to_numpy(float),
        ("age", None): frame["age"].to_numpy(float),
        **{("sex", s): (frame["sex"].astype(str) == s).to_numpy(float) for s in frame["sex"].cat.categories},
    }
    x = np.column_stack(list(columns.values()))
    codes = np.array([labels.index(one) for one in types])
    scores = propensity(x, codes, 3)
    weights = 1 / scores[np.arange(len(codes)), codes]
    expected = []
    for (name, level), values in columns.items():
        for a, b in ((0, 1), (0, 2), (1, 2)):
            one, other = values[codes == a], values[codes == b]
            sd = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
            weighted = [np.average(values[codes == k], weights=weights[codes == k]) for k in (a, b)]
            before, after = (one.mean() - other.mean()) / sd, (weighted[0] - weighted[1]) / sd
            expected.append((name, level, labels[a], labels[b], before, after))
    kept = found.differences
    assert [
        (r.covariate, r.level if isinstance(r.level, str) else None, r.first, r.second) for r in kept.itertuples()
    ] == [row[:4] for row in expected]
    # Rounding only.
    np.testing.assert_allclose(kept[["before", "after"]].to_numpy(), [row[4:] for row in expected], atol=1e-10)
    for place, level in enumerate(labels):
        own = scores[codes == place, place]
        out = [not own.min() <= scores[i, place] <= own.max() for i in range(len(codes)) if codes[i] != place]
        row = found.support.iloc[place]
        assert (row["level"], row["people"]) == (level, int((codes == place).sum()))
        assert row["outside"] == pytest.approx(np.mean(out), abs=1e-12)
        own_weights = weights[codes == place]
        assert row["effective"] == pytest.approx(own_weights.sum() ** 2 / (own_weights**2).sum(), rel=1e-12)
    alone = []
    for i, code in enumerate(codes):
        others = [k for k in range(3) if k != code]
        ends = [(scores[codes == k, k].min(), scores[codes == k, k].max()) for k in others]
        alone.append(all(not low <= scores[i, k] <= high for k, (low, high) in zip(others, ends, strict=True)))
    assert found.alone == np.mean(alone)
    # Weighting for everybody brings the means of a logistic regression together.
    large = kept["before"].abs() > 0.3
    assert large.any()
    assert (kept["after"].abs() < 0.1)[large].all()


@pytest.mark.slow
def test_people_whom_only_one_type_sees_are_told_and_their_means_extrapolate() -> None:
    frame = frame_of()
    # A third of those with a coach are children, whom nobody else sees.
    young = (frame["provider_type"] == "coach") & (np.arange(len(frame)) % 3 == 0)
    frame["age"] = np.where(young, 10.0, np.maximum(frame["age"], 25.0))
    found = overlap(built(frame))
    share = float(young.mean())
    # Those alone are the children, and at most a few at the edges besides: of 100 with a therapist the range is short.
    assert share <= found.alone <= share + 0.03
    rows_ = found.support.set_index("level")
    assert not rows_.loc["coach", "extrapolates"]
    assert rows_.loc["therapist", "extrapolates"]
    assert rows_.loc["both", "extrapolates"]
    others = (frame["provider_type"] != "therapist").to_numpy()
    assert rows_.loc["therapist", "outside"] == pytest.approx(young.sum() / others.sum(), abs=0.06)
    assert len(found.warnings) == 2
    assert found.warnings[0].startswith("The adjusted mean of therapist extrapolates")
    page = rendered(built(frame), sections=["overlap"])
    text = re.sub(r"\s+", " ", parsed(page.html).by_id("overlap").text)
    assert f"{100 * found.alone:.0f}% have a combination of covariates that is found in one group only" in text
    for level in ("therapist", "both"):
        share = rows_.loc[level, "outside"]
        assert f"“{level}” extrapolates: {100 * share:.0f}% of the others have no counterpart" in text
    assert page.numbers["overlap"]["alone"] == pytest.approx(found.alone, rel=1e-3)


@pytest.mark.slow
def test_the_page_has_the_largest_differences_first() -> None:
    fit = built()
    found, page = overlap(fit), rendered(fit, sections=["overlap"])
    body = [[cell.text for cell in line.all("th", "td")] for line in parsed(page.html).by_id("table-overlap").all("tr")]
    minus = "\N{MINUS SIGN}"
    before = [abs(float(row[1].replace(minus, "-"))) for row in body[1:]]
    assert before == sorted(before, reverse=True)
    largest = found.differences.assign(size=lambda f: f["before"].abs()).groupby("covariate")[["size"]].max()
    assert before[0] == pytest.approx(largest["size"].max(), abs=0.005 + 1e-9)
    assert body[1][0] == "age"
    after = found.differences.query("covariate == 'age'")["after"].abs().max()
    assert float(body[1][3]) == pytest.approx(after, abs=0.005 + 1e-9)
    text = re.sub(r"\s+", " ", parsed(page.html).by_id("overlap").text)
    assert f"differ most in age: by {before[0]:.2f} SD" in text


@pytest.mark.slow
def test_nothing_tells_of_a_few_people() -> None:
    frame = frame_of()
    # Three of those with both are of the other sex: with counts of groups and a difference one could solve for them.
    both = np.flatnonzero(frame["provider_type"] == "both")
    frame.loc[both, "sex"] = frame["sex"].cat.categories[0]
    frame.loc[both[:3], "sex"] = frame["sex"].cat.categories[1]
    fit = built(frame)
    page = rendered(fit, sections=["data", "overlap"])
    sexes = [row for row in page.numbers["overlap"]["differences"] if row["covariate"] == "sex"]
    assert all("both" not in (row["first"], row["second"]) for row in sexes)
    assert "Below 0.1 SD" in page.html
    # Of a group of a few, nothing at all.
    frame = frame_of()
    frame["provider_type"] = pd.Categorical(np.where(np.arange(len(frame)) < 4, "both", "coach"), ["coach", "both"])
    assert "overlap" not in rendered(built(frame), sections=["overlap", "limitations"]).numbers


def test_a_column_of_0_and_1_is_two_groups_and_named_covariates_are_those() -> None:
    frame = frame_of().assign(treated=lambda f: (np.arange(len(f)) % 2).astype(float))
    fit = built(frame, "who5_followup ~ treated + age + who5_baseline", spec={"focal": "treated"})
    found = overlap(fit, covariates=["age"])
    assert isinstance(found, Overlap)
    assert (found.by, found.support["level"].tolist()) == ("treated", ["0", "1"])
    assert found.differences["covariate"].tolist() == ["age"]
    assert "by 'treated'" in repr(found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": "age"}, "by should be a factor of the model"),
        ({"by": "height"}, "by should be a factor of the model"),
        ({"covariates": "age"}, "Write"),
        ({"covariates": ["height"]}, "Those that there are: who5_baseline, age, sex"),
        ({"covariates": ["provider_type"]}, "besides 'provider_type'"),
    ],
)
def test_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        overlap(built(), **given)


def test_refused_without_groups_covariates_or_rows() -> None:
    plain = built(formula="who5_followup ~ alliance + age")
    with pytest.raises(UsageError, match="no factor of interest"):
        overlap(plain)
    with pytest.raises(UsageError, match="no covariate"):
        overlap(built(formula="who5_followup ~ alliance + (1 | provider_type)"))
    fit = built()
    design, moments = design_of_moments(moments_of(fit.design, spec=fit.spec), fit.spec)
    with pytest.raises(UsageError, match="needs the analysed rows"):
        overlap(replace(fit, design=design, moments=moments))
