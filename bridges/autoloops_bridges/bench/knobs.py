"""How long after a control moves the music moves, and how shortly before a bar line it may still come."""

import itertools
import random
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from autoloops_bridges.bench.stage import PATIENCE_S, Client, engine
from autoloops_bridges.bench.tables import Cell, spread
from autoloops_bridges.clock import wall_us
from autoloops_engine.errors import PortError
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.latent import prior_sample
from autoloops_engine.session.casting import cast
from autoloops_engine.units import US_PER_MS, US_PER_S

TEMPO_BPM: Final = 480
BAR_US: Final = 4 * 60 * US_PER_S // TEMPO_BPM
_CLASSES_MS: Final = (10, 20, 40, 80)
# Of the melody codec: class 2 is MIDI note 21.
_FIRST_ON: Final = 2
_LOWEST: Final = 21


class Point(NamedTuple):
    """A latent point and the note with which its loop begins at temperature 0."""

    z: list[float]
    first: int


class Try(NamedTuple):
    """One move of the control; times in microseconds.

    Attributes:
        before_us: How long before the next bar line it was sent.
        after_us: How long after it was sent the first note of the new loop was due.
    """

    before_us: int
    after_us: int

    @property
    def heard_at_once(self) -> bool:
        """Whether the very next bar had it."""
        return self.after_us < self.before_us + BAR_US // 2


def measure(path: Path, tries: int) -> dict[str, dict[str, Cell]]:
    """Milliseconds from control to note, by how long before the bar line the control came.

    Args:
        path: A bundle of a melody.
        tries: How often to move.

    Raises:
        PortError: the engine does not play.
    """
    points = two_points(path)
    options = ["--parts", "melody", "--model", f"melody={path}", "--tempo", str(TEMPO_BPM)]
    with engine(*options) as playing:
        client = playing.client
        # A loop of one bar begins anew, with its first note, at every bar line.
        client.send("/al/melody/length", 1)
        client.send("/al/melody/temperature", 0.0)
        dice = random.Random(5)
        done = [_try(client, point, dice) for point, _ in zip(itertools.cycle(points), range(tries), strict=False)]
    rows: dict[str, dict[str, Cell]] = {}
    bounds_ms = (0, *_CLASSES_MS, BAR_US // US_PER_MS)
    for low_ms, high_ms in itertools.pairwise(bounds_ms):
        chosen = [each for each in done if low_ms <= each.before_us / US_PER_MS < high_ms]
        rows[f"{low_ms} to {high_ms} ms before the line"] = _row(chosen)
    return {**rows, "all": _row(done)}


def two_points(path: Path) -> list[Point]:
    """Two latent points whose loops begin with different notes."""
    decoder = cast("melody", 1, open_decoder(path)).decoder
    found: list[Point] = []
    for seed in range(1_000):
        z = prior_sample(seed, decoder.manifest.latent_size)
        request = DecodeRequest("melody", 0, np.asarray(z, dtype=np.float32), 0, 0, temperature=0.0)
        token = decode(decoder, request).tokens[0]
        pitch = token - _FIRST_ON + _LOWEST
        if token >= _FIRST_ON and all(point.first != pitch for point in found):
            found.append(Point([float(x) for x in z], pitch))
        if len(found) == 2:
            return found
    raise PortError(f"No two loops of {path} begin with different notes; measure another model.")


def _try(client: Client, point: Point, dice: random.Random) -> Try:
    """Send a point at a random time before a bar line and wait for its first note."""
    line_us = client.hear_one("/al/bar").due_us + BAR_US
    before_us = dice.randrange(BAR_US * 9 // 10)
    for _ in client.hear(max(0, line_us - before_us - wall_us()) / US_PER_S):
        pass
    sent_us = wall_us()
    client.send("/al/melody/z", *point.z)
    for heard in client.hear(PATIENCE_S):
        at_line = heard.due_us >= line_us - US_PER_MS and (heard.due_us - line_us + US_PER_MS) % BAR_US < 2 * US_PER_MS
        if at_line and heard.address == "/al/melody/note" and heard.arguments[0] == point.first:
            return Try(line_us - sent_us, heard.due_us - sent_us)
    raise PortError("The engine never played the loop that it was told to; report this.")


def _row(tries: list[Try]) -> dict[str, Cell]:
    in_time = sum(each.heard_at_once for each in tries)
    return {**spread([each.after_us / US_PER_MS for each in tries]), "in the next bar": f"{in_time} of {len(tries)}"}
