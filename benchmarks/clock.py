"""Follows and leads MIDI clocks, on a fake clock and on a JACK server, and prints what was promised and measured.

    python benchmarks/clock.py                    about three minutes
    python benchmarks/clock.py --minutes 10       the real performance at 123.45 BPM takes ten
    python benchmarks/clock.py --only simulated   no JACK server

Masters and judges are not ours: `jack_midi_clock` (-J 20: each tick up to a fifth of its length early or late against
the one before, so its errors add up) and `jack_mclk_dump`. A step of tempo needs a master that can make one: that is
the lab's. Onsets are judged by JACK's frames. Simulated clocks come with jitter around a steady beat.
"""

import itertools
import json
import random
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from clock_lab import CLOCK, CONTINUE, RATE_HZ, START, STOP, Came, Lab, clocks_of, lab, onsets_of, wait
from rig import arguments, engine, jack_server, show

from autoloops_bridges.bench.stage import Client
from autoloops_engine.messages import FromPlayer, OfferBar, SetPart
from autoloops_engine.notes import Bar, Note
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Kind
from autoloops_engine.sync.guide import Guide
from autoloops_engine.sync.midi_clock import MidiClock
from autoloops_engine.units import STEP_UB, UB_PER_BEAT

FRAMES = 128
PERIOD_MS = 1000 * FRAMES / RATE_HZ
LEAD_US = 5_333
ATTEMPTS = 6
SCALE = Bar(1, 0, tuple(Note(step * STEP_UB, STEP_UB // 2, 60 + step, 100, held=False) for step in range(16)))
Row = dict[str, float | str]


class Onset(NamedTuple):
    """A note of the simulated player: the sixteenth of the bar, and when it was meant to sound."""

    step: int
    at_us: int


class Simulated:
    """A player that follows a clock on a fake clock and plays every sixteenth."""

    def __init__(self) -> None:
        self.clock = MidiClock()
        self.player = Player(120.0, 0)
        self.player.attach("out", LEAD_US, 0)
        self.guide = Guide(self.player, self.clock, 0)
        self.onsets: list[Onset] = []
        self.now_us = 0
        self.guide.handle(SetPart("melody", 1, 1), 0)
        for epoch in (0, 1):
            self.guide.handle(OfferBar("melody", epoch, 0, SCALE), 0)

    def feed(self, data: bytes, at_us: float) -> None:
        """Something arrives."""
        self.run(round(at_us))
        self.clock.feed(data, round(at_us))
        self._advance()

    def run(self, until_us: int) -> list[FromPlayer]:
        """Advance from deadline to deadline; what main would be told."""
        told: list[FromPlayer] = []
        while (due_us := self.guide.next_deadline_us()) is not None and due_us <= until_us:
            self.now_us = max(self.now_us, due_us)
            told += self._advance()
        self.now_us = max(self.now_us, until_us)
        return told

    def _advance(self) -> list[FromPlayer]:
        for _, event in self.guide.advance(self.now_us):
            if event.kind is Kind.ON:
                self.onsets.append(Onset(event.number - 60, event.at_us))
        return self.guide.take_messages()


def masters(tempo_bpm: Callable[[int], float], ticks: int, start_us: float = 1e6) -> Iterator[float]:
    """When each tick of a master is meant, in microseconds."""
    at_us = start_us
    for tick in range(ticks):
        yield at_us
        at_us += 60e6 / 24 / tempo_bpm(tick)


def simulated_following(jitter_us: int, beats: int, seed: int = 1) -> Row:
    """Phase and tempo behind a clock that jitters uniformly around a steady beat of 123.45 BPM."""
    noise, stage, tempos = random.Random(seed), Simulated(), []
    stage.feed(bytes((START,)), 1e6 - jitter_us - 1_000)
    meant_us = list(masters(lambda tick: 123.45, 24 * beats))
    for tick, at_us in enumerate(meant_us):
        stage.feed(bytes((CLOCK,)), max(stage.now_us, at_us + noise.uniform(-jitter_us, jitter_us)))
        if tick >= 16 * 24:
            tempos.append(abs(stage.clock.state(stage.now_us).tempo_bpm / 123.45 - 1) * 100)
    sixteenths_us = np.array(meant_us[::6])
    late_ms = [(onset.at_us - due_us) / 1000 for onset, due_us in zip(stage.onsets, sixteenths_us, strict=False)]
    doubled = sum(onset.step != index % 16 for index, onset in enumerate(stage.onsets))
    settled = np.abs(late_ms[4 if not jitter_us else 64 :])
    return {
        "phase p99 ms": float(np.percentile(settled, 99)),
        "phase max ms": float(settled.max()),
        "tempo max %": max(tempos),
        "lost, doubled": float(doubled),
        "promised": "p99 1 + a period" if not jitter_us else "p99 5, tempo 0.1 % after 16 beats",
    }


def simulated_step() -> Row:
    """From 120 to 140 BPM at once."""
    stage, step_tick = Simulated(), 24 * 16
    stage.feed(bytes((START,)), 999_000)
    meant_us = list(masters(lambda tick: 120.0 if tick < step_tick else 140.0, 24 * 32))
    for at_us in meant_us:
        stage.feed(bytes((CLOCK,)), at_us)
    after_us = meant_us[step_tick] + 60e6 / 140
    onsets_us = [onset.at_us for onset in stage.onsets if onset.at_us >= after_us]
    errors = [abs((b - a) / (15e6 / 140) - 1) * 100 for a, b in itertools.pairwise(onsets_us)]
    doubled = sum(onset.step != index % 16 for index, onset in enumerate(stage.onsets))
    return {"tempo max %": max(errors), "lost, doubled": float(doubled), "promised": "1 % after a beat, 0 notes"}


def simulated_pointers() -> Row:
    """Every sixteenth of 64 bars: located while stopped, then continued."""
    wrong = 0
    for step in range(16 * 64):
        stage = Simulated()
        stage.feed(bytes((0xF2, step & 0x7F, step >> 7)), 1_000)
        stage.guide.handle(OfferBar("melody", 1, step // 16, SCALE), stage.now_us)
        stage.feed(bytes((CONTINUE,)), 900_000)
        for at_us in masters(lambda tick: 120.0, 30):
            stage.feed(bytes((CLOCK,)), at_us)
        wrong += [onset.step for onset in stage.onsets[:4]] != [(step + index) % 16 for index in range(4)]
    return {"wrong": float(wrong), "of": 16.0 * 64, "promised": "0"}


def resident_kib() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024


def simulated_hour() -> Row:
    """An hour at 123.45 BPM with a millisecond of jitter: drift against the master, growth of memory."""
    noise, stage = random.Random(2), Simulated()
    stage.feed(bytes((START,)), 990_000)
    begun_kib, at_us = 0.0, 1e6
    for tick, at_us in enumerate(masters(lambda tick: 123.45, round(60 * 123.45 * 24))):
        stage.feed(bytes((CLOCK,)), max(stage.now_us, at_us + noise.uniform(-1_000, 1_000)))
        stage.onsets.clear()
        if tick == 24 * 240:
            begun_kib = resident_kib()
    grown_kib = resident_kib() - begun_kib
    tick_ub = (round(60 * 123.45 * 24) - 1) * UB_PER_BEAT / 24
    drift_beats = (stage.player.line.position_at(round(at_us)) - tick_ub) / UB_PER_BEAT
    return {"drift beats": drift_beats, "growth KiB": grown_kib, "promised": "0, none"}


@contextmanager
def master(one: Lab, *options: str) -> Iterator[str]:
    """`jack_midi_clock` with these options; its port."""
    process = subprocess.Popen(["jack_midi_clock", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield one.port("jack_midi_clock", output=True)
    finally:
        one.halt()
        process.terminate()
        process.wait(10)


def real_following(asked_model: str, tempo_bpm: float, seconds: float, *options: str) -> Row:
    """Behind `jack_midi_clock`: notes against its ticks, by frames."""
    command = ["--sync", "midi", "--midi-api", "jack", "--parts", "melody", "--model", f"melody={asked_model}"]
    with jack_server(FRAMES, RATE_HZ) as environment, lab() as one:
        with engine(*command, "--seed", "7", environment=environment) as playing:
            with master(one, "-b", str(tempo_bpm), "-B", *options) as port:
                one.connect(port, "lab:clock")
                one.connect(port, one.port("AutoLoops-in", output=False))
                one.connect(one.port("AutoLoops:", output=True), "lab:notes")
                one.roll()
                wait(seconds)
            client = Client()
            client.engine_port = playing.osc_port
            stats = client.stats()
            client.close()
        return judged(one, tempo_bpm, stats, steady=not options)


def judged(one: Lab, tempo_bpm: float, stats: dict[str, float], *, steady: bool) -> Row:
    """Notes against the master's ticks, after 16 beats of a jittered clock and one of a steady one."""
    ticks, onsets = clocks_of(one.clock), onsets_of(one.notes)
    tick = RATE_HZ * 60 / tempo_bpm / 24
    first = 24 if steady else 16 * 24
    onsets = onsets[(onsets > ticks[first]) & (onsets < ticks[-1])]
    if steady:
        # By the master's own grid, so that a tick that got lost counts for nothing.
        steps = (onsets - np.median(ticks - np.arange(ticks.size) * tick)) / (6 * tick)
        errors_ms = np.abs(steps - np.round(steps)) * 6 * tick * 1000 / RATE_HZ
    else:
        place = np.clip(np.searchsorted(ticks, onsets), 1, ticks.size - 1)
        errors_ms = np.minimum(onsets - ticks[place - 1], ticks[place] - onsets) * 1000 / RATE_HZ
    return {
        "phase p99 ms": float(np.percentile(errors_ms, 99)),
        "phase max ms": float(errors_ms.max()),
        "notes": float(errors_ms.size),
        "xruns": float(one.xruns),
        "late p99 ms": stats["late_p99_ms"],
        "promised": f"p99 {1 + PERIOD_MS:.2f}" if steady else "p99 5",
    }


def leading_by_rtmidi(asked_model: str, tempo_bpm: float, seconds: float) -> Row:
    """As where JACK-Client is not installed: python-rtmidi writes to JACK, at the beginnings of periods."""
    with tempfile.TemporaryDirectory() as missing:
        (Path(missing) / "jack.py").write_text("raise ImportError\n", encoding="ascii")
        row = real_leading(asked_model, tempo_bpm, seconds, PYTHONPATH=missing)
    return row | {"promised": f"{FRAMES} frames"}


def real_leading(asked_model: str, tempo_bpm: float, seconds: float, **variables: str) -> Row:
    """`jack_mclk_dump` behind us, and the lab by frames: how far each tick is off its distance from the last."""
    command = ["--midi-api", "jack", "--parts", "melody", "--model", f"melody={asked_model}", "--tempo", str(tempo_bpm)]
    command += ["--clock-out", "virtual", "--midi-in", "none"]
    with jack_server(FRAMES, RATE_HZ) as server, lab() as one, engine(*command, environment=server | variables):
        port = one.port("AutoLoops.*clock", output=True)
        one.connect(port, "lab:clock")
        dump = subprocess.Popen(
            ["stdbuf", "-oL", "jack_mclk_dump", "-n", port],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        wait(seconds)
        dump.terminate()
        said = dump.communicate()[0].replace("\r", "\n").splitlines()
    filtered = [float(line.split("flt:")[1].split("[")[0]) for line in said if "flt:" in line and "?" not in line]
    ticks = clocks_of(one.clock)
    jitter = np.floor(np.abs(np.diff(ticks) - RATE_HZ * 60 / tempo_bpm / 24))
    return {
        "tempo error BPM": abs(filtered[-1] - tempo_bpm),
        "jitter frames p99": float(np.percentile(jitter, 99)),
        "jitter frames max": float(jitter.max()),
        "xruns": float(one.xruns),
        "promised": "0.05 BPM, 0 frames",
    }


def real_step() -> Row:
    """The lab as master: 120 BPM for 16 beats, 140 from there."""
    command = ["--sync", "midi", "--midi-api", "jack", "--parts", "drums", "--seed", "7"]
    with jack_server(FRAMES, RATE_HZ) as environment, lab() as one, engine(*command, environment=environment):
        one.connect("lab:master", "lab:clock")
        one.connect("lab:master", one.port("AutoLoops-in", output=False))
        start = one.frame + RATE_HZ
        at_us = list(masters(lambda tick: 120.0 if tick < 384 else 140.0, 24 * 40, 0.0))
        frames = [start + round(each * RATE_HZ / 1e6) for each in at_us]
        script = [Came(start - 480, bytes((START,))), *(Came(frame, bytes((CLOCK,))) for frame in frames)]
        script.append(Came(frames[-1] + 480, bytes((STOP,))))
        one.connect(one.port("AutoLoops:", output=True), "lab:notes")
        one.play(iter(script))
        while one.busy:
            wait(0.1)
        wait(0.3)
    sounding: set[bytes] = set()
    for came in one.notes:
        if came.data[0] & 0xF0 == 0x90:
            sounding.add(came.data[1:2])
        else:
            sounding.discard(came.data[1:2])
    left, notes = float(len(sounding)), float(onsets_of(one.notes).size)
    return {"notes": notes, "left sounding": left, "xruns": float(one.xruns), "promised": "0 left"}


def calm(measure: Callable[[], Row]) -> Row:
    """The run of which the server dropped the fewest cycles: a dropout moves frames against time, for everybody."""
    rows: list[Row] = []
    while len(rows) < ATTEMPTS and all(row["xruns"] for row in rows):
        rows.append(measure())
    return min(rows, key=lambda row: float(row["xruns"]))


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--minutes", type=float, default=0.5, help="of the real performance at 123.45 BPM")
    parser.add_argument("--only", choices=("simulated", "jack"), help="leave the other half out")
    asked = parser.parse_args()
    simulated: dict[str, Callable[[], Row]] = {
        "exact": lambda: simulated_following(0, 256),
        "±20 ms": lambda: simulated_following(20_000, 256),
        "step": simulated_step,
        "SPP": simulated_pointers,
        "an hour": simulated_hour,
    }
    model, minutes = asked.model, asked.minutes
    real: dict[str, Callable[[], Row]] = {
        "JACK 125": lambda: real_following(model, 125.0, 30.0),
        "JACK 125 -J 20": lambda: real_following(model, 125.0, 45.0, "-J", "20"),
        "JACK 123.45": lambda: real_following(model, 123.45, 60 * minutes),
        "JACK step": lambda: calm(real_step),
        "lead 125": lambda: calm(lambda: real_leading(model, 125.0, 15.0)),
        "lead 123.45": lambda: calm(lambda: real_leading(model, 123.45, 15.0)),
        "rtmidi 125": lambda: calm(lambda: leading_by_rtmidi(model, 125.0, 15.0)),
    }
    measures = (real if asked.only != "simulated" else {}) | (simulated if asked.only != "jack" else {})
    rows = {name: measure() for name, measure in measures.items()}
    for title, names in (("MIDI clock on JACK", real), ("MIDI clock, simulated", simulated)):
        if names.keys() <= rows.keys():
            show(title, {name: rows[name] for name in names}, None)
    if asked.json is not None:
        asked.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
