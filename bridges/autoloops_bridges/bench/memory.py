"""How much memory the processes take, now, after minutes of playing, and after a simulated hour. Linux only.

Counted is the proportional set size: what is shared is divided among those who share it (proc(5), smaps_rollup), so it
moves when any other program that uses Python starts or ends. Besides, two figures that no other program moves: the
resident set, with all that is shared, and what nobody shares (anonymous memory): what grows there is a leak.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from autoloops_bridges.bench.stage import PATIENCE_S, Engine, engine
from autoloops_bridges.bench.tables import Cell
from autoloops_bridges.clock import monotonic_us
from autoloops_engine.units import US_PER_S

_FIGURE: Final = re.compile(r"^(Rss|Pss|Anonymous):\s+(\d+) kB", re.MULTILINE)
_ROLE: Final = re.compile(r"processes\.(main|player)")
_MOVE_S: Final = 0.1
PARTS: Final = ("melody", "second", "third")
# A simulated hour decodes some thousand bars for each part.
_SIMULATION_S: Final = 900.0


class Memory(NamedTuple):
    """Of a process, in MB (10**6 bytes): its resident and its proportional set, and what is anonymous."""

    resident_mb: float
    pss_mb: float
    own_mb: float


def memory_of(pid: int) -> Memory:
    """What a process takes now.

    Raises:
        OSError: the process is gone, or this system has no such figures.
    """
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    figures_mb = {name: int(size) * 1024 / 1e6 for name, size in _FIGURE.findall(text)}
    return Memory(figures_mb["Rss"], figures_mb["Pss"], figures_mb["Anonymous"])


def measure(model: str, minutes: float, *, simulate: bool) -> dict[str, dict[str, Cell]]:
    """Megabytes of all processes after the start and after each minute, and of a simulated hour.

    Args:
        model: The bundle of every part.
        minutes: How long to play; controls move all the while.
        simulate: Whether to simulate an hour as well, in a process of its own, as fast as it decodes.

    Raises:
        PortError: the engine does not play.
    """
    if not sys.platform.startswith("linux"):
        return {"not measured": {"why": "only Linux tells the proportional set size"}}
    options = ["--parts", ",".join(PARTS), "--seed", "5", "--tempo", "240"]
    for part in PARTS:
        options += ["--model", f"{part}={model}"]
    rows: dict[str, dict[str, Cell]] = {}
    with engine(*options) as playing:
        playing.client.hear_one("/al/bar")
        rows["at the start"] = _row(playing)
        began_us = monotonic_us()
        for minute in range(1, max(1, round(minutes)) + 1):
            _move_until(playing, began_us + round(minute * 60 * US_PER_S * min(1.0, minutes)))
            rows[f"after {minute * min(1.0, minutes):g} min"] = _row(playing)
    return rows | (_simulated(model) if simulate else {})


def _row(playing: Engine) -> dict[str, Cell]:
    row: dict[str, Cell] = {}
    taken = []
    for pid in playing.pids():
        role = _ROLE.search(Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"))
        taken.append(memory_of(pid))
        row[role[1] if role else "parent"] = taken[-1].pss_mb
    return {**row, "all, MB": sum(each.pss_mb for each in taken), "anonymous, MB": sum(each.own_mb for each in taken)}


def _move_until(playing: Engine, until_us: int) -> None:
    """Turn knobs and fire, as somebody would who plays."""
    turns = 0
    while monotonic_us() < until_us:
        part = PARTS[turns % len(PARTS)]
        playing.client.send(f"/al/{part}/knob/{turns % 30 + 1}", (turns % 11) / 10)
        if turns % 50 == 0:
            playing.client.send(f"/al/{part}/fire", "new", "bar")
        turns += 1
        for _ in playing.client.hear(_MOVE_S):
            pass


def _simulated(model: str) -> dict[str, dict[str, Cell]]:
    """What the simulation of an hour says of itself, a row for each ten minutes."""
    command = [sys.executable, "-m", "autoloops_bridges.bench.hour", "--model", model]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SIMULATION_S + PATIENCE_S)
    rows: dict[str, dict[str, Cell]] = {}
    for line in done.stdout.splitlines():
        minute, bars, resident_mb, pss_mb, own_mb = line.split()
        rows[f"simulated minute {minute}"] = {
            "bars": float(bars),
            "resident, MB": float(resident_mb),
            "all, MB": float(pss_mb),
            "anonymous, MB": float(own_mb),
        }
    return rows or {"simulated hour": {"why": f"failed: {done.stderr.strip()[-100:]}"}}
