"""``autoloops sessions``: the records of former sessions."""

from datetime import datetime
from pathlib import Path
from typing import Final

import typer

from autoloops_bridges.record.lines import Opened, last_us, read_lines
from autoloops_bridges.record.writer import SUFFIX, sessions_folder
from autoloops_engine.errors import UsageError
from autoloops_engine.units import US_PER_S

LAST: Final = "last"


def sessions() -> None:
    """List the records of former sessions, the latest last: name, local time, length, seed, parts."""
    known = records()
    if not known:
        typer.echo("No session is recorded yet: autoloops play records each.")
    for path in known:
        opened = next((line for line in read_lines(path) if isinstance(line, Opened)), None)
        if opened is not None:
            parts = ", ".join(f"{part.name} ({part.model})" for part in opened.parts)
            minutes, seconds = divmod(round((last_us(path, opened.at_us) - opened.at_us) / US_PER_S), 60)
            typer.echo(f"{path.stem}  {_local(opened.wall_us)}  {minutes:3}:{seconds:02}  seed {opened.seed}  {parts}")


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


def _local(wall_us: int) -> str:
    try:
        return f"{datetime.fromtimestamp(wall_us / US_PER_S).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        # No time that this system knows.
        return "at some time"
