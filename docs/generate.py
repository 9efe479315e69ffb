"""Writes the pages of this folder that are made from code: ``python docs/generate.py``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from autoloops_bridges.cli import build_app
from autoloops_bridges.control.reference import reference_markdown

HERE = Path(__file__).parent
WIDTH = 100
CLI_INTRODUCTION = """\
# Command line

Generated from the commands' own help by `make docs`; do not edit by hand.

Exit status: 0 for success, 2 for wrong usage, 1 for any other failure; failures are told on standard error.
Options that take several values (`--channel`, `--latency`, `--model`, `--osc-send`) may be repeated or take them behind
one another.
"""


def pages() -> dict[str, str]:
    """Name and text of every generated page."""
    return {"osc.md": reference_markdown(), "cli.md": cli_markdown()}


def cli_markdown() -> str:
    """The help of every command, in code blocks."""
    root = typer.main.get_command(build_app())
    return "\n".join([CLI_INTRODUCTION, *_sections("autoloops", root)])


def _sections(name: str, command: Any) -> Iterator[str]:
    context = command.make_context(name, [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH)
    yield f"## {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    for word, inner in getattr(command, "commands", {}).items():
        yield from _sections(f"{name} {word}", inner)


if __name__ == "__main__":
    for page, text in pages().items():
        (HERE / page).write_text(text, encoding="utf-8")
