"""Streams bars into JACK and judges the onsets as a receiver sees them.

    python benchmarks/jack_stream.py --bars 64

Every note that `render` gives for the same seed must arrive, each with its end; the onsets must lie on a straight line
through their beats. The delay is measured against the intended time of bar 1.

Onsets are judged by the server's frames and by the monotonic clock: JACK's dummy driver counts too few frames when the
machine holds it up (xruns), and then the two part. A sound card's frames are its time: there the first is what counts.
"""

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jack
import mido
import numpy as np
from pythonosc.osc_bundle import OscBundle
from rig import arguments, engine, jack_server, show

SEED = 11
TEMPO_BPM = 120
RATE_HZ = 48_000


class Receiver:
    """Collects (frame, bytes) from the engine's port, and pairs of frame and monotonic time."""

    def __init__(self) -> None:
        self.events: list[tuple[int, bytes]] = []
        self.clock: list[tuple[int, int]] = []
        self._client = jack.Client("judge", no_start_server=True)
        self._port = self._client.midi_inports.register("in")
        self._client.set_process_callback(self._process)
        self._client.activate()

    def connect(self) -> None:
        """Connect to the engine's output."""
        (output,) = self._client.get_ports("AutoLoops.*out", is_midi=True, is_output=True)
        self._client.connect(output, self._port)

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate()
        self._client.close()

    def _process(self, frames: int) -> None:
        start = self._client.last_frame_time
        self.clock.append((start, time.monotonic_ns() // 1000))
        for offset, data in self._port.incoming_midi_events():
            self.events.append((start + offset, bytes(data)))


def rendered(model: str, bars: int) -> tuple[list[tuple[float, int]], int]:
    """The (beat, pitch) of every note that ought to come, and their number."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "expected.mid"
        command = [sys.executable, "-m", "autoloops_bridges", "render", "--out", str(path), "--bars", str(bars)]
        command += ["--seed", str(SEED), "--tempo", str(TEMPO_BPM), "--parts", "melody", "--model", f"melody={model}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        file = mido.MidiFile(path)
        notes = []
        for track in file.tracks:
            tick = 0
            for message in track:
                tick += message.time
                if message.type == "note_on" and message.velocity:
                    notes.append((tick / file.ticks_per_beat, message.note))
    return sorted(notes), len(notes)


def intended_start_us(osc: socket.socket) -> int:
    """The monotonic time for which the engine announced bar 1, from the bundle's time tag."""
    while True:
        packet = osc.recv(65536)
        wall_minus_monotonic_us = (time.time_ns() - time.monotonic_ns()) // 1000
        if packet.startswith(b"#bundle"):
            bundle = OscBundle(packet)
            if any(message.address == "/al/bar" and message.params == [1] for message in bundle):
                return round(bundle.timestamp * 1e6) - wall_minus_monotonic_us


def main() -> None:
    """Play, listen and judge."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--bars", type=int, default=64)
    parser.add_argument("--frames", type=int, default=128, help="frames in a JACK period")
    asked = parser.parse_args()
    expected, count = rendered(asked.model, asked.bars)
    with jack_server(asked.frames, RATE_HZ) as environment, socket.socket(type=socket.SOCK_DGRAM) as osc:
        osc.bind(("127.0.0.1", 0))
        osc.settimeout(20)
        options = ["--bars", str(asked.bars), "--seed", str(SEED), "--tempo", str(TEMPO_BPM), "--midi-api", "jack"]
        options += ["--parts", "melody", "--model", f"melody={asked.model}", "--midi-in", "none", "--stopped"]
        options += ["--osc-send", f"127.0.0.1:{osc.getsockname()[1]}"]
        receiver = Receiver()
        with engine(*options, environment=environment) as playing:
            while not any("MIDI out" in line for line in playing.said):
                playing.said.append(playing.process.stdout.readline().rstrip())  # type: ignore[union-attr]
            receiver.connect()
            osc.sendto(b"/al/start\x00\x00\x00,\x00\x00\x00", ("127.0.0.1", playing.osc_port))
            start_us = intended_start_us(osc)
            said = playing.finish(asked.bars * 4 * 60 / TEMPO_BPM + 30)
            receiver.close()
    judge(receiver, expected, count, start_us, said, asked)


def line(beats: np.ndarray, onsets_us: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Residuals (ms) against the best straight line, the error of its slope (ppm), and where it begins (us)."""
    slope, offset = np.polyfit(beats, onsets_us, 1)
    nominal_us = 60e6 / TEMPO_BPM
    return np.abs(onsets_us - (offset + slope * beats)) / 1000, (slope / nominal_us - 1) * 1e6, float(offset)


def cycle_starts_us(frames: np.ndarray, entered_us: np.ndarray) -> np.ndarray:
    """When each cycle began: the callback runs somewhat behind; the quickest within half a second tell how much."""
    lag = entered_us - frames * 1e6 / RATE_HZ
    half = RATE_HZ // 4 // 128
    padded = np.pad(lag, half, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).min(axis=1)
    return np.asarray(frames * 1e6 / RATE_HZ + least)


def judge(receiver, expected, count, start_us, said, asked) -> None:  # type: ignore[no-untyped-def]
    """Compare what came with what ought to have come."""
    ons = [(frame, data[1]) for frame, data in receiver.events if data[0] & 0xF0 == 0x90 and data[2]]
    offs = [
        data[1] for _, data in receiver.events if data[0] & 0xF0 == 0x80 or (data[0] & 0xF0 == 0x90 and not data[2])
    ]
    beats = np.array([beat for beat, _ in expected])
    in_order = [pitch for _, pitch in ons] == [pitch for _, pitch in expected]
    figures: dict[str, float | str] = {
        "bars": asked.bars,
        "bars printed": sum(line.startswith("bar ") for line in said),
        "notes expected": count,
        "note-ons": len(ons),
        "note-offs": len(offs),
        "same notes": "yes" if in_order else "NO",
    }
    if in_order:
        at_frames = np.array([frame for frame, _ in ons], dtype=np.float64)
        frames, entered_us = np.array(receiver.clock, dtype=np.float64).T
        began_us = cycle_starts_us(frames, entered_us)
        figures["xruns"] = int((np.diff(began_us - frames * 1e6 / RATE_HZ) > 500).sum())
        by_frames = line(beats, at_frames / RATE_HZ * 1e6)
        by_clock = line(beats, np.interp(at_frames, frames, began_us))
        for name, (residual_ms, slope_ppm, _) in (("frames", by_frames), ("monotonic", by_clock)):
            figures[f"{name}: residual p50 ms"] = float(np.percentile(residual_ms, 50))
            figures[f"{name}: residual p99 ms"] = float(np.percentile(residual_ms, 99))
            figures[f"{name}: residual max ms"] = float(residual_ms.max())
            figures[f"{name}: slope ppm"] = slope_ppm
        figures["delay ms"] = (by_clock[2] - start_us) / 1000
    else:
        pairs = zip((pitch for _, pitch in expected), (pitch for _, pitch in ons), strict=False)
        differing = (place for place, (wanted, came) in enumerate(pairs) if wanted != came)
        figures["first differing note"] = next(differing, len(ons)) + 1
    show("Bars into JACK", {name: {"value": value} for name, value in figures.items()}, asked.json)


if __name__ == "__main__":
    main()
