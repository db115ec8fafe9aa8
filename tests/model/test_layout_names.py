"""Names: a column is never taken for a part of the layout, nor the other way round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.engines.graph import graph_of
from alliance_bayes.errors import ModelError
from alliance_bayes.model import FAMILIES, ModelSpec
from alliance_bayes.model.layout import posterior_coords, posterior_dims
from builders import of_family, rows

MODEL = "who5_followup ~ s(alliance, k=4) + age + (alliance | country)"


def spec_of(role: str, name: str, family: str = "gaussian") -> ModelSpec:
    """The model with a column of some name in some role."""
    quoted = name if name.isidentifier() else f"`{name}`"
    residual = name if role == "residual" else None
    formula = {
        "factor": f"{MODEL} + (1 | {quoted})",
        "predictor": f"{MODEL} + {quoted}",
        "residual": MODEL,
        "outcome": f"{quoted} ~ s(alliance, k=4) + age + (alliance | country)",
    }[role]
    options = {"trials": "n_trials"} if family == "binomial" else {}
    return ModelSpec(formula, family=family, residual_by=residual, autoscale=True, **options)


def layout_names(family: str) -> set[str]:
    """Every name in the posterior of the model, as it is laid out."""
    frame, options = of_family(rows(24), family)
    design = ModelSpec(MODEL, **options).design(frame)
    found = {"chain", "draw", *posterior_dims(design), *posterior_coords(design)}
    return found - {"country"}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_no_role_that_lays_a_name_out_may_take_one_of_the_layouts(family: str) -> None:
    names = layout_names(family)
    assert {"beta", "term", "u_country", "tau_country", "corr_country", "country_term", "s_alliance"} <= names
    assert {"u_s_alliance", "tau_s_alliance", "country_term_other", *FAMILIES[family].parameters} <= names
    for role in ("factor", "outcome") + (("residual",) if "sigma" in FAMILIES[family].parameters else ()):
        for name in sorted(names | {"obs"}):
            with pytest.raises(ModelError) as error:
                spec_of(role, name, family)
            assert f"'{name}' stands for" in str(error.value)
            assert f"rename the column '{name}'" in str(error.value)


def test_a_predictor_may_have_any_name_but_those_of_other_parameters_and_of_the_rows() -> None:
    refused = set()
    for name in sorted(layout_names("student_t") | {"obs", "set", "Intercept"}):
        try:
            spec_of("predictor", name, "student_t")
        except ModelError:
            refused.add(name)
    parameters = {"sigma", "nu", "tau_country", "corr_country", "tau_s_alliance", "set"}
    assert refused == parameters | {"obs", "Intercept"}


@pytest.mark.parametrize("name", ["a:b", "a/b", "sex[male]", "x]", "."])
@pytest.mark.parametrize("role", ["factor", "predictor", "residual", "outcome"])
def test_names_that_read_as_combinations_levels_or_paths_are_refused(role: str, name: str) -> None:
    with pytest.raises(ModelError, match=r"^formula .* (cannot be read|rename the column|Rename the column)"):
        spec_of(role, name)


def test_all_names_that_cannot_be_used_are_told_with_names_that_can() -> None:
    with pytest.raises(ModelError) as error:
        ModelSpec("y ~ `M/F` + age", residual_by="a/b")
    assert str(error.value) == (
        "formula 'y ~ `M/F` + age': the column 'M/F' cannot be told from a combination, a level or a path, because its "
        "name holds '/'; the column 'a/b' cannot be told from a combination, a level or a path, because its name holds "
        "'/'. Rename the columns, or call them otherwise as the table is read (columns={'M_F': 'M/F', 'a_b': 'a/b'}) "
        "and in the formula."
    )
    with pytest.raises(ModelError) as error:
        ModelSpec("y ~ obs + x")
    assert str(error.value).endswith(
        "'obs' stands for the rows, so rename the column 'obs', or call it otherwise as the table is read "
        "(columns={'obs_1': 'obs'}) and in the formula."
    )


def test_columns_that_are_called_otherwise_as_the_table_is_read_are_fitted() -> None:
    frame = rows(40)[["who5_followup", "age"]].rename(columns={"age": "obs"}).assign(**{"M/F": ["m", "f"] * 20})
    cohort = ab.read_cohort(frame, columns={"obs_1": "obs", "M_F": "M/F"})
    design = ModelSpec("who5_followup ~ obs_1 + M_F").design(cohort.data)
    assert tuple(design.terms) == ("Intercept", "obs_1", "M_F[m]")


@pytest.mark.parametrize(
    ("formula", "other"),
    [
        ("y ~ x + (1 | country) + (1 | country_term)", "the terms pooled over 'country'"),
        ("y ~ x + (1 | country) + (1 | u_country)", "the effects of 'country'"),
        ("y ~ x + (1 | g:h) + (1 | s_x) + s(x)", "the basis of s(x)"),
        ("y ~ s(x) + (1 | u_s_x)", "the coefficients of s(x)"),
        ("y ~ s(x) + tau_s_x", "the SD of the smooth 's_x' among the priors"),
    ],
)
def test_names_made_of_other_columns_are_taken_too(formula: str, other: str) -> None:
    with pytest.raises(ModelError) as error:
        ModelSpec(formula, autoscale=True)
    assert f"stands for {other}, so rename the column" in str(error.value)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("factor", "nu"),
        ("factor", "cutpoint"),
        ("factor", "posterior"),
        ("factor", "a b"),
        ("residual", "level"),
        ("residual", "weight"),
        ("predictor", "term"),
        ("predictor", "chain"),
        ("predictor", "beta"),
        ("predictor", "country_term"),
        ("outcome", "total"),
        ("outcome", "value"),
    ],
)
def test_other_names_work_from_the_fit_to_the_file_and_back(tmp_path: Path, role: str, name: str) -> None:
    frame = rows(60)
    if role == "outcome":
        frame = frame.rename(columns={"who5_followup": name})
    else:
        frame[name] = np.arange(60.0) % 7 if role == "predictor" else [f"L{k % 4}" for k in range(60)]
    spec = spec_of(role, name)
    fit = ab.Model(spec.formula, residual_by=spec.residual_by, autoscale=True).fit(
        frame, seed=1, draws=40, chains=2, engine="collapsed", progress=False
    )
    assert list(fit.posterior["beta"].coords["term"].values) == list(fit.design.terms)
    if role in ("factor", "residual"):
        assert [str(level) for level in fit.posterior.coords[name].values] == ["L0", "L1", "L2", "L3"]
    fit.save(tmp_path / "fit.nc")
    again = ab.load_fit(tmp_path / "fit.nc")
    assert again.posterior.equals(fit.posterior)
    np.testing.assert_array_equal(again.predict(frame).values, fit.predict().values)
    assert set(fit.to_arviz().children) >= {"posterior", "posterior_predictive", "log_likelihood", "observed_data"}


def test_the_graph_refuses_an_outcome_that_is_called_like_one_of_its_parts() -> None:
    frame = rows(24).rename(columns={"who5_followup": "effects_country"})
    model = ab.Model("effects_country ~ alliance + (1 | country)", autoscale=True)
    with pytest.raises(ModelError, match="two parts of one name"):
        model.pymc(frame)


def test_a_graph_with_more_coordinates_refuses_a_column_that_is_called_like_one() -> None:
    design = ModelSpec("who5_followup ~ alliance + (1 | person)").design(rows(24).assign(person=["a", "b", "c"] * 8))
    with (
        pytest.raises(ModelError, match=r"in the graph of this model 'person' stands for something else"),
        graph_of(design, {"person": [0, 1]}),
    ):
        pass


def test_one_pooled_column_has_no_correlation_and_two_have() -> None:
    frame = rows(24)
    for formula, correlated in (("(0 + alliance | country)", False), ("(alliance | country)", True)):
        design = ModelSpec(f"who5_followup ~ alliance + {formula}").design(frame)
        assert ("corr_country" in posterior_dims(design)) is correlated is design.factor("country").correlated
