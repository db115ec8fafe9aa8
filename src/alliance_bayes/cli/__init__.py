"""The command line: parses, calls, prints. Exit status 0 done, 1 the data or the checks failed, 2 wrong use.

Beyond these: 70 an error that nobody had thought of, 130 interrupted (129, 143: stopped by a closed terminal, by
`kill`). A reader that stops reading changes none of them.
"""

from __future__ import annotations

from alliance_bayes.cli.commands import app
from alliance_bayes.cli.run import command_line, main

__all__ = ["app", "command_line", "main"]
