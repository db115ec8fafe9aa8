"""A factor as the predictor of interest: which one it is, and its differences against closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

import alliance_bayes as ab
from alliance_bayes.checks.conclusions import conclusions
from alliance_bayes.effects import contrasts, effects, slopes
from alliance_bayes.effects.equivalence import equivalence
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.model import ModelSpec, Scale
from builders import fitted, of_family, rows

SCORE = Scale(mean=15, sd=10, lower=0, upper=63, unit="point", smallest_relevant_change=5, higher_is_better=False)


def trial(n: int = 120, arms: tuple[str, ...] = ("usual", "new"), seed: int = 1) -> pd.DataFrame:
    """A trial with a score at the start and at the end, an event, and sites."""
    rng = np.random.default_rng(seed)
    arm = pd.Categorical.from_codes(np.arange(n) % len(arms), categories=list(arms))
    start = rng.normal(20, 6, n)
    score = 5 + 0.6 * start - 3.0 * arm.codes + rng.normal(0, 5, n)
    sites = pd.Categorical([f"S{k}" for k in rng.integers(0, 6, n)])
    return pd.DataFrame({"score": score, "start": start, "arm": arm, "site": sites, "well": (score < 15).astype(float)})


def spec_of(formula: str, focal: str | None = None, frame: pd.DataFrame | None = None, **more: object) -> tuple:
    spec = ModelSpec(formula, focal=focal, **more)
    design = spec.design(trial() if frame is None else frame)
    return spec.focal_predictor(design), spec.focal_factor(design)


def test_which_predictor_is_of_interest() -> None:
    assert spec_of("score ~ arm + start", "arm") == (None, "arm")
    assert spec_of("score ~ arm + start", "start") == ("start", None)
    assert spec_of("score ~ arm + start") == ("start", None)
    # Without a numeric predictor, the one categorical predictor of a common term; of two, neither.
    assert spec_of("score ~ arm + (1 | site)") == (None, "arm")
    assert spec_of("score ~ arm + site") == (None, None)
    assert spec_of("score ~ 1 + (1 | arm)") == (None, None)
    assert spec_of("score ~ start + (1 | arm)", "arm", exhaustive=("arm",)) == (None, "arm")
    assert spec_of("score ~ start * arm", "arm") == (None, "arm")
    assert spec_of("score ~ start + start:arm", "arm") == (None, "arm")


def test_a_factor_without_differences_of_its_own_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'arm' is part of the combinations 'arm:site' only.*a term of its own\.$"):
        spec_of("score ~ start + (1 | arm:site)", "arm")
    frame = trial().assign(pid=pd.Categorical(np.arange(120).astype(str)))
    with pytest.raises(ModelError, match=r"'pid' has levels that are single persons.*focal\.$"):
        spec_of("score ~ start + (1 | pid)", "pid", frame, roles={"pid": "person"})
    with pytest.raises(ModelError, match=r"focal names 'wing', which is not in the formula"):
        ModelSpec("score ~ arm", focal="wing")


def test_a_card_keeps_the_factor(tmp_path) -> None:
    model = ab.Model("score ~ arm + start", focal="arm", levels={"arm": ("usual", "new")})
    model.to_card(tmp_path / "trial.toml")
    assert 'focal = "arm"' in (tmp_path / "trial.toml").read_text()
    assert ab.load_model(tmp_path / "trial.toml").focal == "arm"


def test_of_an_additive_gaussian_model_a_difference_is_the_coefficient() -> None:
    frame = trial(arms=("usual", "new", "both"))
    fit = fitted(frame, formula="score ~ arm + start + (1 | site)", spec={"focal": "arm"})
    table = effects(fit)
    rows = table[table["estimand"] == "contrast_of_means"]
    rows = rows[rows["factor"] == "arm"]
    # From the first level first, then the others.
    assert [*zip(rows["level"], rows["versus"], strict=True)] == [("new", "usual"), ("both", "usual"), ("both", "new")]
    beta = fit.stacked["beta"][:, [fit.design.terms.index(f"arm[{level}]") for level in ("new", "both")]]
    expected = (beta[:, 0], beta[:, 1], beta[:, 1] - beta[:, 0])
    for row, draws in zip(rows.index, expected, strict=True):
        np.testing.assert_allclose(table.draws[row].ravel(), draws, atol=1e-12)
    # No slope that nobody asked for; one that was is there.
    assert not table["estimand"].str.startswith("slope").any()
    assert table.left_out[0] == (
        "slopes: the predictor of interest, 'arm', is a factor; name a numeric one for its slopes"
    )
    assert "slope" in set(effects(fit, predictor="start")["estimand"])


def test_with_a_product_a_difference_is_the_average_over_those_analysed_and_its_change_is_the_product() -> None:
    frame = trial()
    fit = fitted(frame, formula="score ~ arm * start", spec={"focal": "arm", "centre": {"start": 12.0}})
    table = effects(fit)
    beta = dict(zip(fit.design.terms, fit.stacked["beta"].T, strict=True))
    (row,) = table.index[table["estimand"] == "contrast_of_means"]
    own = beta["arm[new]"] + beta["arm[new]:start"] * (frame["start"].mean() - 12.0)
    np.testing.assert_allclose(table.draws[row].ravel(), own, rtol=1e-9)
    (change,) = table.index[table["estimand"] == "contrast_of_slopes"]
    assert table.loc[change, ["term", "level", "versus"]].tolist() == ["start", "new", "usual"]
    np.testing.assert_allclose(table.draws[change].ravel(), beta["arm[new]:start"], rtol=1e-9)


def test_of_an_event_a_difference_is_that_of_the_integrated_probabilities() -> None:
    frame = trial(60)
    fit = fitted(
        frame,
        formula="well ~ arm + start + (1 | site)",
        spec={"focal": "arm", "family": "bernoulli", "priors": "weak"},
        means={"beta": [-0.3, 0.8, -0.1], "tau_site": 0.9},
        sds={"beta": 0.1, "tau_site": 0.1},
        chains=1,
        draws=6,
    )
    table = effects(fit)
    (row,) = table.index[(table["estimand"] == "contrast_of_means") & (table["factor"] == "arm")]
    assert table.loc[row, ["unit", "population"]].tolist() == ["probability", "average"]
    start = (frame["start"] - frame["start"].mean()).to_numpy()
    for number, (beta, tau) in enumerate(zip(fit.stacked["beta"], fit.stacked["tau_site"].ravel(), strict=True)):

        def expected(arm: int, beta: np.ndarray = beta, tau: float = tau) -> float:
            eta = beta[0] + beta[1] * arm + beta[2] * start
            return integrate.quad(
                lambda u: special.expit(eta + u).mean() * stats.norm.pdf(u, scale=tau), -8 * tau, 8 * tau
            )[0]

        assert table.draws[row].ravel()[number] == pytest.approx(expected(1) - expected(0), abs=1e-5)


def test_what_varies_by_site_is_given_over_all_sites_and_over_those_in_the_data() -> None:
    frame = trial()
    fit = fitted(frame, formula="score ~ arm + start + (arm | site)", spec={"focal": "arm"})
    table = effects(fit)
    beta = fit.stacked["beta"][:, fit.design.terms.index("arm[new]")]
    np.testing.assert_allclose(table.draws["contrast_of_means/arm=new vs usual/average"].ravel(), beta, atol=1e-12)
    row = "contrast_in_sample/arm=new vs usual/sample"
    # Each site as often as among those analysed.
    shares = frame["site"].value_counts(sort=False, normalize=True).to_numpy()
    expected = beta + fit.stacked["u_site"][:, :, 1] @ shares
    np.testing.assert_allclose(table.draws[row].ravel(), expected, rtol=1e-9)
    # Where only the sites' levels differ, the difference is the same over both.
    same = effects(fitted(frame, formula="score ~ arm + start + (1 | site)", spec={"focal": "arm"}))
    assert "contrast_in_sample" not in set(same["estimand"])
    # And of no other factor than that which is asked about.
    other = effects(fitted(frame, formula="score ~ arm + start + (arm | site)"))
    assert "contrast_in_sample" not in set(other["estimand"])


def test_a_pooled_factor_is_compared_by_its_levels() -> None:
    fit = fitted(formula="who5_followup ~ alliance + (1 | provider_type)", spec={"focal": "provider_type"})
    table = effects(fit)
    rows = table[table["estimand"] == "contrast_of_means"]
    u = fit.stacked["u_provider_type"][:, :, 0]
    np.testing.assert_allclose(table.draws[rows.index[0]].ravel(), u[:, 1] - u[:, 0], atol=1e-12)
    assert not table["estimand"].str.contains("slope").any()


def test_a_pooled_slope_is_how_the_difference_changes() -> None:
    fit = fitted(formula="who5_followup ~ alliance + (alliance || provider_type)", spec={"focal": "provider_type"})
    table = effects(fit)
    changes = table.index[table["estimand"] == "contrast_of_slopes"]
    assert table.loc[changes, "term"].unique().tolist() == ["alliance"]
    u = fit.stacked["u_provider_type"][:, :, 1]
    np.testing.assert_allclose(table.draws[changes[0]].ravel(), u[:, 1] - u[:, 0], atol=1e-12)
    assert "slope" not in set(table["estimand"])


def test_an_option_that_is_a_factor_is_answered_with_contrasts() -> None:
    fit = fitted(trial(), formula="score ~ arm + start", spec={"focal": "arm"})
    with pytest.raises(UsageError, match=r"^'arm' is not a numeric predictor of this model but a factor, whose levels"):
        effects(fit, predictor="arm")
    with pytest.raises(
        UsageError, match=r"^the predictor of interest, 'arm', is a factor, which has no slope.*: start\.$"
    ):
        slopes(fit)


def test_differences_are_judged_by_the_margin_of_the_outcome() -> None:
    fit = fitted(
        trial(),
        formula="score ~ arm + start",
        spec={"focal": "arm", "scales": {"score": SCORE}},
        means={"beta": [15.0, -3.0, 0.5]},
        sds={"beta": [0.1, 0.4, 0.1]},
    )
    table = effects(fit)
    rows = table[table["estimand"] == "contrast_of_means"]
    assert rows[["rope_low", "rope_high", "relevant"]].to_numpy().tolist() == [[-1.0, 1.0, 5.0]]
    (said,) = equivalence(rows).to_dict("records")
    assert said["verdict"] == "different by more than the margin"
    assert said["statement"].startswith("The adjusted mean at arm = new is 1 point or more below that at arm = usual")
    near = equivalence(rows, margin=5.0)
    assert near["verdict"].tolist() == ["equivalent"]


def test_families_are_compared_by_every_difference() -> None:
    frame = trial(arms=("usual", "new", "both"))

    def of(new: float) -> ab.Fit:
        means = {"beta": [15.0, new, -6.0, 0.5]}
        return fitted(frame, formula="score ~ arm + start", spec={"focal": "arm"}, means=means, sds={"beta": 0.3})

    found = conclusions({"a": of(-3.0), "b": of(0.0)})
    assert found.table["term"].unique().tolist() == ["arm: new - usual", "arm: both - usual", "arm: both - new"]
    assert len(found.table) == 6
    assert found.changes
    first, second, _ = found.sentence.split("The difference of ")[1:]
    assert "changes a conclusion: negative (P at least 0.975) in 'a', direction open in 'b'" in first
    assert "changes no conclusion: negative" in second


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_0_and_1_are_levels_as_those_of_a_factor_are(family: str) -> None:
    frame, options = of_family(rows(120), family)
    codes = np.arange(120) % 2
    spec = {**options, "focal": "arm", "priors": "weak", "autoscale": True, "centre": {"arm": 0.0}}
    number = fitted(frame.assign(arm=codes), formula="who5_followup ~ arm * age + (1 | sex)", spec=spec)
    named = frame.assign(arm=pd.Categorical(codes.astype(str)))
    factor = fitted(named, formula="who5_followup ~ arm * age + (1 | sex)", spec={**spec, "centre": {}})
    assert number.spec.focal_factor(number.design) == "arm"
    assert number.spec.focal_predictor(number.design) is None
    one, other = (effects(fit, denominator="total_sd") for fit in (number, factor))
    assert one.index.tolist() == other.index.tolist()
    for column in ("mean", "sd", "p_direction"):
        np.testing.assert_allclose(one[column], other[column], rtol=1e-9, atol=1e-12)
    # One default prior, however the arms are written.
    assert number.priors["arm"].prior == factor.priors["arm[1]"].prior
    # A slope that is asked for is there, and no row of what an SD or a percentile of 0 and 1 would be.
    if family == "gaussian":
        table = slopes(number)
        assert not {"slope_per_sd", "slope_p10_p90", "slope_standardised"} & set(table["estimand"])
        shown = contrasts(number, "arm")["mean"].iloc[0]
        np.testing.assert_allclose(table["mean"].iloc[0], shown, rtol=1e-9)
