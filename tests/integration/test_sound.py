"""A real instrument: what the engine streams over JACK, fluidsynth turns into sound, and silence follows the end."""

import subprocess
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.playing import playing

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
RATE_HZ = 48_000
BARS = 4
TEMPO = 240


def samples(path: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The left channel, from -1 to 1."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE_HZ
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        return frames.reshape(-1, file.getnchannels())[:, 0] / 32768


def loudness(sound: "np.ndarray[Any, np.dtype[np.float64]]") -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(sound**2)))


def test_fluidsynth_sounds_while_it_plays_and_is_silent_after(jack_server: Any, require: Any, tmp_path: Path) -> None:
    program = require("fluidsynth")
    if not SOUNDFONT.exists():
        pytest.skip(f"{SOUNDFONT} is not there")
    recorded = tmp_path / "live.wav"
    # Its standard input stays open: without one it ends at once; `quit` makes it finish the file.
    command = [program, "-a", "file", "-m", "jack", "-o", f"audio.file.name={recorded}", "-o", "audio.file.type=wav"]
    command += ["-o", "midi.jack.id=instrument", "-r", str(RATE_HZ), "-R", "0", "-C", "0", str(SOUNDFONT)]
    synth = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert synth.stdin is not None
    try:
        until_s = time.monotonic() + 10
        while "instrument" not in subprocess.run([require("jack_lsp")], capture_output=True, text=True).stdout:
            assert time.monotonic() < until_s, "fluidsynth did not open its port"
        options = ("--midi-api", "jack", "--midi-out", "instrument", "--midi-in", "none", "--bars", str(BARS))
        with playing("--parts", "melody", "--seed", "5", "--tempo", str(TEMPO), *options) as engine:
            assert engine.process.wait(30) == 0
        # The last note fades in the recording, which grows in real time.
        faded_bytes = recorded.stat().st_size + int(1.5 * RATE_HZ) * 4
        until_s = time.monotonic() + 10
        while recorded.stat().st_size < faded_bytes:
            assert time.monotonic() < until_s, "fluidsynth stopped recording"
        synth.stdin.write(b"quit\n")
        synth.stdin.flush()
        assert synth.wait(10) == 0
    finally:
        if synth.poll() is None:
            synth.kill()
            synth.wait()
        synth.stdin.close()
    sound = samples(recorded)
    peak_s = int(np.abs(sound).argmax()) / RATE_HZ
    music = sound[int(max(0.0, peak_s - 1) * RATE_HZ) : int((peak_s + 1) * RATE_HZ)]
    assert loudness(music) > 0.003
    assert loudness(sound[-RATE_HZ // 10 :]) < 0.05 * loudness(music)
