"""How many OSC messages a second the engine holds, and whether the last value wins. On loopback only."""

import os
import subprocess
from pathlib import Path
from typing import Final

from autoloops_bridges.bench.flood import ADDRESS, LAST
from autoloops_bridges.bench.stage import PATIENCE_S, Engine, engine, flood_command
from autoloops_bridges.bench.tables import Cell
from autoloops_bridges.clock import monotonic_us
from autoloops_engine.units import US_PER_S

RATES: Final = (2_000, 20_000)
_POLL_S: Final = 0.2


def measure(model: str, seconds: float) -> dict[str, dict[str, Cell]]:
    """What came in at each rate, what waited at most, and how much of a processor the main process took.

    Raises:
        PortError: the engine does not play.
    """
    rows: dict[str, dict[str, Cell]] = {}
    with engine("--parts", "melody", "--model", f"melody={model}", "--seed", "5") as playing:
        playing.client.hear_one("/al/bar")
        for rate in RATES:
            rows[f"{rate:,} messages/s"] = _flooded(playing, rate, seconds)
    return rows


def _flooded(playing: Engine, rate: int, seconds: float) -> dict[str, Cell]:
    client = playing.client
    before, busy_s = client.stats(), _busy_s(playing)
    began_us = monotonic_us()
    sender = subprocess.Popen(flood_command(client.engine_port, rate, seconds), stdout=subprocess.PIPE, text=True)
    while sender.poll() is None:
        for _ in client.hear(_POLL_S):
            pass
    out, _ = sender.communicate(timeout=PATIENCE_S)
    elapsed_s = (monotonic_us() - began_us) / US_PER_S
    took_s = _busy_s(playing) - busy_s
    (last,) = client.ask(ADDRESS)
    after = client.stats()
    return {
        "sent": float(out or 0),
        "received": after["osc_packets"] - before["osc_packets"],
        "coalesced": after["osc_coalesced"] - before["osc_coalesced"],
        "dropped": after["osc_dropped"] - before["osc_dropped"],
        "waiting at most": after["osc_waiting_max"],
        "last value": "won" if last == LAST else f"LOST ({last})",
        "misses": after["misses"] - before["misses"],
        "late max ms": after["late_max_ms"],
        "main's processor": f"{100 * took_s / elapsed_s:.0f} %",
    }


def _busy_s(playing: Engine) -> float:
    """Processor time of the main process so far, in seconds (proc(5), /proc/PID/stat)."""
    for pid in playing.pids()[1:]:
        if "processes.main" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
