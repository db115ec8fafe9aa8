"""``python -m alliance_bayes`` is the command line."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; an interrupt while it is loaded is one too."""
    # Modules and tables stay until the end: to look through all of them for cycles as often as Python does by default
    # takes a twentieth of the time.
    gc.set_threshold(20_000, 20, 50)
    # A thread that computes in NumPy waits this long, after every step, for one that runs Python.
    sys.setswitchinterval(0.0005)
    try:
        from alliance_bayes.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
