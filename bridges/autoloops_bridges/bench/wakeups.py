"""How late this machine wakes a thread that waits as the player does; a process of its own.

    python -m autoloops_bridges.bench.wakeups --seconds 2 --interval-us 5000

Prints one line of JSON. It loads no more than the player, and has the priority that the player would get.
"""

import argparse
import gc
import select
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.processes.realtime import claim_realtime
from autoloops_bridges.processes.stats import percentile
from autoloops_engine.messages import LATE_BOUNDS_US
from autoloops_engine.units import US_PER_S

_PATIENCE_S = 20.0


class Wakeups(Struct, frozen=True):
    """What was found; times in microseconds.

    Attributes:
        priority: The sentence that says which priority the thread had.
        count: Wake-ups.
        histogram: Wake-ups by lateness, in the classes of :data:`LATE_BOUNDS_US` and above.
    """

    priority: str
    count: int
    p50_us: int
    p99_us: int
    p999_us: int
    max_us: int
    histogram: tuple[int, ...]


def summary(priority: str, late_us: Sequence[int]) -> Wakeups:
    """The figures of some wake-ups."""
    counts = [0] * (len(LATE_BOUNDS_US) + 1)
    for each_us in late_us:
        counts[bisect_right(LATE_BOUNDS_US, each_us)] += 1
    p50_us, p99_us, p999_us = (percentile(late_us, percent) for percent in (50, 99, 99.9))
    return Wakeups(priority, len(late_us), p50_us, p99_us, p999_us, max(late_us, default=0), tuple(counts))


def sample(seconds: float, interval_us: int) -> list[int]:
    """The lateness of a wake-up every ``interval_us``, none of them depending on the one before."""
    late_us = []
    due_us = monotonic_us() + interval_us
    end_us = due_us + round(seconds * US_PER_S)
    while due_us < end_us:
        select.select([], [], [], max(0, due_us - monotonic_us()) / US_PER_S)
        now_us = monotonic_us()
        if now_us < due_us:
            # The system rounds waiting times to its own grain; too early is not a wake-up.
            continue
        late_us.append(now_us - due_us)
        due_us += interval_us * max(1, (now_us - due_us) // interval_us + 1)
    return late_us


def measure(seconds: float, interval_us: int = 5_000, *, realtime: bool = True) -> Wakeups:
    """Measure in a process of its own.

    Raises:
        OSError: the process could not be run.
    """
    command = [sys.executable, "-m", __name__, "--seconds", str(seconds), "--interval-us", str(interval_us)]
    command += [] if realtime else ["--normal"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=seconds + _PATIENCE_S)
        return msgspec.json.decode(done.stdout, type=Wakeups)
    except (subprocess.SubprocessError, msgspec.DecodeError) as error:
        raise OSError(f"The measuring process failed: {error}.") from error


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--interval-us", type=int, default=5_000)
    parser.add_argument("--normal", action="store_true", help="do not ask for real-time priority")
    asked = parser.parse_args()
    priority = "Timing thread: normal priority." if asked.normal else claim_realtime().remark
    gc.collect()
    gc.freeze()
    gc.disable()
    found = summary(priority, sample(asked.seconds, asked.interval_us))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
