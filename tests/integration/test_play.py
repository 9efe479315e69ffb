"""The main job through the real processes: a model plays in tempo and is driven over OSC."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from tests.integration.playing import Playing, alive, playing

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.latent import latent_space
from autoloops_engine.session.offline import render
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.units import UB_PER_BEAT

MELODY = ("--parts", "melody", "--seed", "5", "--tempo", "240")


def whole_notes(engine: Playing) -> list[tuple[float, int, float]]:
    """(beat, pitch, beats) of all notes heard, ties joined."""
    beat_s = 60 / 240
    start_s = engine.all("/al/bar")[0].tagged_s
    notes: list[list[float]] = []
    for heard in engine.heard:
        beat = round((heard.tagged_s - start_s) / beat_s * 4) / 4
        if heard.address == "/al/melody/note":
            pitch, _, beats = heard.arguments
            notes.append([beat, float(str(pitch)), float(str(beats))])
        elif heard.address == "/al/melody/tie":
            pitch, beats = heard.arguments
            tied = next(note for note in reversed(notes) if note[1] == pitch)
            tied[2] += float(str(beats))
    return [(note[0], int(note[1]), note[2]) for note in notes]


def test_what_is_heard_over_osc_is_what_render_writes() -> None:
    with playing(*MELODY, "--bars", "8", "--stopped") as engine:
        engine.listen()
        engine.send("/al/start")
        engine.hear_until("/al/playing", 0)
        assert engine.process.wait(10) == 0
    decoder = open_decoder(find_bundle("melody-2bar"))
    setup = PartSetup("melody", 1, latent_space(decoder.manifest), 2, decoder.manifest.sampling.temperature)
    expected = render([setup], {"melody": decoder}, seed=5, tempo_bpm=240, bars=8)
    assert whole_notes(engine) == [
        (note.start_ub / UB_PER_BEAT, note.pitch, note.duration_ub / UB_PER_BEAT) for note in expected
    ]
    assert [heard.arguments[0] for heard in engine.all("/al/bar")] == list(range(1, 9))
    assert [heard.arguments[0] for heard in engine.all("/al/beat")] == list(range(1, 33))


def test_every_note_was_announced_with_its_bar_before_it_sounded() -> None:
    with playing(*MELODY, "--stopped") as engine:
        engine.listen()
        engine.send("/al/start")
        engine.hear(4.0)
        engine.end()
    beat_s, start_s = 60 / 240, engine.all("/al/bar")[0].tagged_s
    announced: set[tuple[object, float]] = set()
    sounded = 0
    for heard in engine.heard:
        if heard.address == "/al/melody/bar":
            groups = heard.arguments[2:]
            announced |= {(groups[i], float(str(groups[i + 1]))) for i in range(0, len(groups), 5)}
        elif heard.address == "/al/melody/note":
            sounded += 1
            assert (heard.arguments[0], round((heard.tagged_s - start_s) / beat_s * 4) / 4) in announced
    assert sounded > 0


def test_a_point_sent_before_the_bar_line_is_what_the_next_bars_play() -> None:
    with playing(*MELODY) as engine:
        engine.listen()
        engine.send("/al/melody/temperature", 0.0)
        engine.send("/al/melody/z", *([0.0] * 96))
        engine.hear_until("/al/bar")
        engine.hear_until("/al/bar")
        engine.heard.clear()
        engine.send("/al/melody/fire", "new", "now")
        spliced = engine.hear_until("/al/melody/bar")
        engine.hear_until("/al/bar")
        engine.hear_until("/al/bar")
        bars = engine.all("/al/melody/bar")
        assert spliced.arguments != bars[-1].arguments
        engine.send("/al/melody/seed")
        asked = engine.hear_until("/al/melody/seed")
        assert isinstance(asked.arguments[0], int)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_note_and_both_processes_with_status_0(number: int) -> None:
    with playing(*MELODY) as engine:
        engine.listen()
        engine.hear_until("/al/bar")
        children = [engine.child("main"), engine.child("player")]
        engine.hear_until("/al/melody/note")
        assert engine.end(number) == 0
        engine.hear(0.2)
        assert not any(alive(child) for child in children)
    assert not any("Traceback" in line for line in engine.said)


def test_a_port_that_is_taken_is_one_sentence_and_status_1() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "autoloops_bridges", "play", "--osc-port", port, "--parts", "melody"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1
    assert port in ended.stderr
    assert "--osc-port" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_damaged_model_is_one_sentence_and_status_1(tmp_path: "os.PathLike[str]") -> None:
    (bundle := tmp_path / "broken").mkdir()  # type: ignore[operator]
    (bundle / "manifest.json").write_text("{")
    command = [sys.executable, "-m", "autoloops_bridges", "play", "--osc-port", "0", "--plain"]
    ended = subprocess.run(
        [*command, "--parts", "melody", "--model", f"melody={bundle}"], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert "broken" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_start_to_first_note_and_what_is_said_first() -> None:
    begun_s = time.time()
    with playing(*MELODY) as engine:
        engine.listen()
        first = engine.hear_until("/al/melody/note")
        engine.end()
    assert first.tagged_s > begun_s
    text = "\n".join(engine.said)
    for promised in ("OSC: listening on 127.0.0.1:", "MIDI out:", "autoloops send /al/melody/fire", "seed 5"):
        assert promised in text
    assert any(line.startswith("bar ") for line in engine.said)


def test_a_model_is_swapped_while_playing_and_a_bad_one_keeps_the_old() -> None:
    with playing(*MELODY) as engine:
        engine.listen()
        engine.hear_until("/al/bar")
        engine.send("/al/melody/model", "no-such-model")
        error = engine.hear_until("/al/error")
        assert error.arguments[0] == "/al/melody/model"
        engine.send("/al/melody/model")
        assert engine.hear_until("/al/melody/model").arguments == ("melody-2bar",)
        engine.send("/al/melody/z")
        before = engine.hear_until("/al/melody/z").arguments
        engine.send("/al/melody/model", "melody-2bar")
        assert engine.hear_until("/al/melody/z").arguments != before
        first = engine.hear_until("/al/bar").arguments[0]
        engine.hear_until("/al/melody/note")
        engine.hear(1.0)
        numbers = [heard.arguments[0] for heard in engine.all("/al/bar")]
        assert numbers == list(range(int(str(numbers[0])), int(str(numbers[-1])) + 1))
        assert first in numbers
        assert engine.end() == 0
