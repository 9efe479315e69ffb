"""Many parts at once, with every part's latent point moving all the time: misses, silences and lateness.

    python benchmarks/many_parts.py --parts 16 --minutes 10

The parts share the melody, bass and drum models in turn. A point is sent to each of them so many times a second, each a
little further along a path of its own. A bar that sounds without the latest point that was in time is a miss; one that
the model had no new bar for repeats the last one and is counted as a fallback; one without any bar would be silent.
"""

import math
import time

import numpy as np
from rig import arguments, show

from autoloops_bridges.bench.stage import Engine, engine
from autoloops_bridges.bench.tables import Cell
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.interpolation import slerp
from autoloops_engine.latent import Vector

MODELS = ("melody-2bar", "bass-2bar", "drums-2bar")
# A path leads from one point to the next in so many seconds.
LEG_S = 4.0


class Path:
    """Through latent space, from one point of the prior to the next."""

    def __init__(self, size: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._points = [self._rng.standard_normal(size) for _ in range(2)]
        self._leg = 0

    def at(self, seconds: float) -> Vector:
        """Where it is after so many seconds; they only grow."""
        leg, share = divmod(seconds / LEG_S, 1.0)
        while self._leg < leg:
            self._points = [self._points[1], self._rng.standard_normal(self._points[0].size)]
            self._leg += 1
        start, end = self._points
        return slerp(start, end, share)


def play(playing: Engine, paths: dict[str, Path], seconds: float, hz: float) -> tuple[int, float]:
    """Send points until the time is over; how many were sent, and how late the latest of them was, in ms."""
    began_s = time.monotonic()
    turns = math.floor(seconds * hz)
    latest_ms = 0.0
    for turn in range(turns):
        due_s = began_s + turn / hz
        for _ in playing.client.hear(max(0.0, due_s - time.monotonic())):
            pass
        latest_ms = max(latest_ms, 1000 * (time.monotonic() - due_s))
        for part, path in paths.items():
            playing.client.send(f"/al/{part}/z", *(float(x) for x in path.at(turn / hz)))
    return turns * len(paths), latest_ms


def main() -> None:
    """Play and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--hz", type=float, default=30.0, help="points a second for each part")
    parser.add_argument("--tempo", type=float, default=120.0)
    asked = parser.parse_args()
    names = [f"p{number}" for number in range(1, asked.parts + 1)]
    models = {name: MODELS[at % len(MODELS)] for at, name in enumerate(names)}
    sizes = {model: load_bundle(find_bundle(model)).manifest.latent_size for model in MODELS}
    options = ["--parts", ",".join(names), "--seed", "5", "--tempo", str(asked.tempo)]
    for name, model in models.items():
        options += ["--model", f"{name}={model}"]
    paths = {name: Path(sizes[model], at) for at, (name, model) in enumerate(models.items())}
    with engine(*options) as playing:
        playing.client.hear_one("/al/bar")
        before = playing.client.stats()
        sent, latest_ms = play(playing, paths, 60 * asked.minutes, asked.hz)
        after = playing.client.stats()
    grown = {name: after[name] - before.get(name, 0.0) for name in after}
    bars = grown["bars"]
    row: dict[str, Cell] = {
        "bars": bars,
        "points sent": float(sent),
        "sender late max, ms": latest_ms,
        "misses": grown["misses"],
        "misses, %": 100 * grown["misses"] / bars,
        "fallbacks": grown["fallbacks"],
        "silent": grown["silences"],
        "budget, ms": after["budget_ms"],
    }
    row |= {name: after[name] for name in sorted(after) if name.startswith("late_")}
    show(f"{asked.parts} parts", {f"{asked.minutes:g} min": row}, asked.json)


if __name__ == "__main__":
    main()
