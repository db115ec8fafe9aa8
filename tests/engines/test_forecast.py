"""What is said before long work: counts that are those of the work, where it is said, and what there is no room for."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes import machine
from alliance_bayes.engines import SamplerSettings, choice, forecast
from alliance_bayes.engines.collapsed import forecast as collapsed
from alliance_bayes.engines.collapsed.forecast import counts_of, forecast_of, memory_of
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.forecast import Forecast, bytes_shown, time_shown
from alliance_bayes.errors import UsageError
from builders import rows
from engines.collapsed.cases import BY_NAME, CASES, Case

FORMULA = "who5_followup ~ alliance + (alliance || country)"
SHORT: dict[str, Any] = {"draws": 50, "chains": 2, "cores": 1, "seed": 3}
HOUR = Forecast(3600.0, 5, "all that")


# ---------------------------------------------------------------- counts


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sizes_of_the_equations_are_known_before_they_are_made(case: Case) -> None:
    counts, made = counts_of(case.design, case.marginal.hyper), case.marginal.equations
    assert (counts.strata, counts.dense) == made.g_d.shape[:2]
    assert (counts.levels, counts.terms) == made.g_e.shape[1:3]
    assert counts.hyper == case.marginal.hyper.size
    assert counts.rows == case.design.rows.n
    # Levels that never meet are known only once the rows have been looked at.
    assert len(made.cols) <= counts.met
    held = sum(array.size for array in (made.g_d, made.r_d, made.g_e, made.r_e, made.v)) + len(made.cols)
    unmet = (made.g_e.shape[2] * counts.strata + 1) * (counts.met - len(made.cols))
    assert counts.equations == held + unmet


def test_levels_that_all_meet_are_counted_exactly() -> None:
    case = Case("meeting", "score ~ x + (x | country) + (1 | arm) + (1 | sex)", n=3000)
    assert counts_of(case.design, case.marginal.hyper).met == len(case.marginal.equations.cols)


@pytest.mark.parametrize("name", ["crossed", "everything", "correlated_both", "no_factor", "exhaustive"])
def test_numbers_of_a_draw_are_those_of_the_posterior(name: str) -> None:
    case = BY_NAME[name]
    settings = SamplerSettings(draws=7, chains=3, cores=1, seed=1)
    numbers = choice.check_size(case.design, settings)
    tree, _ = choice.sample(case.design, case.priors, settings, engine="collapsed", draws=7)
    assert sum(values.nbytes for values in tree["posterior"].data_vars.values()) == 8 * 7 * 3 * numbers
    # What is kept is part of what is needed.
    counts = counts_of(case.design, case.marginal.hyper)
    fewer = memory_of(counts, SamplerSettings(draws=4, chains=3, cores=1), numbers)
    assert memory_of(counts, settings, numbers) - fewer <= 8 * 3 * 3 * numbers
    many = [memory_of(counts, SamplerSettings(draws=k, chains=3, cores=1), numbers) for k in (50_000, 60_000)]
    assert many[1] - many[0] == 8 * 10_000 * 3 * numbers


@pytest.mark.parametrize("name", ["crossed", "residual_by", "correlated_2"])
def test_evaluations_are_as_many_as_were_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, done = BY_NAME[name], {"log_density": 0, "value_and_gradient": 0, "draw": 0}

    def counted(method: str) -> None:
        own = getattr(Marginal, method)

        def call(self: Marginal, theta: np.ndarray, **options: Any) -> Any:
            done[method] += 1 if method == "value_and_gradient" else len(theta)
            return own(self, theta, **options)

        monkeypatch.setattr(Marginal, method, call)

    settings = SamplerSettings(draws=2500, chains=2, cores=1, seed=1)
    numbers = choice.check_size(case.design, settings)
    with monkeypatch.context() as patch:
        patch.setattr(collapsed, "_SPEED", 0.0)
        said = forecast_of(case.marginal, counts_of(case.design, case.marginal.hyper), settings, numbers)
    assert said is not None
    for method in done:
        counted(method)
    choice.sample(case.design, case.priors, settings, engine="collapsed", draws=2500)
    evaluations = int(re.findall(r"([\d,]+) evaluations", said.counts)[0].replace(",", ""))
    # One round of adaptation or two, and a proposal that is worth its draws.
    assert evaluations / 2 < done["log_density"] < 2 * evaluations
    assert done["draw"] == 5000
    gradients = 2 * case.marginal.hyper.size + collapsed._SEARCH
    assert gradients / 2.5 < done["value_and_gradient"] < 2.5 * gradients


@pytest.mark.parametrize("evaluation", [0.1, 3.0])
def test_times_add_up(evaluation: float, monkeypatch: pytest.MonkeyPatch) -> None:
    case = BY_NAME["crossed"]
    counts = counts_of(case.design, case.marginal.hyper)
    # Of an evaluation, a gradient, a draw; a gradient of a large model is not waited for.
    long = evaluation > 1
    steps = iter([evaluation, 7.0] if long else [evaluation, 5.0, 7.0])
    monkeypatch.setattr(collapsed, "_SPEED", 0.0)
    monkeypatch.setattr(collapsed, "processors", lambda: 2)
    monkeypatch.setattr(collapsed, "seconds_of", lambda work: next(steps))
    said = forecast_of(case.marginal, counts, SamplerSettings(draws=100, chains=4, cores=8), 10)
    assert said is not None
    evaluations = 1 + 56 * counts.hyper + 800 + 4 * 50 + 400
    gradients = (27 * evaluation if long else 5.0) * (2 * counts.hyper + 25)
    assert said.seconds == pytest.approx((evaluation * evaluations + 7.0 * 400) / 2 + gradients)


def test_small_models_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(work: object) -> float:
        raise AssertionError

    monkeypatch.setattr(collapsed, "seconds_of", refuse)
    case = BY_NAME["crossed"]
    counts = counts_of(case.design, case.marginal.hyper)
    assert forecast_of(case.marginal, counts, SamplerSettings(draws=1000), 10) is None


def test_a_measurement_changes_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ab.Model(FORMULA).fit(rows(80), progress=False, **SHORT)
    monkeypatch.setattr(collapsed, "_SPEED", 0.0)
    measured = ab.Model(FORMULA).fit(rows(80), progress=False, **SHORT)
    for name, drawn in plain.stacked.items():
        np.testing.assert_array_equal(measured.stacked[name], drawn)


# ---------------------------------------------------------------- where it is said


@pytest.mark.parametrize(
    ("said", "left", "lines"),
    [
        (HOUR, 10**12, 1),
        (Forecast(59.0, 5, ""), 10**12, 0),
        (Forecast(1.0, 6 * 10**9, ""), 10**10, 1),
        (Forecast(1.0, 4 * 10**9, ""), 10**10, 0),
        (Forecast(1.0, 4 * 10**9, ""), None, 0),
        (HOUR, None, 1),
    ],
)
def test_only_what_is_long_or_large_is_worth_a_line(
    said: Forecast, left: int | None, lines: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forecast, "available_memory", lambda: left)
    forecast.announce(said, "model")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * lines


@pytest.mark.parametrize("progress", [True, False])
def test_a_fit_says_it_before_it_samples(
    progress: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choice, "forecast_of", lambda *_: HOUR)
    caplog.set_level(logging.INFO, logger="alliance_bayes")
    ab.Model(FORMULA).fit(rows(80), progress=progress, **SHORT)
    (record,) = caplog.records
    assert record.name == "alliance_bayes"
    # Who asks for no progress is told nothing, and may still listen.
    assert record.levelno == (logging.WARNING if progress else logging.INFO)
    assert str(HOUR) in record.getMessage()


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_imputation_tells_the_least_that_it_takes(
    family: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    frame = rows(80)
    frame["alliance"] = frame["alliance"].mask(np.arange(80) % 4 == 0)
    frame["who5_followup"] = frame["who5_followup"].round()
    model = ab.Model(FORMULA, family=family, missing="impute")
    model.fit(frame, progress=False, **SHORT)
    assert caplog.records == []
    monkeypatch.setattr(forecast, "_LONG", 0.0)
    model.fit(frame, progress=True, **SHORT)
    (record,) = caplog.records
    draws = SHORT["draws"]
    # 60 sets to warm up, and one for every four draws of a chain.
    assert re.search(
        rf"will take at least \d+ seconds and [\d.,]+ [KM]iB of memory, for {60 + draws // 4} sets of missing "
        rf"values in 80 rows, and {SHORT['chains'] * draws:,} draws of \d+ numbers",
        record.getMessage(),
    )


def test_nuts_tells_the_least_that_it_takes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from alliance_bayes.engines import nuts

    monkeypatch.setattr(nuts, "seconds_of", lambda work: (work(), 10.0)[1])
    monkeypatch.setattr(nuts, "processors", lambda: 2)
    model = ab.Model(FORMULA, family="student_t")
    fit = model.fit(rows(80), draws=20, tune=30, chains=2, cores=2, seed=1)
    (record,) = caplog.records
    said = nuts.forecast_of_nuts(10.0, SamplerSettings(draws=20, tune=30, chains=2, cores=2), 17)
    assert said.at_least
    assert said.seconds == 2 * 50 * 7 * 10.0 / 2
    numbers = sum(values[0].size for values in fit.stacked.values())
    assert f"40 draws of {numbers:,} numbers" in record.getMessage()


def test_the_command_line_says_it_in_a_line_on_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from alliance_bayes import cli

    monkeypatch.setattr(choice, "forecast_of", lambda *_: HOUR)
    card, table, out = tmp_path / "model.toml", tmp_path / "table.csv", tmp_path / "fit.nc"
    ab.Model(FORMULA).to_card(card)
    rows(80).to_csv(table, index=False)
    with pytest.raises(SystemExit) as left:
        cli.main(["fit", str(card), str(table), "-o", str(out), "--draws", "20", "--seed", "1"])
    assert left.value.code == 0
    told = capsys.readouterr()
    assert sum(str(HOUR) in line for line in told.err.splitlines()) == 1
    assert str(HOUR) not in told.out
    assert not logging.getLogger("alliance_bayes").handlers


# ---------------------------------------------------------------- no room


@pytest.mark.parametrize("family", ["gaussian", "student_t"])
def test_what_there_is_no_memory_for_is_refused_before_it_begins(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ab.Model(FORMULA, family=family)

    def sampled(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(choice, "sample_collapsed", sampled)
    monkeypatch.setattr(choice, "sample_nuts", sampled)
    monkeypatch.setattr(forecast, "available_memory", lambda: 1000)
    with pytest.raises(UsageError, match="draws") as raised:
        model.fit(rows(80), **SHORT)
    assert bytes_shown(1000) in str(raised.value)
    monkeypatch.setattr(forecast, "available_memory", lambda: None)
    with pytest.raises(AssertionError):
        model.fit(rows(80), **SHORT)


# ---------------------------------------------------------------- numbers in words


@given(st.integers(0, 2**50))
def test_bytes_in_words_are_right_to_two_digits(n: int) -> None:
    number, unit = bytes_shown(n).split()
    size = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[unit]
    assert float(number.replace(",", "")) * size == pytest.approx(n, rel=0.06, abs=0.5)


@given(st.floats(1, 1e9))
def test_times_in_words_are_right_to_two_digits(seconds: float) -> None:
    number, unit = time_shown(seconds).split()
    size = {"second": 1, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}[unit]
    assert float(number.replace(",", "")) * size == pytest.approx(seconds, rel=0.35)


# ---------------------------------------------------------------- what the machine has left


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up system with 3 GiB left, and no limits."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 2097152 kB\nSwapFree: 1048576 kB\n")
    (tmp_path / "groups" / "a" / "b").mkdir(parents=True)
    monkeypatch.setattr(machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (machine.resource.RLIM_INFINITY,) * 2)
    return tmp_path


def test_memory_that_is_left_is_the_least_that_any_limit_leaves(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.available_memory() == 3 * 2**30
    (system / "proc" / "self" / "cgroup").write_text("0::/a/b\n")
    assert machine.available_memory() == 3 * 2**30
    for group, most in (("a/b", "max"), ("a", str(2**30))):
        (system / "groups" / group / "memory.max").write_text(f"{most}\n")
        (system / "groups" / group / "memory.current").write_text(f"{2**29}\n")
        (system / "groups" / group / "memory.stat").write_text(f"anon 5\ninactive_file {2**20}\nactive_file 3\n")
    assert machine.available_memory() == 2**29 + 2**20 + 3
    (system / "proc" / "self" / "statm").write_text("10 5 5 5\n")
    page = machine.os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (50 * page, 50 * page))
    assert machine.available_memory() == 40 * page
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (5 * page, 5 * page))
    assert machine.available_memory() == 0


@given(st.text(), st.text(), st.text())
@example("MemAvailable: ² kB", "9" * 5000, "²")
@example("", "5", "²")
def test_no_text_of_the_system_is_taken_for_an_error(meminfo: str, most: str, used: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        said = {"meminfo": meminfo, "cgroup": "0::/", "memory.max": most, "memory.current": used}
        patch.setattr(machine, "_text", lambda path: said.get(path.name, ""))
        found = machine.available_memory()
    assert found is None or found >= 0
