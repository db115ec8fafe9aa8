"""Running the command line: its standard streams, its exit status, and what is said of errors.

A reader that stops reading ends nothing, and a full disk is said once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import select
import signal
import sys
import traceback
from collections.abc import Buffer, Iterator, Sequence
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import TyperException

import alliance_bayes as ab
from alliance_bayes.cli.commands import app
from alliance_bayes.cli.console import errors, interface, notes
from alliance_bayes.cli.models import ModelOptions
from alliance_bayes.cli.places import is_formula
from alliance_bayes.interrupts import stoppable
from alliance_bayes.remedies import PYTHON, CommandLine, Interface

__all__ = ["Output", "command_line", "main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error is one paragraph on standard error, never a traceback."""
    if sys.stdout is None:
        errors.print("error: standard output is closed. Send it to a file or to /dev/null.")
        sys.exit(2)
    with _outputs() as out:
        with notes(), stoppable() as came:
            status = _status(arguments, came)
        sys.stdout.flush()
        if out is not None and out.failed is not None:
            errors.print(f"error: standard output: {out.failed.strerror}. What was printed is not complete.")
            status = max(status, 2)
    # CPython ends by SIGINT, whatever the status, where an interrupt went through code that was given as a string (as
    # dataclasses and compilers give theirs), until the next such code runs.
    exec("")
    sys.exit(status)


def command_line(name: str, given: Sequence[str] | None = None) -> CommandLine:
    """How a command words what remedies ask for, by the options that it and the others have.

    Parameters
    ----------
    name
        The command.
    given
        What it is given, where that is known: what a card says of the model is then called by the card's keys.
    """
    options = {
        key: {param.name: max(param.opts, key=len) for param in command.params if param.param_type_name == "option"}
        for key, command in _commands().items()
    }
    # Of several commands that have an option that of 'fit', or else the first: not that of 'study'.
    work = [*(key for key in reversed(options) if key != "fit"), "fit"]
    elsewhere = {name: (key, option) for key in work for name, option in options[key].items()}
    params = _commands()[name].params
    takes_card = any("CARD" in (param.metavar or "") for param in params)
    # A formula has a left side; that of a residual SD, which is an option's, has none.
    if given is None or not takes_card or any(is_formula(text) and text.lstrip()[:1] not in "-~" for text in given):
        return CommandLine(name, options[name], elsewhere)
    stated = {text.partition("=")[0] for text in given}
    by_option = {param.name for param in params if stated & {*param.opts, *param.secondary_opts}}
    keys = {field.name for field in dataclasses.fields(ModelOptions)} - by_option
    return CommandLine(name, options[name], elsewhere, keys)


def _interface(arguments: list[str] | None) -> Interface:
    argv = sys.argv[1:] if arguments is None else arguments
    return command_line(argv[0], argv[1:]) if argv and argv[0] in _commands() else PYTHON


@cache
def _commands() -> dict[str, Any]:
    """Every command by its name."""
    return typer.main.get_command(app).commands  # type: ignore[attr-defined]


def _status(arguments: list[str] | None, came: list[int]) -> int:
    words: Interface = PYTHON
    try:
        # Within reach of requests to stop: this takes a while on a busy machine.
        words = _interface(arguments)
        interface.set(words)
        status = app(args=arguments, prog_name="alliance-bayes", standalone_mode=False)
        if status == 130:
            # How Typer passes an interrupt on.
            raise KeyboardInterrupt
        return status if isinstance(status, int) else 0
    except TyperException as error:
        # Usage errors of the parser know how to show the command's usage; the base class only has its message.
        show = getattr(error, "show", None)
        show() if show is not None else errors.print(f"error: {error.format_message()}")
        return 2
    except (ab.DataError, ab.SamplingError) as error:
        errors.print(f"error: {error.worded(words)}")
        return 1
    except ab.AllianceBayesError as error:
        errors.print(f"error: {error.worded(words)}")
        return 2
    except OSError as error:
        reason = (error.strerror or str(error) or type(error).__name__).rstrip(".")
        place = f": '{error.filename}'" if error.filename else ""
        errors.print(f"error: {reason}{place}. Check that files can be read and written, and that there is space.")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        request = came[0] if came else signal.SIGINT
        cause = "interrupted" if request == signal.SIGINT else f"stopped by {signal.Signals(request).name}"
        errors.print(f"{cause}; no file was left half-written.")
        return 128 + request
    except MemoryError:
        errors.print("error: the memory of this computer is not enough for that. Ask for fewer draws or fewer rows.")
        return 70
    except Exception as error:
        errors.print(_unexpected(error))
        return 70


def _unexpected(error: Exception) -> str:
    """What went wrong that nobody had thought of, on one line, and whom to tell."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(Path(ab.__file__).parent)]
    place = inside[-1] if inside else frames[-1]
    message = " ".join(str(error).split())
    fault = f"{type(error).__name__}: {message[:300]}" if message else type(error).__name__
    urls = [url.partition(", ") for url in metadata("alliance_bayes").get_all("Project-URL") or ()]
    trackers = [url for label, _, url in urls if label.casefold() in ("issues", "bug tracker", "tracker")]
    where = f"at {trackers[0]}" if trackers else "to the developers named in CITATION.cff"
    return (
        "error: something went wrong that should not have, and nothing that this command printed or wrote should be "
        f"used: {fault} ({Path(place.filename).name}, line {place.lineno}, version {ab.__version__}). Please report "
        f"this line and the command {where}, once you have seen that they name nobody."
    )


class Output(io.RawIOBase):
    """A standard stream of which the rest is dropped once it cannot be written, so that a command comes to its end.

    Parameters
    ----------
    descriptor
        The stream's file descriptor, which stays open.

    Attributes
    ----------
    failed : OSError or None
        Why what was written did not arrive; None also where its reader had had enough, as `head` has.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._dropped = descriptor, False
        self.failed: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write what the stream takes, or drop it; the number of bytes that are dealt with."""
        size = memoryview(data).nbytes
        if self._dropped:
            return size
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                # Another program may have made the pipe one that does not wait.
                select.select([], [self._descriptor], [])
            except OSError as error:
                self._dropped = True
                self.failed = None if error.errno == errno.EPIPE else error
                return size

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor of the stream."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether somebody looks on."""
        return os.isatty(self._descriptor)


@contextlib.contextmanager
def _outputs() -> Iterator[Output | None]:
    """Let standard output and standard error be written as long as they can be; yields the former.

    Characters that a terminal has no letters for are written by their numbers. Streams that are no files (a test's, a
    notebook's) stay as they are, and None is yielded.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The next file that is opened would take its place, and what a library says would be written into it.
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    if sys.stderr is None:
        # Some that say what is wrong would take standard output in its place.
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False))
    out, err = _output(sys.stdout), _output(sys.stderr)
    sys.stdout, sys.stderr = out or sys.stdout, err or sys.stderr
    try:
        yield None if out is None else out.output
    finally:
        for stream in (out, err):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


class _Text(io.TextIOWrapper):
    """Text on an `Output`."""

    def __init__(self, output: Output, like: io.TextIOWrapper) -> None:
        super().__init__(
            io.BufferedWriter(output),
            encoding=like.encoding,
            errors="backslashreplace",
            line_buffering=like.line_buffering,
            write_through=like.write_through,
        )
        self.output = output


def _output(stream: object) -> _Text | None:
    if not isinstance(stream, io.TextIOWrapper):
        return None
    try:
        descriptor = stream.fileno()
    except OSError:
        stream.reconfigure(errors="backslashreplace")
        return None
    return _Text(Output(descriptor), stream)
