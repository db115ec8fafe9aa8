"""The page of a model that is asked about a factor leads with the difference, in true words, and hides small arms."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport, run_checks
from alliance_bayes.effects import effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from alliance_bayes.moments.from_rows import moments_of
from alliance_bayes.report import Rendered, Report
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.findings import _arms
from alliance_bayes.report.text import MINUS, clean
from builders import fitted, rendered, rows
from report.test_report_page import parsed

BDI = Scale(mean=15, sd=10, lower=0, upper=63, unit="BDI point", smallest_relevant_change=5, higher_is_better=False)
# Constant draws: the numbers in a sentence are the ones planted.
FIXED = {"beta": 0.0, "sigma": 0.0}


def trial(arms: Sequence[str] = ("usual", "new"), n: int = 120, sizes: Sequence[int] | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    codes = np.resize(np.arange(len(arms)), n) if sizes is None else np.repeat(np.arange(len(arms)), sizes)
    arm = pd.Categorical.from_codes(codes, categories=list(arms), ordered=True)
    start = np.round(rng.normal(20, 5, len(codes)), 1)
    return pd.DataFrame({"bdi": 10 + start / 2, "start": start, "arm": arm})


def fit_of(
    frame: pd.DataFrame,
    *effects_of: float,
    formula: str = "bdi ~ arm + start",
    spec: dict[str, object] | None = None,
    **more: object,
) -> FittedModel:
    given = {"focal": "arm", "scales": {"bdi": BDI}, "centre": {"start": 20.0}, **(spec or {})}
    means = {"beta": [15.0, *effects_of], "sigma": 5.0}
    return fitted(frame, formula=formula, spec=given, **({"means": means, "sds": FIXED, "draws": 100} | more))


def page_of(fit: FittedModel, checks_of: Callable[..., CheckReport], **options: object) -> Rendered:
    return rendered(fit, effects=effects(fit), checks=checks_of(), **options)


@pytest.mark.usefixtures("undrawn")
def test_the_page_leads_with_the_difference_of_the_arms(checks_of: Callable[..., CheckReport]) -> None:
    page = page_of(fit_of(trial(), -3.0, 0.5), checks_of)

    mean = 15.0 + 0.5 * (trial()["start"].mean() - 20.0)
    assert page.findings[:2] == (
        "The mean of bdi was almost certainly lower (fewer symptoms) for arm “new” than for “usual”, by 3.00 "
        "BDI points, adjusted "
        f"for start (89% equal-tailed interval 3.00 to 3.00; more than 99% probability of being lower). "
        f"Adjusted means: {mean - 3:.2f} ({mean - 3:.2f} to {mean - 3:.2f}) for “new” and {mean:.2f} "
        f"({mean:.2f} to {mean:.2f}) for “usual”.",
        f"In units of the residual SD the difference is {MINUS}0.60 ({MINUS}0.60 to {MINUS}0.60). This is not "
        "the usual Cohen’s d: the residual SD is what scores vary by once the model’s other terms are known, not the "
        "SD of the scores, so that it is mostly the smaller one, and the quotient the larger. The probability that it "
        "is too small to matter (within ±1 BDI points) is less than 1%; it lies below that margin with a "
        "probability of 95% or more. The probability that it "
        "reaches the smallest relevant difference, 5 BDI points, is less than 1%.",
    )
    # The rows that the sentences' numbers come from.
    first, second, *_ = page.numbers["findings"]
    assert first["rows"] == ["contrast_of_means/arm=new vs usual/sample"]
    assert second["rows"] == [*first["rows"], "cohens_d_of_means/arm=new vs usual/sample/residual SD"]
    assert first["claims"][0] == {
        "row": first["rows"][0],
        "certainty": "almost certainly",
        "above": False,
        "settled": True,
    }
    assert page.title == "Arm and bdi"
    assert page.html.index("Differences by arm") < page.html.index("How much is explained")
    # The arms are in the section of effect sizes, once, and nothing speaks of slopes that there are none of.
    assert page.html.count('id="table-levels-focal"') == page.html.count('id="table-mean-pairs-focal"') == 1
    for name in ("means-focal", "difference-density"):
        assert f'id="{name}-title"' in page.html
    assert "table-levels-1" not in page.html
    assert "Arm, which this page is about, is among the effect sizes." in page.html
    assert "nobody was assigned to anything" not in page.html
    assert "Unless it was by chance, as in a randomised trial" in page.html


@pytest.mark.usefixtures("undrawn")
def test_what_is_not_settled_states_no_direction(checks_of: Callable[..., CheckReport]) -> None:
    fit = fit_of(trial(), -1.0, 0.5, sds={"beta": [0.1, 0.75, 0.1], "sigma": 0.1}, draws=500)
    page = page_of(fit, checks_of)
    row = effects(fit).loc["contrast_of_means/arm=new vs usual/sample"]
    assert row["lower"] < 0 < row["upper"]
    assert page.findings[0].startswith(
        "Whether the mean of bdi was higher or lower for arm “new” than for “usual” is not settled, though it "
        "was probably lower: "
        f"the estimate of “new” minus “usual” is {MINUS}{abs(row['mean']):.1f} BDI points, adjusted for start ("
    )
    assert page.findings[0].endswith("On the scale of the outcome lower is better: fewer symptoms.")
    assert "symptoms)" not in page.findings[0]


@pytest.mark.usefixtures("undrawn")
def test_of_three_arms_those_from_the_first_come_first(checks_of: Callable[..., CheckReport]) -> None:
    page = page_of(fit_of(trial(("usual", "new", "both")), -3.0, 1.0, 0.5), checks_of)
    leads = [text.partition(",")[0] for text in page.findings[:4:2]]
    assert leads == [
        "The mean of bdi was almost certainly lower (fewer symptoms) for arm “new” than for “usual”",
        "The mean of bdi was almost certainly higher (more symptoms) for arm “both” than for “usual”",
    ]
    assert page.findings[4].startswith(
        f"Beside them: the adjusted means differ: both {MINUS} new, 4.00 BDI points, almost certainly above zero ("
    )
    table = page.html[page.html.index('id="table-mean-pairs-focal"') :]
    places = [
        table.index(f"{level} {MINUS} {versus}")
        for level, versus in (("new", "usual"), ("both", "usual"), ("both", "new"))
    ]
    assert places == sorted(places)
    assert 'id="pairs-mean-focal-title"' in page.html
    assert "difference-density" not in page.html
    # No other effect is on an axis with them, and a second figure of the same rows is none.
    assert "effects-forest" not in page.html
    # The table of all pairs is the figure's: that there is no other does not mean that none may be shown.
    assert "may be shown" not in parsed(page.html).by_id("effects").text


@pytest.mark.usefixtures("undrawn")
def test_arms_and_other_groups_stand_on_one_axis_and_nowhere_else(checks_of: Callable[..., CheckReport]) -> None:
    frame = trial(("usual", "new", "both"), n=180)
    frame["clinic"] = pd.Categorical.from_codes(np.arange(180) // 3 % 3, categories=["east", "north", "west"])
    fit = fit_of(frame, -3.0, 1.0, 0.5, 2.0, 0.0, formula="bdi ~ arm + start + clinic", sds={"beta": 0.1, "sigma": 0.1})
    page = parsed(page_of(fit, checks_of).html)
    names = [row.all("th")[0].text for row in page.by_id("effects-forest-data").all("tbody")[0].all("tr")]
    assert names == [
        f"{of}: {level} {MINUS} {versus}"
        for of, pairs in (
            ("Arm", (("new", "usual"), ("both", "usual"), ("both", "new"))),
            ("Clinic", (("north", "east"), ("west", "east"), ("west", "north"))),
        )
        for level, versus in pairs
    ]
    ids = [node.attributes.get("id") or "" for node in page.all("figure", "table", "h3", "div", "section", "details")]
    assert not [name for name in ids if name.startswith("pairs-mean")]
    assert {"table-mean-pairs-focal", "table-mean-pairs-1"} <= set(ids)


@pytest.mark.usefixtures("undrawn")
def test_a_product_is_said_and_has_a_row(checks_of: Callable[..., CheckReport]) -> None:
    fit = fit_of(trial(), -3.0, 0.5, 0.2, formula="bdi ~ arm * start")
    page = page_of(fit, checks_of)
    assert "The model lets the difference vary with start; this is its average." in page.findings[0]
    average = -3 + 0.2 * (trial()["start"].mean() - 20.0)
    assert f"by {abs(average):.2f} BDI points, adjusted for start" in page.findings[0]
    assert page.findings[2].startswith(
        "For each additional unit of start, the difference “new” minus “usual” was almost certainly higher, by 0.20 "
        "BDI points (89% equal-tailed interval 0.20 to 0.20; more than 99% probability of being above zero)."
    )
    assert 'id="table-moderation-1"' in page.html


@pytest.mark.usefixtures("undrawn")
def test_differences_within_the_margin_are_called_equivalent(checks_of: Callable[..., CheckReport]) -> None:
    near = page_of(fit_of(trial(), -0.2, 0.5, sds={"beta": [0.1, 0.3, 0.1], "sigma": 0.1}, draws=400), checks_of)
    said = re.search(r"within ±1 BDI points\) is (?:more than )?9\d(?:\.\d)?%: (.*?)\.", near.findings[1])
    assert said is not None
    assert said[1] == "equivalent by that margin"
    far = page_of(fit_of(trial(), -1.2, 0.5, sds={"beta": [0.1, 0.3, 0.1], "sigma": 0.1}, draws=400), checks_of)
    assert "equivalent" not in " ".join(far.findings)
    assert "which decides neither for equivalence nor for a difference." in far.findings[1]


@pytest.mark.usefixtures("undrawn")
def test_a_pooled_factor_may_be_what_the_page_is_about(checks_of: Callable[..., CheckReport]) -> None:
    means = {"u_provider_type": np.array([[-2.0, -0.5], [2.0, 0.5], [0.0, 0.0]])}
    sds = {"u_provider_type": np.array([[0.2, 0.05], [0.2, 0.05], [0.2, 0.05]])}
    fit = fitted(
        rows(240),
        formula="who5_followup ~ alliance + (alliance || provider_type)",
        spec={"focal": "provider_type"},
        means=means,
        sds=sds,
    )
    page = page_of(fit, checks_of)
    assert page.findings[0].startswith(
        "The mean of follow-up WHO-5 was almost certainly higher for provider type “therapist” than for “coach”, by 4.0"
    )
    assert "The model lets the difference vary with alliance; this is its average." in page.findings[0]
    changes = [text for text in page.findings if text.startswith("For each additional alliance point, the difference")]
    assert "the difference “therapist” minus “coach” was almost certainly higher, by 1.0" in changes[0]
    assert 'id="pooling-focal-title"' in page.html
    # Nobody came to the levels of a provider type by chance, and the page says both.
    assert "That one provider type works better than another." in page.html


@pytest.mark.usefixtures("undrawn")
def test_of_an_event_the_difference_is_one_of_probabilities(checks_of: Callable[..., CheckReport]) -> None:
    frame = trial().assign(well=np.arange(120) % 3 == 0)
    frame["well"] = frame["well"].astype(float)
    fit = fitted(
        frame,
        formula="well ~ arm",
        spec={"family": "bernoulli", "focal": "arm"},
        means={"beta": [0.0, 1.0]},
        sds={"beta": 0.0},
        draws=100,
    )
    page = page_of(fit, checks_of)
    low, high = 0.5, 1 / (1 + np.exp(-1))
    assert page.findings[0].startswith(
        "The probability of “well” was almost certainly higher for arm “new” than for “usual”, by "
        f"{100 * (high - low):.0f} percentage points (89% equal-tailed interval 23 to 23; "
    )
    # Once, as the tables have it.
    assert f"{high - low:.2f}" not in page.findings[0]
    assert f"Adjusted means: {100 * high:.0f}% ({100 * high:.0f}% to {100 * high:.0f}%) for “new”" in page.findings[0]
    said = parsed(page.html).by_id("effects").text
    assert "An adjusted mean is the probability of “well” if everybody analysed were at that level of arm" in said
    # In SDs of an event a difference says nothing more.
    assert "Cohen" not in " ".join(page.findings)
    assert "Cohen" not in page.html[page.html.index('id="table-mean-pairs-focal"') :].partition("</table>")[0]


@pytest.mark.usefixtures("undrawn")
def test_without_a_name_one_factor_is_what_the_page_is_about(checks_of: Callable[..., CheckReport]) -> None:
    fit = fit_of(trial(), -3.0, formula="bdi ~ arm", spec={"focal": None, "centre": {}})
    page = page_of(fit, checks_of)
    assert page.findings[0].startswith(
        "The mean of bdi was almost certainly lower (fewer symptoms) for arm “new” than for “usual”"
    )
    assert "adjusted for" not in page.findings[0]


@pytest.mark.slow
def test_a_level_whose_count_is_hidden_has_no_estimate_anywhere() -> None:
    """Of two arms one has four people: then the other's count is not shown either. Of three, one difference is left."""
    rng = np.random.default_rng(5)

    def page_of_sizes(*sizes: int) -> tuple[Rendered, list[str]]:
        names = [f"arm{k}" for k in range(len(sizes))]
        frame = trial(names, sizes=sizes)
        frame["bdi"] += rng.normal(0, 4, len(frame))
        fit = ab.Model("bdi ~ arm + start", focal="arm", levels={"arm": tuple(names)}).fit(
            frame, seed=3, progress=False
        )
        return rendered(fit, checks=run_checks(fit)), names

    page, _ = page_of_sizes(60, 4)
    assert page.findings[0] == "The levels of arm have too few people for a difference between them to be shown."
    assert "No level of arm has so many people that an estimate of it may be shown." in page.html
    text = re.sub(r"<[^>]+>", " ", page.html) + page.json
    assert f"arm1 {MINUS} arm0" not in text
    assert "arm1 - arm0" not in text
    assert "arm=arm1" not in text
    page, _ = page_of_sizes(60, 50, 40, 4)
    assert page.findings[0].startswith(
        ("The mean of bdi was", "Whether the mean of bdi was higher or lower for arm “arm1” than for “arm0”")
    )
    text = re.sub(r"<[^>]+>", " ", page.html) + page.json
    assert f"arm1 {MINUS} arm0" in text
    for level in ("arm2", "arm3"):
        assert f"{level} {MINUS} arm" not in text
        assert f"{level} - arm" not in text
        assert f"arm={level}" not in text
    assert {row["level"] for row in page.numbers["effects"] if row["factor"] == "arm"} == {"arm0", "arm1"}


