"""How long it takes from the command to the first note."""

from typing import Final

from autoloops_bridges.bench.stage import engine
from autoloops_bridges.bench.tables import Cell, spread
from autoloops_bridges.clock import wall_us
from autoloops_engine.units import US_PER_S

RUNS: Final = 3
# Rests would count as slowness: what is this hot begins with a note nearly always, and then soon.
_ADDRESSES: Final = ("/al/bar", "/al/melody/note")


def measure(model: str, runs: int = RUNS) -> dict[str, dict[str, Cell]]:
    """Seconds from the start of the program to the first bar line and the first note.

    Raises:
        PortError: the engine does not play.
    """
    taken_s: dict[str, list[float]] = {"answers": [], "bar 1 begins": [], "first note": []}
    for run in range(runs):
        with engine("--parts", "melody", "--model", f"melody={model}", "--seed", str(run)) as playing:
            taken_s["answers"].append((wall_us() - playing.began_us) / US_PER_S)
            bar_us = note_us = 0
            for heard in playing.client.hear(10.0):
                if heard.address == _ADDRESSES[0] and not bar_us:
                    bar_us = heard.came_us
                if heard.address == _ADDRESSES[1]:
                    note_us = heard.came_us
                if bar_us and note_us:
                    break
            taken_s["bar 1 begins"].append((bar_us - playing.began_us) / US_PER_S)
            taken_s["first note"].append((note_us - playing.began_us) / US_PER_S)
    return {name: dict(spread(samples)) for name, samples in taken_s.items()}
