"""The directive `commands`: every command of the command line with its arguments and options, as `--help` has them."""

import re
from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from alliance_bayes.cli.commands import app

# Options and examples within a sentence.
CODE = re.compile(r"--[a-z][a-z-]*|\w+='[^']*'|'[^']*\*[^']*'")


def called(parameter: Any) -> str:
    """An argument in capitals, or an option by all its names."""
    return parameter.name.upper() if parameter.param_type_name == "argument" else ", ".join(parameter.opts)


def command_lines(name: str, command: Any) -> Iterator[str]:
    """One command as lines of Markdown."""
    arguments = [called(parameter) for parameter in command.params if parameter.param_type_name == "argument"]
    yield from (f"## {name}", "", *(command.help or "").strip().splitlines(), "")
    yield from ("```text", " ".join(["alliance-bayes", name, "[OPTIONS]", *arguments]), "```", "")
    for parameter in command.params:
        default = parameter.default
        stated = isinstance(default, (int, float, str)) and default is not False and default != ""
        said = f" Default: `{default}`." if stated else ""
        yield f"- `{called(parameter)}`: {CODE.sub(r'`\g<0>`', parameter.help or '')}{said}"
    yield ""


class Commands(SphinxDirective):
    """Every command, one section each, in the order of `--help`."""

    def run(self) -> list[nodes.Node]:
        """Ask the command line itself."""
        group: Any = typer.main.get_command(app)
        lines = [line for name, command in group.commands.items() for line in command_lines(name, command)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
