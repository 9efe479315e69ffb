"""How late a control may come and still be heard in the next bar, and how soon `fire now` is heard; live, over OSC.

    python benchmarks/heard_in_time.py --tries 200

Two latent points whose loops begin with different notes are sent in turn, each so many milliseconds before a bar line;
the bar line is known from the time tags of the engine's own bars.
"""

import itertools
import socket
import time
from collections.abc import Iterator

import numpy as np
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from rig import arguments, engine, show, spread

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.inference.onnx_decoder import OnnxDecoder
from autoloops_engine.inference.requests import DecodeRequest, decode
from autoloops_engine.latent import prior_sample

BEFORE_MS = (60, 40, 30, 20, 10)


class Stage:
    """A client that listens to everything and knows when the next bar line comes."""

    def __init__(self, engine_port: int, bar_s: float) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.bar_s = bar_s
        self._engine = ("127.0.0.1", engine_port)
        self.send("/al/listen", 1)

    def send(self, address: str, *arguments: float | str) -> None:
        """Send one message."""
        builder = OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        self.socket.sendto(builder.build().dgram, self._engine)

    def events(self) -> list[tuple[float, OscMessage]]:
        """The tagged messages of the next packet, with their intended time in seconds of the wall clock."""
        packet = self.socket.recv(65536)
        if not packet.startswith(b"#bundle"):
            return []
        bundle = OscBundle(packet)
        return [(bundle.timestamp, message) for message in bundle]

    def plain(self) -> Iterator[OscMessage]:
        """The messages outside bundles, as they come."""
        while True:
            packet = self.socket.recv(65536)
            if not packet.startswith(b"#bundle"):
                yield OscMessage(packet)

    def drain(self) -> None:
        """Forget what came in so far."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(65536):
                pass
        except BlockingIOError:
            self.socket.settimeout(5)

    def next_line(self) -> tuple[float, int]:
        """When the next bar but one begins, and its number."""
        self.drain()
        while True:
            for at_s, message in self.events():
                if message.address == "/al/bar":
                    return at_s + self.bar_s, message.params[0] + 1

    def first_note(self, from_s: float) -> tuple[float, int]:
        """The first note from a time on."""
        while True:
            for at_s, message in self.events():
                if message.address.endswith("/note") and at_s >= from_s - 0.001:
                    return at_s, message.params[0]


def two_points(model: str) -> list[tuple[list[float], int]]:
    """Two latent points, each with the note on which its loop begins at temperature 0; the notes differ."""
    decoder = OnnxDecoder(load_bundle(find_bundle(model)))
    found: list[tuple[list[float], int]] = []
    for seed in itertools.count():
        z = prior_sample(seed, decoder.manifest.latent_size)
        tokens = decode(decoder, DecodeRequest("melody", 0, z.astype(np.float32), 0, 0, temperature=0.0)).tokens
        if tokens[0] >= 2 and all(tokens[0] + 19 != note for _, note in found):
            found.append(([float(x) for x in z], tokens[0] + 19))
        if len(found) == 2:
            return found
    raise AssertionError


def wait_until(at_s: float) -> None:
    """Wait for a moment of the wall clock, the last millisecond awake."""
    while (left_s := at_s - time.time()) > 0:
        time.sleep(max(0, left_s - 0.001))


def main() -> None:
    """Try each distance in turn, then `fire now`."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--tries", type=int, default=200, help="tries for each distance from the bar line")
    parser.add_argument("--before-ms", type=float, nargs="+", default=BEFORE_MS, help="distances from the bar line")
    parser.add_argument("--tempo", type=float, default=480.0)
    asked = parser.parse_args()
    points = two_points(asked.model)
    bar_s = 4 * 60 / asked.tempo
    rows: dict[str, dict[str, float | str]] = {}
    options = ["--tempo", str(asked.tempo), "--parts", "melody", "--model", f"melody={asked.model}"]
    with engine(*options, "--midi-out", "none", "--midi-in", "none") as playing:
        stage = Stage(playing.osc_port, bar_s)
        # A loop of one bar begins anew at every bar line.
        stage.send("/al/melody/length", 1)
        stage.send("/al/melody/temperature", 0.0)
        for before_ms in asked.before_ms:
            heard = sum(try_point(stage, *points[attempt % 2], before_ms) for attempt in range(asked.tries))
            rows[f"z {before_ms:g} ms before the line"] = {"tries": asked.tries, "heard in that bar": heard}
        # Hot enough for an onset at nearly every step, so that the first one tells where the new notes begin.
        stage.send("/al/melody/temperature", 4.0)
        tried = (try_fire(stage, attempt, bar_s / 16) for attempt in range(asked.tries))
        sixteenths = [sixteenth for sixteenth in tried if sixteenth is not None]
        rows["fire now, in sixteenths"] = {"tries": asked.tries} | spread(sixteenths)
    show("Heard in time", rows, asked.json)


def try_point(stage: Stage, z: list[float], note: int, before_ms: float) -> bool:
    """Whether a point sent so long before a bar line is what that bar begins with."""
    line_s, _ = stage.next_line()
    wait_until(line_s - before_ms / 1000)
    stage.send("/al/melody/z", *z)
    at_s, heard = stage.first_note(line_s)
    return abs(at_s - line_s) < 0.001 and heard == note


def try_fire(stage: Stage, attempt: int, sixteenth_s: float) -> float | None:
    """How many sixteenths after `fire now` the replaced rest of the bar begins; None when it is silent."""
    line_s, number = stage.next_line()
    wait_until(line_s + (attempt % 12) * sixteenth_s + 0.002)
    stage.drain()
    sent_s = time.time()
    stage.send("/al/melody/fire", "new", "now")
    # The bar that sounds was announced before; what comes of it from here on is what replaces its rest.
    bars = (message.params for message in stage.plain() if message.address == "/al/melody/bar")
    _, start_beat, *notes = next(bar for bar in bars if bar[0] == number)
    if not notes:
        return None
    first_s = line_s + (notes[1] - start_beat) * sixteenth_s * 4
    return float((first_s - sent_s) / sixteenth_s)


if __name__ == "__main__":
    main()
