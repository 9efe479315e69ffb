"""Tables for a terminal, and for whatever reads a pipe."""

import sys
from collections.abc import Sequence
from typing import Final

PIPE_WIDTH: Final = 240


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; into a pipe or file no line is folded to a screen's width."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=box.SIMPLE_HEAD, safe_box=True)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, markup=False, highlight=False)
    console.print(table)
