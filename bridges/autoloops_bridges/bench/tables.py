"""Figures of a measurement, as tables for people and JSON for programs. Pure but for ``show``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

Cell = float | str
Rows = Mapping[str, Mapping[str, Cell]]

_WIDTH: Final = 150


def spread(samples: Sequence[float]) -> dict[str, float]:
    """Median, tails and greatest of some samples; of none, only their number."""
    if not samples:
        return {"count": 0.0}
    array = np.asarray(samples, dtype=np.float64)
    p50, p99, p999 = np.percentile(array, [50, 99, 99.9])
    return {
        "count": float(array.size),
        "p50": float(p50),
        "p99": float(p99),
        "p99.9": float(p999),
        "max": float(array.max()),
    }


def race(
    contestants: Mapping[str, Callable[[], object]], rounds: int, clock_ns: Callable[[], int]
) -> dict[str, list[float]]:
    """Milliseconds of each contestant in each round; they take turns, so that all meet the same disturbances."""
    taken_ms: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            began_ns = clock_ns()
            run()
            taken_ms[name].append((clock_ns() - began_ns) / 1e6)
    return taken_ms


def with_ratios(rows: Rows, of: str, columns: Sequence[str] = ("p50", "p99")) -> dict[str, dict[str, Cell]]:
    """The rows, with each of ``columns`` also as a multiple of the same figure of row ``of``."""
    base = rows[of]
    result: dict[str, dict[str, Cell]] = {}
    for name, row in rows.items():
        ratios = {f"{column} / {of}": _ratio(row.get(column), base.get(column)) for column in columns}
        result[name] = {**row, **ratios}
    return result


def show(title: str, rows: Rows) -> None:
    """Print the rows as a table."""
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(_cell(row.get(column, "")) for column in columns))
    Console(width=_WIDTH, markup=False, highlight=False).print(table)


def _ratio(figure: Cell | None, base: Cell | None) -> Cell:
    if not isinstance(figure, float) or not isinstance(base, float) or not base:
        return ""
    return figure / base


def _cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:,.3f}".rstrip("0").rstrip(".")