@pytest.mark.usefixtures("undrawn")
def test_where_sites_differ_those_in_the_data_are_told_apart(checks_of: Callable[..., CheckReport]) -> None:
    frame = trial().assign(site=pd.Categorical([f"S{k}" for k in np.arange(120) // 20]))
    fit = fit_of(
        frame,
        -3.0,
        formula="bdi ~ arm + (arm | site)",
        spec={"roles": {"site": "group"}, "centre": {}},
        means={"beta": [15.0, -3.0], "u_site": [0.0, 0.5]},
        sds={"beta": [0.3, 0.5], "u_site": 0.2},
    )
    page = page_of(fit, checks_of)
    assert " on average over all sites that there could be" in page.findings[0]
    assert page.findings[1].startswith(
        "Over the sites in the data alone, each as often as among those analysed, it is "
    )
    assert 'id="table-sample-pairs"' in page.html


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_moments_give_the_same_page_of_arms(checks_of: Callable[..., CheckReport]) -> None:
    frame = trial(("usual", "new", "both"))
    frame["bdi"] += np.random.default_rng(1).normal(0, 4, len(frame))
    model = ab.Model("bdi ~ arm + start", focal="arm", levels={"arm": ("usual", "new", "both")})
    cohort = ab.read_cohort(frame)
    fit = model.fit(cohort, seed=5, progress=False)
    moments = moments_of(model.design(cohort.complete(model.columns)[0]), spec=model)
    again = model.fit(moments, seed=5, progress=False)
    first, second = (rendered(one, checks=run_checks(one)) for one in (fit, again))
    assert second.findings[0].startswith(first.findings[0].partition(", by ")[0])
    own, other = (effects(one)["mean"].dropna() for one in (fit, again))
    shared = [row for row in own.index if row.startswith("contrast_of_means")]
    assert len(shared) == 3
    # The same up to Monte Carlo error.
    for row in shared:
        assert other[row] == pytest.approx(own[row], abs=6 * effects(fit).loc[row, "mcse_mean"])
    assert 'id="means-focal-title"' in second.html


@pytest.mark.usefixtures("undrawn")
def test_table_1_describes_people_by_arm(checks_of: Callable[..., CheckReport]) -> None:
    page = page_of(fit_of(trial(sizes=(70, 50)), -3.0, 0.5), checks_of)
    groups = page.numbers["participants"]["groups"]
    assert groups["factor"] == "arm"
    assert [(level["level"], level["n"]) for level in groups["levels"]] == [("usual", 70), ("new", 50)]
    assert "by arm and overall" in page.html


@pytest.mark.usefixtures("undrawn")
def test_end_points_are_told_by_arm(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(240)
    fit = fitted(frame, formula="who5_followup ~ sex + who5_baseline", spec={"focal": "sex"})
    page = page_of(fit, checks_of)
    shares = [row for row in page.numbers["endpoints"] if row["estimand"] == "share_at_least" and row["factor"]]
    assert [row["level"] for row in shares] == ["female", "male"]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_page_about_arms_is_verified(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    frame = trial(("usual", "new", "both")).assign(bdi=lambda own: own["bdi"] - 3 * own["arm"].cat.codes)
    frame["bdi"] += rng.normal(0, 4, len(frame))
    frame.to_csv(tmp_path / "trial.csv", index=False)
    cohort = ab.read_cohort(tmp_path / "trial.csv")
    model = ab.Model("bdi ~ arm * start", focal="arm", levels={"arm": ("usual", "new", "both")})
    fit = model.fit(cohort, seed=3, draws=400, progress=False)
    fit.report(tmp_path / "trial.html")
    found = ab.verify_report(tmp_path / "trial.html", ab.read_cohort(tmp_path / "trial.csv"))
    assert found.problems == ()


ODD = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("<>&\"'{}[]:=|%$/\\- 0123456789"),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() == text and text.isprintable())
NAMED = st.sampled_from(["0", "1", "a:b", "<b>", "x = 3", "{level}", "β–γ", "a - b", "10%", "“q”", "nan"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    levels=st.lists(ODD | NAMED, min_size=2, max_size=3, unique=True),
    differences=st.lists(st.floats(-5, 5).map(lambda x: round(x, 1)), min_size=2, max_size=2),
    sd=st.floats(0.05, 3).map(lambda x: round(x, 2)),
)
def test_whatever_arms_are_called_sentences_agree_with_their_rows(
    levels: list[str], differences: list[float], sd: float
) -> None:
    frame = trial(levels)
    fit = fit_of(
        frame,
        *differences[: len(levels) - 1],
        0.5,
        sds={"beta": [0.1, *[sd] * (len(levels) - 1), 0.1], "sigma": 0.1},
        draws=50,
    )
    table = effects(fit)
    found = list(_arms(fit, Estimates.of(fit, table), Checked(()), "arm"))
    pairs = [one for one in found if one.name == "difference"]
    assert len(pairs) == len(levels) - 1
    for one, level in zip(pairs, levels[1:], strict=True):
        row = table.loc[one.rows[0]]
        assert (row["level"], row["versus"]) == (level, levels[0])
        way = "lower (fewer symptoms)" if row["median"] < 0 else "higher (more symptoms)"
        pair = f"for arm “{clean(level)}” than for “{clean(levels[0])}”"
        (claim,) = one.claims
        expected = (
            f"The mean of bdi was {claim.word} {way} {pair}"
            if claim.settled
            else f"Whether the mean of bdi was higher or lower {pair}"
        )
        assert one.text.startswith(expected)
        assert claim.settled == (row["lower"] > 0 or row["upper"] < 0)
        if claim.settled:
            assert row["p_direction"] >= 0.9
        number = float(re.search(rf"(?:, by |” is )({MINUS}?[\d.]+) BDI points", one.text)[1].replace(MINUS, "-"))
        assert number == pytest.approx(abs(row["mean"]) if claim.settled else row["mean"], abs=0.51)
        for level_, mean in ((level, "mean"), (levels[0], "mean")):
            own = table[(table["estimand"] == mean) & (table["level"] == level_) & (table["factor"] == "arm")]
            assert f"for “{clean(level_)}”" in one.text.partition("Adjusted means: ")[2]
            assert len(own) == 1


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with its two arms as a column of 0 and 1."""
    return frame.assign(arm=frame["arm"].cat.codes.astype(float))


def test_a_column_of_0_and_1_is_worded_as_two_arms(checks_of: Callable[..., CheckReport]) -> None:
    frame, formula = trial(("0", "1")), "bdi ~ arm * start"
    of_levels = page_of(fit_of(frame, -3.0, 0.5, 0.2, formula=formula), checks_of)
    centre = {"start": 20.0, "arm": 0.0}
    fit = fit_of(numbered(frame), -3.0, 0.5, 0.2, formula=formula, spec={"centre": centre})
    page = page_of(fit, checks_of)

    assert page.findings == of_levels.findings
    assert [row["id"] for row in page.numbers["effects"]] == [row["id"] for row in of_levels.numbers["effects"]]
    known = ("participants", "limitations")
    assert [page.numbers[name] for name in known] == [of_levels.numbers[name] for name in known]
    assert page.numbers["participants"]["groups"]["factor"] == "arm"
    text = clean(re.sub(r"<[^>]+>", " ", page.html))
    assert not re.search(r"units? of arm|slopes? of arm|SD of arm|percentile of arm", text)
    assert "difference in bdi between 1 and 0 of arm" in text


@pytest.mark.usefixtures("undrawn")
def test_an_indicator_of_few_people_has_no_estimate_as_an_arm_has_none(checks_of: Callable[..., CheckReport]) -> None:
    frame = trial(("0", "1"), sizes=[90, 6])
    fit = fit_of(numbered(frame), -3.0, 0.5, spec={"centre": {"start": 20.0, "arm": 0.0}})
    page = page_of(fit, checks_of)
    of_levels = page_of(fit_of(frame, -3.0, 0.5), checks_of)
    assert page.findings == of_levels.findings
    assert "too few people" in page.findings[0]
    assert page.numbers["effects"] == of_levels.numbers["effects"]
    summary = {
        row["level"]: row["shown"] for row in page.numbers["participants"]["summary"] if row["variable"] == "arm"
    }
    assert summary == {"0": "–", "1": "< 10"}


@pytest.mark.slow
def test_no_provider_is_ranked_by_name_among_the_findings(checks_of: Callable[..., CheckReport]) -> None:
    frame = trial(n=160)
    frame["therapist"] = pd.Categorical([f"T{k % 4}" for k in range(160)])
    spec = {"roles": {"therapist": "provider"}}
    more = {"means": {"beta": [15.0, -3.0, 0.5], "sigma": 5.0, "u_therapist": [[-4.0], [-1.0], [1.0], [4.0]]}}
    fit = fit_of(frame, formula="bdi ~ arm + start + (1 | therapist)", spec=spec, **more)
    page = page_of(fit, checks_of)
    (groups,) = [one for one in page.numbers["findings"] if one["name"] == "providers: therapist"]
    (icc,) = [row for row in page.numbers["effects"] if row["estimand"] == "icc"]
    assert groups["rows"] == [icc["id"]]
    said = re.match(r"Therapist: ([\d.]+)% of the variance that the predictors leave", groups["text"])
    assert said is not None
    # Printed to a tenth of a percent.
    assert float(said[1]) == pytest.approx(100 * icc["mean"], abs=0.051)
    assert not re.search(r"\bT\d\b", page.html + page.json)
    # Who may name them can; the findings single none out even then.
    named = Report(name_providers=True).render(fit, checks=checks_of())
    (groups,) = [one for one in named.numbers["findings"] if one["name"] == "groups: therapist"]
    assert groups["text"] == (
        "Therapist: 6 of 6 differences of adjusted means have an interval that excludes zero. Providers are people: "
        "none is singled out here."
    )
    assert groups["rows"] == groups["claims"] == []
    assert not any(re.search(r"\bT\d\b", sentence) for sentence in named.findings)
    assert {row["level"] for row in named.numbers["effects"] if row["factor"] == "therapist"} >= {"T0", "T3"}


@pytest.mark.usefixtures("undrawn")
def test_what_a_size_in_residual_sds_is_stands_once(checks_of: Callable[..., CheckReport]) -> None:
    page = page_of(fit_of(trial(("usual", "new", "other")), -3.0, -2.0, 0.5), checks_of)
    sizes = [text for text in page.findings if text.startswith("In units of the residual SD")]
    assert [text.count("what scores vary by once") for text in sizes] == [1, 0]
    assert "), which is not the usual Cohen’s d, as above." in sizes[1]
    # Of common terms alone there are no intraclass correlations, in the table or its caption.
    assert "Variance partition and R²; posterior means" in page.html
    assert "ntraclass correlation" not in page.html
