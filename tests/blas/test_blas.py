"""BLAS works in one thread where it is told to, and as before afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import alliance_bayes as ab
from alliance_bayes.blas import one_blas_thread
from builders import fitted, rows


def threads() -> list[int]:
    np.eye(2) @ np.eye(2)  # NumPy's BLAS is loaded
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    if not found:
        pytest.skip("this BLAS (Apple's Accelerate) cannot be told how many threads to use")
    return found


def test_blas_has_one_thread_meanwhile() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with one_blas_thread():
            assert set(threads()) == {1}
        assert threads() == before


def test_it_has_its_threads_again_after_an_interrupt() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with pytest.raises(KeyboardInterrupt), one_blas_thread():
            raise KeyboardInterrupt
        assert threads() == before


@pytest.mark.parametrize("verb", ["fit", "effects", "check", "report"])
def test_what_takes_long_works_in_one_thread(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class ReachedError(Exception):
        pass

    def reached(*arguments: object, **options: object) -> None:
        assert set(threads()) == {1}
        raise ReachedError

    frame = rows(30)
    model = ab.Model("who5_followup ~ alliance + (1 | country)")
    built = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", draws=10)
    fit = ab.Fit(**{name: getattr(built, name) for name in ("spec", "design", "priors", "tree", "flow", "info")})
    monkeypatch.setattr("alliance_bayes.api.sample", reached)
    monkeypatch.setattr("alliance_bayes.effects.summarise", reached)
    monkeypatch.setattr("alliance_bayes.checks.run_checks", reached)
    call = {
        "fit": lambda: model.fit(frame),
        "effects": fit.effects,
        "check": lambda: fit.check(effects=object()),
        "report": fit.report,
    }[verb]
    with threadpool_limits(limits=2, user_api="blas"), pytest.raises(ReachedError):
        call()
