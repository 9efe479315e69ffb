"""MIDI controllers in front of the session: what comes in is parsed, mapped and executed."""

from collections.abc import Sequence
from pathlib import Path

from autoloops_bridges.control.dispatch import Action
from autoloops_bridges.control.map_file import read_map
from autoloops_bridges.control.mapping import MapEntry, MidiMap, default_entries
from autoloops_bridges.midi.parse import MidiParser
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.messages import MidiIn
from autoloops_engine.session.surface import Surface


class Controllers:
    """Executes on the surface what controllers send.

    Thread: the owner's only. Blocks: no.

    Attributes:
        remarks: A sentence for each thing to tell the performer about the map file.
        refused: Moves that the surface refused.
    """

    def __init__(self, options: PlayOptions, surface: Surface) -> None:
        entries, defaults, self.remarks = _read(options)
        self.refused = 0
        self._parser = MidiParser()
        self._map = MidiMap(entries, defaults)
        self._surface = surface

    @property
    def read(self) -> int:
        """MIDI messages that were understood."""
        return self._parser.read

    @property
    def garbage(self) -> int:
        """MIDI messages that were none."""
        return self._parser.garbage

    def receive(self, came: MidiIn, now_us: int) -> None:
        """Do what a MIDI message asks for."""
        event = self._parser.parse(came)
        if event is None:
            return
        for command in self._map.apply(event):
            try:
                if command.action is Action.SET:
                    self._surface.set(command.target, command.values, now_us)
                elif command.action is Action.ACT:
                    self._surface.act(command.target, command.values, now_us)
            except AutoLoopsError:
                self.refused += 1


def _read(options: PlayOptions) -> tuple[Sequence[MapEntry], Sequence[MapEntry], tuple[str, ...]]:
    defaults = default_entries({part: options.channels[part] for part in options.parts})
    if options.map_file is None:
        return (), defaults, ()
    try:
        text = Path(options.map_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return (), defaults, (f"The map file {options.map_file} cannot be read ({error}); the default map is used.",)
    found = read_map(text, options.parts)
    return found.entries, defaults if found.defaults else (), found.problems
