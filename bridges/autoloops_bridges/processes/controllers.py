"""MIDI controllers in front of the session: what comes is decoded, learnt or mapped and executed; lights go back.

Everything here is driven by messages and time; the shell carries what ``advance`` answers to the player.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from autoloops_bridges.control.console import learns
from autoloops_bridges.control.dispatch import Action
from autoloops_bridges.control.feedback import Feedback
from autoloops_bridges.control.learn import Learner, State, Status
from autoloops_bridges.control.mapping import MapEntry, MidiMap, default_entries
from autoloops_bridges.control.rig import RigPart
from autoloops_bridges.control.rig_trial import Snag, lacking, led_nowhere, set_values
from autoloops_bridges.midi.controls import ControlDecoder
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.processes.rig_text import RigText
from autoloops_engine.errors import AutoLoopsError, UsageError
from autoloops_engine.messages import MidiIn, PortsState, SendMidi
from autoloops_engine.session.surface import Surface, Target, Values

_PLAYING = Target("playing")

_TAP: Final = Target("tap")
_HEAR: Final = Target("hear")
_EAR: Final = Target("ear")


class Controllers:
    """Executes on the surface what controllers send, and shows them what there is.

    Thread: the owner's only. Blocks: no.

    Args:
        options: What the performer asked for.
        surface: What is acted on.
        tell: Called with each step of MIDI learn.

    Attributes:
        remarks: A sentence for each thing to tell the performer about the rig file.
        refused: Moves that the surface refused.
        learner: Learns mappings.
    """

    def __init__(self, options: PlayOptions, surface: Surface, tell: Callable[[Status], None]) -> None:
        self.refused = 0
        self._options = options
        self._surface = surface
        self._tell = tell
        self._decoder = ControlDecoder()
        self._playing = False
        self._map = MidiMap((), self._present)
        self._listens = False
        self._arrivals: dict[str, int] = {}
        self._channels = dict(options.channels)
        self._rig = RigText(options.rig_file, options.rig, options.parts, self._remap)
        self._defaults: list[MapEntry] = []
        self._deaf = False
        self.learner = Learner(
            self._rig,
            tell,
            lambda: self._defaults,
            lacking=lambda address: lacking(address, self._surface),
            deaf=lambda: self._deaf,
        )
        self._name = Path(options.rig_file).name if options.rig_file else "The rig"
        self.remarks = (*options.remarks, *(f"{self._name}: {problem}" for problem in self._rig.rig.problems))
        self._remap()

    @property
    def read(self) -> int:
        """MIDI messages that were understood."""
        return self._decoder.read

    @property
    def garbage(self) -> int:
        """MIDI messages that were none."""
        return self._decoder.garbage

    def figures(self) -> list[tuple[str, int]]:
        """What became of all that controllers sent, by name."""
        return [("midi_read", self.read), ("midi_garbage", self.garbage), ("midi_refused", self.refused)]

    @property
    def rig(self) -> str:
        """The text of the rig file, with what was learnt."""
        return self._rig.text

    @property
    def written_parts(self) -> dict[str, RigPart]:
        """What the rig file has for parts, by name."""
        return self._rig.rig.parts

    def take_up(self, rig: str) -> None:
        """Go on with the mapping of a main process that died."""
        self._rig.use(rig)

    def set_up(self, now_us: int, *, anew: bool = True) -> None:
        """Set what the rig file wants set before the start, and see where its controls lead.

        Args:
            now_us: The present time.
            anew: A session begins; one that is gone on with has its values.
        """
        rig = self._rig.rig
        snags = set_values(rig.values, self._surface, now_us) if anew else []
        self.remarks = (*self.remarks, *self._told([*snags, *led_nowhere(rig.entries, self._surface)]))

    def joined(self, part: str, now_us: int) -> list[str]:
        """Set what the rig file wants set of a part that joined in; a sentence for each thing that it has not."""
        self._take_parts(self._surface.parts())
        rig, own = self._rig.rig, f"/al/{part}/"
        values = [value for value in rig.values if value.command.target.part == part]
        entries = [entry for entry in rig.entries if entry.target.startswith(own)]
        return self._told([*set_values(values, self._surface, now_us), *led_nowhere(entries, self._surface)])

    def _told(self, snags: Iterable[Snag]) -> list[str]:
        return [f"{self._name}: {snag}" for snag in sorted(snags)]

    def receive(self, came: MidiIn, now_us: int) -> None:
        """Do what a MIDI message asks for."""
        for event in self._decoder.receive(came):
            self._apply(event, now_us)

    def touched(self) -> None:
        """Values changed."""
        self._feedback.touched()
        if self._surface.parts() != tuple(self._rig.parts):
            self._take_parts(self._surface.parts())
        listens = self._present(_EAR) == (1,)
        if listens is not self._listens:
            self._listens = listens
            self._remap()

    def _take_parts(self, parts: tuple[str, ...]) -> None:
        """Others play: what the rig file maps to them counts."""
        for part in parts:
            if part not in self._rig.parts or part not in self._channels:
                self._channels[part] = int(self._surface.get(Target("channel", part))[0])
        self._rig.play(parts)

    def playing(self, playing: bool) -> None:
        """Time runs or stands still."""
        if playing is not self._playing:
            self._playing = playing
            self._feedback.touched()

    def ports(self, state: PortsState, now_us: int) -> None:
        """Which ports there are; a controller that came back is told everything again."""
        for name, arrivals in state.arrivals.items():
            if arrivals != self._arrivals.get(name):
                self._feedback.arrived(name, now_us)
        self._arrivals = dict(state.arrivals)
        self._deaf = not state.inputs

    def player_came(self) -> None:
        """Another player has the ports: what it opens is told everything."""
        self._arrivals.clear()

    def advance(self, now_us: int) -> list[SendMidi]:
        """Do what has become due; what to send to controllers."""
        for event in self._decoder.advance(now_us):
            self._apply(event, now_us)
        self.learner.advance(now_us)
        for failure in self._rig.take_failures():
            self._tell(Status(State.FAILED, "", "", failure))
        # A fader that its motor moves sends that on, and would be learnt.
        return [] if self.learner.listens else self._feedback.advance(now_us)

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has something to do; none: nothing waits."""
        shown_us = None if self.learner.listens else self._feedback.next_deadline_us()
        deadlines_us = (self._decoder.next_deadline_us(), self.learner.next_deadline_us(), shown_us)
        return min((deadline_us for deadline_us in deadlines_us if deadline_us is not None), default=None)

    def _remap(self) -> None:
        """Map by another rig file."""
        rig = self._rig.rig
        channels = {part: self._channels[part] for part in self._rig.parts}
        defaults = default_entries(channels, rig.takeover) if rig.defaults else []
        if self._listens:
            defaults = [entry for entry in defaults if entry.source is not Source.NOTE]
        self._defaults = defaults
        self._map = MidiMap((rig.entries, rig.presets, defaults), self._present, self._map)
        self._feedback = Feedback((*rig.entries, *rig.presets), self._present)
        for name in self._arrivals:
            self._feedback.arrived(name, 0)

    def _apply(self, event: ControlEvent, now_us: int) -> None:
        if self.learner.listens:
            self.learner.hear(event)
            return
        self._feedback.heard(event, now_us)
        commands = self._map.apply(event)
        if not commands and self._listens and event.source in {Source.NOTE, Source.NOTE_OFF}:
            velocity = event.value if event.source is Source.NOTE else 0
            self._surface.act(_HEAR, (event.number, velocity), event.at_us)
        for command in commands:
            try:
                if command.action is Action.SET:
                    self._surface.set(command.target, command.values, now_us)
                elif command.action is Action.ACT:
                    # A tap counts by when it was played, however late it is read.
                    at_us = event.at_us if command.target == _TAP else now_us
                    if not learns(self.learner, command.target, command.values, at_us):
                        self._surface.act(command.target, command.values, at_us)
            except AutoLoopsError:
                self.refused += 1

    def _present(self, target: Target) -> Values | None:
        if target == _PLAYING:
            return (self._playing,)
        try:
            return self._surface.get(target)
        except UsageError:
            return None
