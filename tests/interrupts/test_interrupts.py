"""Requests to stop raise where they may, and wait where they may not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from alliance_bayes.interrupts import stoppable, undisturbed


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done = []

    def block() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("after")
        done.append("never")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["after"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_stop_is_an_interrupt_that_says_what_it_was(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    came: list[int] = []

    def stopped() -> None:
        nonlocal came
        with stoppable() as came, undisturbed():
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert came == [number]
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_ignored_and_threads_are_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable() as came:
            signal.raise_signal(signal.SIGHUP)
        assert came == []
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    ran = []

    def block() -> None:
        with stoppable() as came, undisturbed():
            ran.append(list(came))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert ran == [[]]


SECOND = """
import os, signal
from alliance_bayes.interrupts import stoppable
with stoppable():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGTERM)
"""
FORKED = """
import os, signal, sys, time
from alliance_bayes.interrupts import stoppable
with stoppable():
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(here, b"x")  # what comes before Python runs again is forgotten by it
        time.sleep(100)
        os._exit(0)
    os.read(there, 1)
    os.kill(child, signal.SIGTERM)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGTERM)
"""


@pytest.mark.parametrize(("code", "status"), [(SECOND, -signal.SIGTERM), (FORKED, 0)])
def test_a_second_request_ends_the_process_and_a_forked_one_dies_of_the_first(code: str, status: int) -> None:
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == status
