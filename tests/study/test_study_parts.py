"""Parts that need sessions or a modality, and posteriors that are kept between runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import alliance_bayes as ab
from alliance_bayes.checks import run_gate
from alliance_bayes.effects import effects
from alliance_bayes.report.verdicts import excludes_zero
from alliance_bayes.study import Part, StudyOptions, run_study, runner
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.study.course import course
from alliance_bayes.study.modality import modality
from alliance_bayes.study.moderation import moderation
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import shown
from builders import fitted, rows


def bench_of(cohort: ab.Cohort, *, folder: Path | None = None, seed: int = 7) -> StudyRunner:
    options = StudyOptions(seed=seed)
    return StudyRunner(cohort, options, cache=PosteriorCache(folder), tell=lambda _: None, progress=False)


def agrees(part: Part) -> None:
    """Statements name rows that there are, and say of each what it holds."""
    blocks = {block.name: block for block in part.blocks}
    assert part.withheld == ()
    assert part.findings
    for statement in part.findings:
        assert statement.rows
        for reference in statement.rows:
            name, _, identity = reference.partition("/")
            rows = blocks[name].rows
            row = rows.loc[identity]
            if len(statement.rows) > 1 or "probability" in statement.text.split("(")[0] or part.name == "modality":
                continue
            assert shown(rows).spoken(row) in statement.text
            undecided = "neither clearly" in statement.text or "it is not settled" in statement.text
            assert undecided == (not excludes_zero(row))


@pytest.fixture(scope="module")
def mixed() -> ab.Cohort:
    return ab.simulate_cohort(n=400, seed=3, in_person_share=0.4)


def test_a_model_that_its_fit_does_not_know_whole_is_its_card(mixed: ab.Cohort) -> None:
    made = bench_of(mixed)
    card, fit = made.model("latent", mixed)[0], made.fit("outcome")
    assert card.card.question
    assert runner.Fitted("latent", fit, 1.0, model=card).spec is card
    assert runner.Fitted("other", fit, 1.0).spec is fit.spec


def test_moderation_statements_agree_with_their_rows(mixed: ab.Cohort) -> None:
    part = moderation(bench_of(mixed))

    agrees(part)
    (block,) = part.blocks
    pairs = block.rows[block.rows["versus"].notna()]
    assert len(part.findings) == 1 + len(pairs)
    same = int((pairs["p_rope"] >= 0.95).sum())
    above = int((pairs["p_above_rope"] >= 0.95).sum())
    below = int((1 - pairs["p_rope"] - pairs["p_above_rope"] >= 0.95).sum())
    assert (
        f"; {same or 'none'} {'lies' if same < 2 else 'lie'} within ±{pairs['rope_high'].iloc[0]:.3g} "
        in part.findings[0].text
    )
    assert "(1 point between the 10th and the 90th percentile of alliance)" in part.findings[0].text
    beyond = above + below
    assert part.findings[0].text.endswith(
        f"{beyond or 'none'} above or below it with as much, and {len(pairs) - same - beyond} are undecided."
    )
    assert pairs["p_rope_prior"].between(0, 1).all()


def test_modality_compares_ratings_outcome_and_slope(mixed: ab.Cohort) -> None:
    part = modality(bench_of(mixed))

    agrees(part)
    assert [block.name for block in part.blocks] == ["modality-alliance", "modality-wellbeing", "modality-slope"]
    assert len(part.findings) == 3
    for block, statement in zip(part.blocks, part.findings, strict=True):
        pairs = block.rows[block.rows["versus"].notna()]
        assert statement.rows == tuple(f"{block.name}/{name}" for name in pairs.index)
        assert set(block.rows["level"]) == {"video", "in_person"}
        inside = float(pairs["p_rope"].iloc[0])
        assert (" differs from " in statement.text) == (inside >= 0.95)
        assert len(block.pictures) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone")
def test_a_modality_adds_the_part_to_the_study(mixed: ab.Cohort) -> None:
    study = run_study(mixed, progress=False)

    assert list(study.parts) == ["ratings", "change", "association", "moderation", "modality"]
    numbers = json.loads(study.report().json)
    assert {"modality-alliance", "modality-wellbeing", "modality-slope"} <= {row["block"] for row in numbers["effects"]}


@pytest.mark.slow
def test_the_course_over_sessions_agrees_with_its_rows(mixed: ab.Cohort) -> None:
    made = bench_of(mixed)

    part = course(made)

    assert [block.name for block in part.blocks] == ["time-growth", "time-early", "time-providers"]
    agrees(part)
    assert part.left_out == ()
    assert list(made.fitted) == ["growth", "outcome_everybody", "early", "first_session", "within_between"]
    growth, early, providers = part.blocks
    assert {"rating_in_first_session", "change_per_session", "residual_sd"} <= set(growth.rows["estimand"])
    assert list(early.rows["term"].unique()) == ["alliance", "alliance_early", "alliance_first"]
    between, within, difference = (
        providers.rows.draws[next(name for name in providers.rows.index if name.startswith(estimand))]
        for estimand in ("slope_between_providers", "slope_within_providers", "between_minus_within")
    )
    assert np.array_equal(difference, between - within)


def improved(folder: Path, *, seed: int = 7, cohort_seed: int = 3) -> tuple[StudyRunner, ab.Fit]:
    made = bench_of(ab.simulate_cohort(n=80, seed=cohort_seed), folder=folder, seed=seed)
    return made, made.fit("improved")


@pytest.mark.slow
def test_a_kept_posterior_is_reused_and_another_cohort_or_seed_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    first, fit = improved(folder)
    assert first.fitted["improved"].reused is False
    (path,) = folder.glob("*.nc")
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        assert set(tree.children) == {"posterior", "sample_stats"}
        assert set(tree["posterior"].to_dataset().data_vars) == set(fit.posterior.data_vars)
        assert list(tree["posterior"].to_dataset().coords) == []

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("fitted again")

    with monkeypatch.context() as patched:
        patched.setattr(runner.Model, "fit", refuse)
        again, kept = improved(folder)
        assert again.fitted["improved"].reused is True
        # How long it took is in no file, so that the same run keeps the same one.
        assert np.isnan(again.fitted["improved"].seconds)
        for name in fit.posterior.data_vars:
            assert np.array_equal(kept.posterior[name].values, fit.posterior[name].values)
            assert kept.posterior[name].dims == fit.posterior[name].dims
        assert kept.sample_stats.equals(fit.sample_stats)
        assert kept.info == json.loads(json.dumps(fit.info))
        for other in ({"seed": 8}, {"cohort_seed": 4}):
            with pytest.raises(AssertionError, match="fitted again"):
                improved(folder, **other)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(AssertionError, match="fitted again"):
            improved(folder)


def test_participants_are_neither_kept_nor_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = rows(60)
    frame["participant_id"] = [f"ID-{k:04d}" for k in range(60)]
    built = fitted(frame, formula="who5_followup ~ alliance + (1 | participant_id) + (1 | sex)", draws=20)
    stored: list[xr.DataTree] = []
    monkeypatch.setattr(PosteriorCache, "store", lambda _self, _key, tree, _info: stored.append(tree))
    monkeypatch.setattr(runner.Model, "fit", lambda *_, **__: built)
    made = bench_of(ab.Cohort(frame, source="small"), folder=tmp_path)

    fit = made.fit("outcome")
    table = effects(built, estimands=["slopes"], rope=None, relevant=None)
    block = made.block("b", "B", table, [fit])

    assert "ID-0003" in str(built.posterior["participant_id"].values)
    assert [list(tree["posterior"].coords) for tree in stored] == [[]]
    # 80 draws are too few, so the gate is closed, and its reasons name the worst parameters.
    assert block.withheld
    assert len(block.rows) == 0
    assert not [reason for reason in block.withheld if "ID-" in reason]
    assert [reason for reason in run_gate(built, table).gate.reasons if "ID-" in reason]
