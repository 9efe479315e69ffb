"""What ``autoloops play`` tells the performer, a line at a time."""

import queue
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from autoloops_bridges.midi.names import VIRTUAL
from autoloops_bridges.printable import printable
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.messages import Frozen, PortsState

_NAMES: Final = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_MAX_LINES: Final = 1_000
_SOUND: Final = {
    "linux": "Linux: start JACK or PipeWire and `fluidsynth -j -a jack -m jack SOUNDFONT`; connect it to AutoLoops.",
    "darwin": "macOS: open GarageBand or any DAW and record-enable a track that listens to the port AutoLoops.",
    "win32": "Windows: play to `--midi-out Microsoft`, the GS synthesiser that comes with the system.",
}


class Printer:
    """Prints lines on a thread of its own, so that a terminal that stands still holds up nothing."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lines: queue.Queue[str | None] = queue.Queue(_MAX_LINES)
        self._thread = threading.Thread(target=self._print, name="printer", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Print a line when it is its turn; dropped and counted when nobody reads."""
        try:
            self._lines.put_nowait(printable(text))
        except queue.Full:
            self.dropped += 1

    def close(self, patience_s: float) -> None:
        """Print what waits, for so long at most."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(patience_s)

    def _print(self) -> None:
        while (text := self._lines.get()) is not None:
            try:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                # Nobody reads any more; the music goes on.
                return


def start_lines(options: PlayOptions, osc: tuple[str, int], ports: PortsState | None, budget_us: int) -> list[str]:
    """What to say at the start: where OSC is heard, which MIDI ports there are, what to try."""
    host, port = osc
    channels = ", ".join(f"{name} on channel {options.channels[name]}" for name in options.parts)
    lines = [
        f"AutoLoops plays {channels}, at {options.tempo_bpm:g} BPM with seed {options.seed}.",
        f"OSC: listening on {host}:{port}.",
    ]
    outputs = ports.outputs if ports else ()
    inputs = ports.inputs if ports else ()
    lines.append(f"MIDI out: {', '.join(outputs) or 'none'}. MIDI in: {', '.join(inputs) or 'none'}.")
    lines += ports.remarks if ports else ["The player has not said which ports it opened."]
    lines.append(f"Decode budget: {budget_us / 1000:.1f} ms a bar.")
    return lines + hint_lines(options, osc)


def hint_lines(options: PlayOptions, osc: tuple[str, int]) -> list[str]:
    """What to try first, and, for who named no port to play to, what makes it sound."""
    _, port = osc
    send = f"{_command()} send /al/{options.parts[0]}/fire" + (f" --osc-port {port}" if port != 7400 else "")
    if options.midi_out != VIRTUAL:
        return [f"Try: {send}"]
    system = "win32" if sys.platform == "win32" else "darwin" if sys.platform == "darwin" else "linux"
    return [f"Try: {send}", f"To hear it on {_SOUND[system]}"]


def _command() -> str:
    """How to type `autoloops` in another terminal: by its name where that finds this one, else by its path."""
    ours = Path(sys.executable).parent / ("autoloops.exe" if sys.platform == "win32" else "autoloops")
    found = shutil.which("autoloops")
    if not ours.exists() or (found is not None and Path(found).samefile(ours)):
        return "autoloops"
    return str(ours)


class BarLines:
    """One line per bar, as soon as every part's bar is frozen.

    Args:
        parts: Answers the parts that play.
    """

    def __init__(self, parts: Callable[[], tuple[str, ...]]) -> None:
        self._parts = parts
        self._frozen: dict[str, Frozen] = {}

    def add(self, frozen: Frozen, misses: int, late_max_us: int) -> str | None:
        """The line, once the bar is complete; none before."""
        if frozen.origin == "splice":
            return None
        if any(other.song_bar != frozen.song_bar for other in self._frozen.values()):
            self._frozen.clear()
        self._frozen[frozen.part] = frozen
        names = self._parts()
        if any(name not in self._frozen for name in names):
            return None
        parts = "  ".join(_part(self._frozen[name]) for name in names)
        return f"bar {frozen.song_bar + 1:4}  {parts}  misses {misses}  late {late_max_us / 1000:.1f} ms"


def _part(frozen: Frozen) -> str:
    pitches = " ".join(pitch_name(note.pitch) for note in frozen.bar.notes) or "silent"
    marks = ("" if frozen.origin == "fresh" else f" ({frozen.origin})") + (" muted" if frozen.muted else "")
    return f"{frozen.part}{marks}: {pitches}"


def pitch_name(pitch: int) -> str:
    """The name of a MIDI note; middle C, note 60, is C4 (scientific pitch notation)."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"
