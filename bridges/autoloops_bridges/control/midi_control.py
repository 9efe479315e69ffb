"""MIDI controllers as the main process sees them: bytes in, the surface moved. Sans I/O."""

from autoloops_bridges.control.dispatch import Action, Command
from autoloops_bridges.control.mapping import MidiMap
from autoloops_bridges.midi.parse import ControlEvent, MidiParser
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.messages import MidiIn
from autoloops_engine.session.surface import Surface


class MidiControl:
    """Takes what comes in at the MIDI ports to the surface by way of the map.

    Thread: the owner's only. Blocks: no.

    Attributes:
        parser: Counts messages and garbage.
        moved: Commands that the surface took.
        refused: Commands that it did not take.
        last: The last event that moved something, for the performer to see.
        last_reason: Why the last refused command was not taken; empty: there was none.
    """

    def __init__(self, surface: Surface, midi_map: MidiMap) -> None:
        self.parser = MidiParser()
        self.moved = 0
        self.refused = 0
        self.last: ControlEvent | None = None
        self.last_reason = ""
        self._surface = surface
        self._map = midi_map

    def receive(self, came: MidiIn, now_us: int) -> None:
        """Do what one MIDI message asks for."""
        event = self.parser.parse(came)
        if event is None:
            return
        for command in self._map.apply(event):
            try:
                self._do(command, now_us)
            except AutoLoopsError as error:
                self.refused += 1
                self.last_reason = str(error)
            else:
                self.moved += 1
                self.last = event

    def _do(self, command: Command, now_us: int) -> None:
        if command.action is Action.SET:
            self._surface.set(command.target, command.values, now_us)
        else:
            self._surface.act(command.target, command.values, now_us)
