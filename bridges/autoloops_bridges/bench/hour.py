"""An hour of a performance on a fake clock, with the real model, and the memory it takes; a process of its own.

    python -m autoloops_bridges.bench.hour --model melody-2bar

Prints a line for minutes 1, 10, 20 and so on: minute, bars played, megabytes of this process, resident,
shared in proportion, and anonymous.
"""

import argparse
import gc
import os
import sys
from typing import Final

from autoloops_bridges.bench.memory import memory_of
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.session.casting import cast
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.surface import Target
from autoloops_engine.units import US_PER_S

TEMPO_BPM: Final = 120.0
_MOVE_US: Final = 500_000


def simulate(model: str, minutes: int) -> None:
    """Play, turn a knob twice a second, forget what was heard, and tell how much memory that takes."""
    part = cast("melody", 1, open_decoder(find_bundle(model)))
    session = Session([part.setup], 5, TEMPO_BPM)
    performance = Performance(session, {"melody": part.decoder}, TEMPO_BPM)
    session.act(Target("start"), (), 0)
    moves = 0
    for minute in range(1, minutes + 1):
        while performance.now_us < minute * 60 * US_PER_S:
            performance.run_until(performance.now_us + _MOVE_US)
            performance.events.clear()
            performance.heard.clear()
            moves += 1
            session.set(
                Target("knob", "melody", moves % len(part.setup.space.knobs) + 1),
                ((moves % 11) / 10,),
                performance.now_us,
            )
            if moves % 60 == 0:
                session.act(Target("fire", "melody"), ("new", "bar"), performance.now_us)
            session.touched()
        if minute == 1 or minute % 10 == 0:
            gc.collect()
            taken = memory_of(os.getpid())
            sys.stdout.write(
                f"{minute} {performance.player.bars} {taken.resident_mb:.3f} {taken.pss_mb:.3f} {taken.own_mb:.3f}\n"
            )
            sys.stdout.flush()


def main() -> None:
    """Simulate an hour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="melody-2bar")
    parser.add_argument("--minutes", type=int, default=60)
    asked = parser.parse_args()
    simulate(asked.model, asked.minutes)


if __name__ == "__main__":
    main()
