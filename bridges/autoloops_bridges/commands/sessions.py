"""``autoloops sessions``: the records of former sessions."""

from pathlib import Path
from typing import Final

import typer

from autoloops_bridges.record.lines import Opened, read_lines
from autoloops_bridges.record.writer import SUFFIX, sessions_folder
from autoloops_engine.errors import UsageError

LAST: Final = "last"


def sessions() -> None:
    """List the records of former sessions, the latest last."""
    for path in records():
        opened = next((line for line in read_lines(path) if isinstance(line, Opened)), None)
        if opened is not None:
            parts = ", ".join(f"{part.name} ({part.model})" for part in opened.parts)
            typer.echo(f"{path.stem}  {path.stat().st_size / 1e6:.1f} MB  seed {opened.seed}  {parts}")


def records() -> list[Path]:
    """All records, the latest last."""
    return sorted(sessions_folder().glob(f"*{SUFFIX}"))


def find_record(session: str) -> Path:
    """The record of that path or name; ``last``: the latest.

    Raises:
        UsageError: there is none.
    """
    if session == LAST:
        known = records()
        if not known:
            raise UsageError("There is no record of a session yet: play something first.")
        return known[-1]
    named = sessions_folder() / f"{session}{SUFFIX}"
    path = named if named.exists() else Path(session)
    if not path.is_file():
        raise UsageError(f"There is no record {session}; autoloops sessions lists those there are.")
    return path
