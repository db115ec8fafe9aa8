"""What the command line writes to: a reader that stops reading ends nothing, and a full disk is said once."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Buffer, Iterator

__all__ = ["Output", "outputs"]


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
def outputs() -> Iterator[Output | None]:
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
