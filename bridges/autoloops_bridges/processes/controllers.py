"""MIDI controllers in front of the session: what comes in is decoded, mapped and executed."""

from autoloops_bridges.control.dispatch import Action
from autoloops_bridges.control.mapping import MidiMap, default_entries
from autoloops_bridges.control.preset_files import preset_text
from autoloops_bridges.control.rig import Rig
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.midi.controls import ControlDecoder
from autoloops_bridges.midi.parse import ControlEvent
from autoloops_bridges.processes.options import PlayOptions
from autoloops_engine.errors import AutoLoopsError, UsageError
from autoloops_engine.messages import MidiIn
from autoloops_engine.session.surface import Surface, Target, Values


class Controllers:
    """Executes on the surface what controllers send.

    Thread: the owner's only. Blocks: no.

    Attributes:
        remarks: A sentence for each thing to tell the performer about the rig file.
        refused: Moves that the surface refused.
    """

    def __init__(self, options: PlayOptions, surface: Surface) -> None:
        self.refused = 0
        self._options = options
        self._surface = surface
        self._decoder = ControlDecoder()
        self._rig = Rig()
        self.use(options.rig)
        self.remarks = (*options.remarks, *self._rig.problems)

    @property
    def read(self) -> int:
        """MIDI messages that were understood."""
        return self._decoder.read

    @property
    def garbage(self) -> int:
        """MIDI messages that were none."""
        return self._decoder.garbage

    def use(self, text: str) -> None:
        """Map by this rig file from now on."""
        parts = self._options.parts
        self._rig = rig = read_rig(text, parts, preset_text)
        channels = {part: self._options.channels[part] for part in parts}
        defaults = default_entries(channels, rig.takeover) if rig.defaults else []
        self._map = MidiMap((rig.entries, rig.presets, defaults), self._present)

    def set_up(self, now_us: int) -> None:
        """Set what the rig file wants set before the start."""
        for command in self._rig.values:
            try:
                self._surface.set(command.target, command.values, now_us)
            except AutoLoopsError as error:
                self.remarks = (*self.remarks, f"The rig file's {command.row.template} cannot be set: {error}")

    def receive(self, came: MidiIn, now_us: int) -> None:
        """Do what a MIDI message asks for."""
        for event in self._decoder.receive(came):
            self._apply(event, now_us)

    def advance(self, now_us: int) -> None:
        """Do what messages ask for whose second half never came."""
        for event in self._decoder.advance(now_us):
            self._apply(event, now_us)

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has something to do; none: nothing waits."""
        return self._decoder.next_deadline_us()

    def _apply(self, event: ControlEvent, now_us: int) -> None:
        for command in self._map.apply(event):
            try:
                if command.action is Action.SET:
                    self._surface.set(command.target, command.values, now_us)
                elif command.action is Action.ACT:
                    self._surface.act(command.target, command.values, now_us)
            except AutoLoopsError:
                self.refused += 1

    def _present(self, target: Target) -> Values | None:
        try:
            return self._surface.get(target)
        except UsageError:
            return None
