"""Estimands as objects: what they say of themselves, how they are reached, and estimands of one's own."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes import effects as room
from alliance_bayes.effects import (
    DEFAULT_ESTIMANDS,
    ESTIMANDS,
    Analysis,
    EffectTable,
    Estimand,
    Estimate,
    Measure,
    effects,
    equivalence,
    responders,
    slopes,
)
from alliance_bayes.effects.options import defaults_of
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance * who5_baseline + age + (alliance || sex) + (1 | country)"
PLAIN = "who5_followup ~ alliance + who5_baseline + (1 | sex)"
#: Options without which an estimand has nothing to say of that model.
NEEDED: Mapping[str, dict[str, Any]] = {
    "responders": {"at_least": 32},
    "regression_to_mean": {"at_most": 28},
    "compared_slopes": {"against": "age"},
    "predictions": {"at": {"age": [30, 40]}},
}
# In the unit of the alliance, so that the two can be compared.
AGE = {"scales": {"age": ab.Scale(36, 9, unit="alliance point")}}


def fit_of(formula: str = FORMULA, **more: Any) -> ab.Fit:
    built = fitted(rows(60, countries=3), formula=formula, chains=2, draws=30, **more)
    return ab.Fit(**{name: getattr(built, name) for name in ("spec", "design", "priors", "tree", "flow", "info")})


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return fit_of()


def same(one: EffectTable, other: EffectTable) -> None:
    pd.testing.assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other), rtol=1e-12)


@pytest.mark.parametrize("name", ESTIMANDS)
def test_every_estimand_is_a_function_a_method_and_a_name(name: str) -> None:
    fit = fit_of(PLAIN if name == "regression_to_mean" else FORMULA, spec=AGE if name == "compared_slopes" else None)
    estimand, function, given = ESTIMANDS[name], getattr(room, name), NEEDED.get(name, {})
    factors = [{"factor": "sex"}, {"factor": "country"}] if estimand.most_levels else [{}]
    single = EffectTable.concat([function(fit, prob=0.5, **one, **given) for one in factors])
    same(EffectTable.concat([getattr(fit, name)(prob=0.5, **one, **given) for one in factors]), single)
    asked = {**given, "of": "mean"} if name == "contrasts" else given
    found = effects(fit, {name: asked}, prob=0.5)
    if name == "superiority" or estimand.most_levels:
        found = found[[factor in ("sex", "country") for factor in found["factor"]]]
    same(found, single)
    assert set(found["estimand"]) <= set(estimand.measures)
    for row in found.index:
        measure = found.measure(found.loc[row, "estimand"])
        assert measure is estimand.measures[found.loc[row, "estimand"]]
        assert pd.notna(found.loc[row, "versus"]) or not measure.difference
        assert pd.isna(found.loc[row, "rope_low"]) or measure.judged
        assert pd.isna(found.loc[row, "p_direction"]) or measure.signed or measure.difference or name == "overall_mean"


@pytest.mark.parametrize("name", ESTIMANDS)
def test_signatures_and_docstrings_show_every_option(name: str) -> None:
    estimand, function = ESTIMANDS[name], getattr(room, name)
    shown = dict(inspect.signature(getattr(ab.Fit, name)).parameters)
    assert next(iter(shown)) == "fit"
    assert set(shown) == {"fit", *estimand.own_options, *estimand.common_options}
    for option, default in defaults_of(estimand.options).items():
        if option in estimand.common_options:
            assert shown[option].default == default
            assert shown[option].kind is inspect.Parameter.KEYWORD_ONLY
    text = inspect.getdoc(function)
    assert text is not None
    parameters = text[text.index("Parameters\n---") : text.index("Returns\n---")]
    documented = re.findall(r"^(\w[\w, ]*)$", parameters, flags=re.MULTILINE)
    named = [option.strip() for line in documented for option in line.split(",")]
    assert sorted(named) == sorted(["Parameters", *shown])
    # A method of a fit is bound to it.
    assert "fit" not in inspect.signature(getattr(fit_of(), name)).parameters


def test_common_options_are_typed_in_the_signature() -> None:
    shown = inspect.signature(ab.Fit.contrasts)
    assert get_args(shown.parameters["interval"].annotation) == ("eti", "hdi")
    assert get_args(shown.parameters["of"].annotation) == ("mean", "slope")
    assert shown.return_annotation is EffectTable


def test_default_and_order() -> None:
    assert tuple(ESTIMANDS)[: len(DEFAULT_ESTIMANDS)] == DEFAULT_ESTIMANDS
    documented = (Path(__file__).parents[2] / "docs" / "effects.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", documented, flags=re.MULTILINE)
    measures = {name: ", ".join(f"`{own}`" for own in estimand.measures) for name, estimand in ESTIMANDS.items()}
    assert dict(table) == measures
    names = [name for estimand in ESTIMANDS.values() for name in estimand.measures]
    assert len(names) == len(set(names))


def test_a_name_twice_is_one_estimand(fit: ab.Fit) -> None:
    same(effects(fit, ["ranks", "bayesian_r2", "ranks"]), effects(fit, ["ranks", "bayesian_r2"]))


def test_options_by_name_and_those_of_all(fit: ab.Fit) -> None:
    found = fit.effects(
        {"slopes": {}, "contrasts": {"of": "slope", "factor": "sex", "predictor": "age"}, "moderation": {}},
        predictor="alliance",
        rope=(-1.0, 1.0),
    )
    parts = [
        fit.slopes(rope=(-1, 1)),
        fit.contrasts("sex", of="slope", predictor="age", rope=(-1, 1)),
        fit.moderation(rope=(-1, 1)),
    ]
    same(found, EffectTable.concat(parts))
    assert found.asked is not None
    assert found.asked["estimands"]["contrasts"] == {"of": "slope", "factor": "sex", "predictor": "age"}
    assert found.asked["rope"] == [-1.0, 1.0]
    again = json.loads(json.dumps(found.asked))
    same(fit.effects(**{**again, "rope": tuple(again["rope"])}), found)


def test_contrasts_are_of_means_and_of_slopes_where_there_are_slopes(fit: ab.Fit) -> None:
    assert set(effects(fit, ["contrasts"])["estimand"]) == {
        f"{what}_of_{of}s" for what in ("contrast", "cohens_d") for of in ("mean", "slope")
    }
    flat = fit_of("who5_followup ~ (1 | sex)")
    found = effects(flat, ["contrasts"])
    assert set(found["estimand"]) == {"contrast_of_means", "cohens_d_of_means"}
    assert found.left_out == ("slopes: the model has no numeric predictor",)


def test_a_new_level_has_nothing_to_be_compared_with(fit: ab.Fit) -> None:
    found = fit.effects(["superiority"], population="new")
    assert set(found["factor"]) == {"sex"}
    assert found.left_out == ("probabilities of superiority by 'country': a new level has nothing to be compared with",)


def test_what_is_about_single_people_is_not_recorded(fit: ab.Fit) -> None:
    low = fit.design.frame["who5_baseline"] <= 40
    for mask in (low, low.to_numpy(), low.tolist()):
        found = fit.effects({"responders": {"at_least": 32, "among": mask}, "slopes": {}})
        assert found.asked is None
        same(found.iloc[:1], responders(fit, at_least=32, among=low))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"estimands": {"slopes": {"predctor": "age"}}},
            "'slopes' has no option 'predctor'. Its options: predictor, at.",
        ),
        (
            {"estimands": {"slopes": {"prob": 0.5}}},
            "'slopes' has no option 'prob'. Its options: predictor, at.",
        ),
        ({"estimands": {"bayesian_r2": {"of": "x"}}}, "'bayesian_r2' has no option 'of'. Its options: none."),
        (
            {"estimands": {"slopes": "age"}},
            "the options of 'slopes' should be a mapping from their names to values but got 'age'. Write {} for none.",
        ),
        (
            {"estimands": ["responders"]},
            "at_least should be the smallest value of 'who5_followup' that counts as a response. For example "
            "at_least=10 for a change of the WHO-5, at_least=32 for a score above 28.",
        ),
        (
            {"prbo": 0.5},
            "'effects' has no option 'prbo'. Its options: estimands, predictor, denominator, population, prob, "
            "interval, rope, relevant, seed, at.",
        ),
        ({"estimands": [7]}, "an estimand should be a name or an instance of Estimand, but 7 is neither a name nor an"),
    ],
)
def test_wrong_use_says_what_there_is(fit: ab.Fit, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        fit.effects(**arguments)


def test_functions_and_methods_refuse_unknown_options(fit: ab.Fit) -> None:
    message = (
        "'slopes' has no option 'prbo'. Its options: predictor, population, prob, interval, rope, relevant, seed, at."
    )
    for call in (fit.slopes, lambda **given: slopes(fit, **given)):
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            call(prbo=0.5)
    message = "'bayesian_r2' has no option 'population'. Its options: prob, interval."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        fit.bayesian_r2(population="equal")  # type: ignore[call-arg]


# --- Estimands of one's own ---


class LowScores(Estimand):
    """Share of people whose expected outcome is below a limit."""

    name = "low_scores"
    title = "shares of low scores"
    measures = {  # noqa: RUF012
        "share_low": Measure("Expected below {level}", "share of people", sentence="{mean} expect less ({interval})."),
        "difference_to_half": Measure("Half less that", "share of people", signed=True),
    }

    def estimates(self, analysis: Analysis, *, limit: float = 40.0) -> Iterator[Estimate]:
        fit = analysis.fit
        share = (fit.linear_predictor(fit.design.rows) < limit).mean(axis=1)
        yield self.row(analysis, "share_low", share, level=f"{limit:g}", denominator="everybody")
        yield self.row(analysis, "difference_to_half", (0.5 - share).reshape(2, 30))


def test_an_estimand_of_ones_own_is_handed_in(fit: ab.Fit) -> None:
    own = LowScores()
    found = fit.effects(["bayesian_r2", own], prob=0.5, population="equal")
    share = (fit.linear_predictor(fit.design.rows) < 40).mean(axis=1)
    assert found.index.tolist() == [
        "bayesian_r2/sample",
        "share_low/equal",
        "difference_to_half/equal",
    ]
    row = found.loc["share_low/equal"]
    np.testing.assert_allclose(
        row[["mean", "lower", "upper"]].astype(float), [share.mean(), *np.quantile(share, [0.25, 0.75])], rtol=1e-12
    )
    assert (row["unit"], row["level"], row["denominator"]) == ("share of people", "40", "everybody")
    assert np.isnan(row["p_direction"])
    assert found.loc["difference_to_half/equal", "p_direction"] == max((share < 0.5).mean(), (share > 0.5).mean())
    np.testing.assert_array_equal(found.draws["share_low/equal"], share.reshape(2, 30))
    assert found.measure("share_low") is own.measures["share_low"]
    same(fit.effects({own: {"limit": 50.0}}).iloc[:1], own(fit, limit=50.0).iloc[:1])
    assert found.asked is not None
    assert found.asked["estimands"] == ["bayesian_r2", "low_scores"]


def test_measures_stay_with_the_rows(fit: ab.Fit) -> None:
    own = LowScores()
    found = EffectTable.concat([fit.bayesian_r2(), own(fit)])
    for part in (found.iloc[1:], found.copy(), found.under("here"), found[found["unit"] == "share of people"]):
        assert part.measure("share_low") is own.measures["share_low"]
    assert found.measure("nobody") == Measure()


def faulty(title: str = "faults", **facts: Any) -> Estimand:
    """An estimand with other facts, or other rows."""
    made = facts.pop("rows", None)

    def estimates(self: Estimand, analysis: Analysis, *, needed: Any = 1) -> Any:
        return made(self, analysis)

    body = {"name": "mine", "title": title, "measures": {"mine": Measure()}, "estimates": estimates} | facts
    return type("Faulty", (Estimand,), body)()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"title": ""}, "Faulty lacks title"),
        ({"name": None, "measures": {}}, "Faulty lacks name, measures"),
        ({"name": "<b>mine</b>"}, "the name of an estimand should be one word of letters, digits and _ but got"),
        ({"measures": {"mine": "label"}}, "the measures of 'mine' should be of the class Measure, but 'mine' is not"),
        ({"estimates": Estimand.estimates}, "Can't instantiate abstract class Faulty"),
    ],
)
def test_an_estimand_that_lacks_a_part_is_refused_when_it_is_made(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        faulty(**facts)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"label": "of {secret}"},
            "label 'of {secret}' has '{secret}', but in braces it may have term, unit, units, factor, level, versus,",
        ),
        ({"label": "{term.__class__}"}, "label '{term.__class__}' has '{term.__class__}', but"),
        ({"sentence": "{} more"}, "sentence '{} more' has '{} more', but in braces it may have outcome, points, mean,"),
        ({"unsettled": "{mean!r}"}, "unsettled '{mean!r}' has '{mean!r}', but"),
        ({"unit": "{0}"}, "unit '{0}' has '{0}', but in braces it may have outcome, unit, term and names of your own."),
        ({"subject": "{term"}, "subject '{term' has '{term', but"),
        ({"tells": "spreads"}, "tells should be one of ('', 'spread', 'ends', 'parts', 'parameter', 'levels') but is"),
    ],
)
def test_a_measure_whose_words_cannot_be_filled_in_is_refused(texts: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Measure(**texts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda self, analysis: [self.row(analysis, "mine", np.zeros(7))],
            "an estimate should have one number a draw, an array of shape (60,) or (2, 30), but got one of shape (7,).",
        ),
        (
            lambda self, analysis: [self.row(analysis, "mine", lambda: np.zeros((2, 7)))],
            "the rows of a table have draws of one shape (chain, draw), but those of 'mine/average' have the shape "
            "(2, 7) and those of 'slope/alliance/average' (2, 30).",
        ),
        (
            lambda self, analysis: [self.row(analysis, "mine", lambda: np.zeros(60))],
            "the rows of a table have draws of one shape (chain, draw), but those of 'mine/average' have the shape",
        ),
        (lambda self, analysis: ["rows"], "the rows of 'mine' should be estimates of its measures ('mine') but got"),
        (
            lambda self, analysis: [Estimate("slope", lambda: np.zeros((2, 30)), "point")],
            "the rows of 'mine' should be estimates of its measures ('mine') but got 'slope'.",
        ),
        (
            lambda self, analysis: [self.row(analysis, "mine", np.zeros(60))] * 2,
            "an effects table holds every estimand once, but 'mine/average' came twice. Remove one of the two.",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(fit: ab.Fit, made: Any, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        fit.effects(["slopes", faulty(rows=made)])


def test_a_unit_that_lacks_a_word_is_named(fit: ab.Fit) -> None:
    own = faulty(
        measures={"mine": Measure(unit="points at {place}")}, rows=lambda self, a: [self.row(a, "mine", np.zeros(60))]
    )
    message = "the unit 'points at {place}' of the measure 'mine' needs the word 'place'."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        own(fit)


def test_what_an_estimand_raises_says_where(fit: ab.Fit) -> None:
    def fails() -> Any:
        raise ZeroDivisionError("at home")

    def at_once(self: Estimand, analysis: Analysis) -> Iterator[Estimate]:
        yield self.row(analysis, "mine", 1.0)
        fails()

    def when_asked(self: Estimand, analysis: Analysis) -> list[Estimate]:
        return [self.row(analysis, "mine", fails)]

    message = "the estimand 'mine' went wrong: ZeroDivisionError: at home. Mend it, or leave it out."
    for broken in (at_once, when_asked):
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$") as caught:
            fit.effects(["slopes", faulty(rows=broken)])
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(UsageError, match=r"^'sex' is not a numeric predictor"):
        fit.effects([faulty(rows=lambda self, analysis: [analysis.predictor("sex")])])


def test_what_the_package_raises_is_its_own(fit: ab.Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> Any:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(Analysis, "slopes", broken)
    with pytest.raises(KeyError, match="a fault of ours"):
        fit.effects(["slopes"])


@pytest.mark.parametrize("column", ["term", "factor", "level", "versus", "denominator", "note"])
def test_columns_of_text_are_text(fit: ab.Fit, column: str) -> None:
    own = faulty(rows=lambda self, analysis: [self.row(analysis, "mine", 1.0, **{column: 4})])
    with pytest.raises(UsageError, match=f"^the {column} of 'mine' should be text but got 4.$"):
        fit.effects([own])


def test_an_option_that_is_needed_is_asked_for(fit: ab.Fit) -> None:
    class Needy(LowScores):
        def estimates(self, analysis: Analysis, *, limit: float, other: int) -> Iterator[Estimate]:  # type: ignore[override]
            yield self.row(analysis, "share_low", limit + other)

    message = (
        "'low_scores' needs 'limit' and 'other'. Give what it needs: "
        "estimands={'low_scores': {'limit': '...', 'other': '...'}}."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        fit.effects([Needy()])
    assert fit.effects({Needy(): {"limit": 1.0, "other": 2}})["mean"].tolist() == [3.0]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "slopes"}, "an estimand of the package is called 'slopes'. Give yours another name."),
        ({"measures": {"slope": Measure()}}, "'slope' is a measure of 'slopes', so 'mine' cannot have it. Rename it."),
    ],
)
def test_names_of_the_package_are_taken(fit: ab.Fit, facts: dict[str, Any], message: str) -> None:
    for call in (lambda own: fit.effects([own]), lambda own: fit.effects({own: {}})):
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            call(faulty(**facts))


def test_two_estimands_of_one_name_and_classes_are_refused(fit: ab.Fit) -> None:
    with pytest.raises(UsageError, match=r"^two different estimands are called 'low_scores'"):
        fit.effects([LowScores(), LowScores()])
    with pytest.raises(UsageError, match="is a class: make an instance of it"):
        fit.effects([LowScores])


def test_a_fit_made_from_moments_has_no_rows_for_it(fit: ab.Fit) -> None:
    own = faulty(rows=lambda self, a: [self.row(a, "mine", 1.0)], needs_rows="my share")

    class Without(FittedModel):
        def need_rows(self, what: str) -> None:
            raise UsageError(f"{what} needs rows")

    without = Without(**{name: getattr(fit, name) for name in ("spec", "design", "priors", "tree", "flow", "info")})
    assert len(own(fit)) == 1
    with pytest.raises(UsageError, match=r"^my share needs rows$"):
        own(without)


def test_equivalence_speaks_of_it_in_its_words(fit: ab.Fit) -> None:
    own = faulty(
        measures={"mine": Measure(subject="the <b>share</b> of {term}", signed=True), "other": Measure()},
        rows=lambda self, a: [self.row(a, name, 0.0, term="age") for name in ("mine", "other")],
    )
    said = equivalence(own(fit), margin=1)["statement"].tolist()
    assert said == [
        "The <b>share</b> of age differs from zero by less than 1 WHO-5 point with probability above .99.",
        "The other of age differs from zero by less than 1 WHO-5 point with probability above .99.",
    ]
