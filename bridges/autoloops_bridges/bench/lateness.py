"""How late notes leave while the machine is kept busy, seen from outside, with cyclictest beside.

The engine tags each note with its intended time; the kernel stamps the packet when it arrives at a receiver on
loopback. The difference is the lateness, delivery included. What a virtual machine's host takes away ("stolen") no
priority brings back. Beside it run, under the same load and with the same priority and interval, a bare timer in Python
and, on Linux, `cyclictest` (Debian: rt-tests).
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from autoloops_bridges.bench import wakeups
from autoloops_bridges.bench.stage import Engine, Heard, busy_command, engine, flood_command, running
from autoloops_bridges.bench.tables import Cell, spread, with_ratios
from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.processes.realtime import PRIORITY
from autoloops_engine.units import US_PER_MS, US_PER_S

PARTS: Final = ("melody", "second", "third")
TEMPO_BPM: Final = 480
STEP_US: Final = 60 * US_PER_S // TEMPO_BPM // 4
_Z_INTERVAL_US: Final = US_PER_S // 30
_SETTLE_S: Final = 3.0
_BUCKET: Final = re.compile(r"^(\d+)\s+(\d+)", re.MULTILINE)
_MOST_US: Final = 100_000


class Load(NamedTuple):
    """What goes on beside the music.

    Attributes:
        name: What to call it.
        osc_rate: OSC messages a second.
        z_moves: Whether the latent point of every part moves 30 times a second, so that bars are decoded all the time.
        busy: Whether a process of Python keeps a processor busy.
    """

    name: str
    osc_rate: int
    z_moves: bool
    busy: bool


IDLE: Final = Load("idle", 0, z_moves=False, busy=False)
FULL: Final = Load("full load", 2_000, z_moves=True, busy=True)
FLOOD: Final = Load("20,000 OSC messages/s", 20_000, z_moves=True, busy=False)


def measure_all(model: str, seconds: float, *, rights: bool = True) -> dict[str, dict[str, Cell]]:
    """Milliseconds of lateness at rest, under full load and in a flood; the other clocks as multiples beside.

    Raises:
        PortError: the engine does not play.
    """
    rows: dict[str, dict[str, Cell]] = {}
    for load in (IDLE, FULL, FLOOD):
        rows |= measure(model, load, seconds, rights=rights)
    return rows


def measure(model: str, load: Load, seconds: float, *, rights: bool = True) -> dict[str, dict[str, Cell]]:
    """Milliseconds of lateness under a load.

    Args:
        model: The bundle of every part.
        load: What goes on beside.
        seconds: How long to listen.
        rights: Whether the player may have real-time priority.

    Raises:
        PortError: the engine does not play.
    """
    options = ["--parts", ",".join(PARTS), "--tempo", str(TEMPO_BPM), "--seed", "5"]
    for part in PARTS:
        options += ["--model", f"{part}={model}"]
    with engine(*options, rights=rights) as playing:
        # Hot enough for a note at nearly every step.
        for part in PARTS:
            playing.client.send(f"/al/{part}/temperature", 4.0)
        playing.client.hear_one("/al/bar")
        with (
            running(*_load_commands(load, playing.client.engine_port, seconds)),
            _beside(seconds, rights=rights) as rest,
        ):
            late_us, counters = _listen(playing, load, seconds)
        rows: dict[str, dict[str, Cell]] = {"player": {**_in_ms(late_us), **counters}, **rest()}
        compared = with_ratios(rows, "cyclictest", ("p99",))
        return {f"{name}, {load.name}": row for name, row in compared.items()}


def _load_commands(load: Load, port: int, seconds: float) -> Iterator[Sequence[str]]:
    if load.osc_rate:
        yield flood_command(port, load.osc_rate, seconds + 2 * _SETTLE_S)
    if load.busy:
        yield busy_command()


def _listen(playing: Engine, load: Load, seconds: float) -> tuple[list[int], dict[str, Cell]]:
    """The lateness of every instant that sounded, and what the engine counted meanwhile."""
    client = playing.client
    late_us: dict[int, int] = {}
    before, stolen_before = client.stats(), _stolen()
    started_us = monotonic_us()
    move_us = started_us
    while (now_us := monotonic_us()) < started_us + round(seconds * US_PER_S):
        if load.z_moves and now_us >= move_us:
            move_us += _Z_INTERVAL_US
            for number, part in enumerate(PARTS):
                client.send(f"/al/{part}/z/{number + 1}", (now_us // _Z_INTERVAL_US % 200 - 100) / 50)
        for heard in client.hear(max(0.001, (move_us - now_us) / US_PER_S) if load.z_moves else 0.1):
            _take(heard, late_us)
    after, stolen_after = client.stats(), _stolen()
    grown = {name: after[name] - before[name] for name in ("osc_packets", "misses", "fallbacks", "bars")}
    return list(late_us.values()), {
        "OSC/s": grown["osc_packets"] / seconds,
        "decode p99": after["decode_p99_ms"],
        "misses": grown["misses"],
        "of bars": grown["bars"] * len(PARTS),
        "stolen": f"{100 * _share(stolen_before, stolen_after):.1f} %",
    }


def _stolen() -> tuple[int, int]:
    """Processor time that a hypervisor gave to others, and all processor time, in ticks (proc(5), /proc/stat)."""
    if not sys.platform.startswith("linux"):
        return 0, 0
    ticks = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return ticks[7], sum(ticks)


def _share(before: tuple[int, int], after: tuple[int, int]) -> float:
    return (after[0] - before[0]) / max(1, after[1] - before[1])


def _take(heard: Heard, late_us: dict[int, int]) -> None:
    """Of what is due at one instant, the last packet counts."""
    if heard.due_us:
        late_us[heard.due_us] = heard.came_us - heard.due_us


@contextmanager
def _beside(seconds: float, *, rights: bool) -> Iterator[Callable[[], dict[str, dict[str, Cell]]]]:
    """Runs the other clocks meanwhile; yields what answers their rows afterwards."""
    with ThreadPoolExecutor(2) as threads:
        timer = threads.submit(wakeups.measure, seconds, STEP_US, realtime=rights)
        cyclic = threads.submit(_cyclictest, seconds, rights=rights)

        def rows() -> dict[str, dict[str, Cell]]:
            found = timer.result()
            row: dict[str, Cell] = {
                "count": float(found.count),
                "p50": found.p50_us / US_PER_MS,
                "p99": found.p99_us / US_PER_MS,
                "p99.9": found.p999_us / US_PER_MS,
                "max": found.max_us / US_PER_MS,
            }
            return {"bare timer in Python": row, "cyclictest": cyclic.result()}

        yield rows


def _cyclictest(seconds: float, *, rights: bool) -> dict[str, Cell]:
    program = shutil.which("cyclictest")
    if program is None or not sys.platform.startswith("linux"):
        return {"count": "not installed (Debian: rt-tests)"}
    policy = ["--policy=fifo", "-p", str(PRIORITY)] if rights else ["--policy=other"]
    command = [
        program,
        "-q",
        "-m",
        "-t",
        "1",
        "-i",
        str(STEP_US),
        "-D",
        str(max(1, round(seconds))),
        "-h",
        str(_MOST_US),
    ]
    done = subprocess.run([*command, *policy], capture_output=True, text=True, check=False, timeout=seconds + 30)
    late_us = [int(late) for late, count in _BUCKET.findall(done.stdout) for _ in range(int(count))]
    if not late_us:
        return {"count": f"failed: {done.stderr.strip()[:60]}"}
    return _in_ms(late_us)


def _in_ms(late_us: Sequence[int]) -> dict[str, Cell]:
    return dict(spread([late / US_PER_MS for late in late_us]))
