"""What the modules of a session share: its parts, the transport, and what goes out.

A module that adds a behaviour to the session works on a ``Stage``; its values go into ``controls``, its verbs into
``verbs``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np
from msgspec import structs

from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.errors import UsageError
from autoloops_engine.latent import LatentPoint, Vector, point_at
from autoloops_engine.messages import SyncState, ToPlayer
from autoloops_engine.philox import derived_seed
from autoloops_engine.session.ear import Ear, Phrase
from autoloops_engine.session.firing import Fired, when_named
from autoloops_engine.session.habits import Habits
from autoloops_engine.session.links import Links
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.scene import Later
from autoloops_engine.session.settings import Arrival, Launch, PartSetup, Settings
from autoloops_engine.session.state import Stored
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.takes import Sequence as Collected
from autoloops_engine.session.transport import KnownTransport
from autoloops_engine.time.quantum import When, launch_position_ub
from autoloops_engine.time.swing import Swing
from autoloops_engine.time.tap import TapTempo
from autoloops_engine.units import MAX_COORDINATE

# Settings that a launch can change, beside the point.
_ECHOED: Final = ("seed", "temperature", "hold", "transpose", "velocity", "accent", "edits", "octave", "gate")
# Between the decision for a launch and the player, on top of decode budget and lead: two messages on a pipe.
LAUNCH_MARGIN_US: Final = 2_000
# A bar is frozen so long before its earliest possible event: time to announce it. A decode that is quicker than its
# budget, as nearly all are, makes the bar up to this line; freezing a whole budget ahead would only turn it away.
FREEZE_LEAD_US: Final = 5_000
# More bars than any part plays before its main process is replaced.
_IDS_PER_PART: Final = 1_000_000_000
# More parts than any performer adds before that.
_IDS_PER_GENERATION: Final = 1_000_000 * _IDS_PER_PART


class Stage:
    """Thread: the session's only. Blocks: never.

    Attributes:
        seed: Everything random follows from it.
        transport: The player's transport as it is known.
        parts: By name, in the order in which they are shown.
        links: Which parts share one latent point.
        came: How many parts there were since the start.
        fired: What each part fired last.
        models: What each part's model is called.
        wishes: By part, the model that somebody wants for it.
        setups: What each part was set up with.
        arrivals: Parts that somebody wants, since they were last taken.
        awaited: The names of those that have not joined in yet.
        leaving: By part, the position at which it leaves.
        later: What takes effect at positions, together with launches.
        messages: What to send to the player.
        touched: What changed, for the echoes, in the order in which it did.
        budget_us: The decode budget of a bar, in microseconds.
        habits: What each part does by itself, and how it stands to the others.
        slots: What was stored, by slot from 1 and by part.
        ear: What was played in.
        listens: Whether notes that come in over MIDI are played in.
        phrases: What parts are to take up, once it is encoded.
        slots_changed: Whether they are others than when they were last written down.
        sequence: What was collected, in order.
        sequence_changed: Whether it is another than when it was last written down.
        harmony: Scale and chords that pitched parts keep to.
        start_by_us: A start waits for bar 1 until then; None: none waits.
        swing: The swing of the rig.
        taps: The taps of the performer.
        sync: How following goes; None: not told yet.
        now_us: The present time, as it was told last.
        failures: What to tell the performer: the address that it belongs to, and a sentence.

    Args:
        setups: The parts.
        seed: See above.
        tempo_bpm: Tempo to begin with, 20 to 999.
        generation: 0 for a new session; a main process that took over counts up.
    """

    def __init__(self, setups: Sequence[PartSetup], seed: int, tempo_bpm: float, generation: int) -> None:
        self.seed = seed
        self.transport = KnownTransport(tempo_bpm, taking_over=generation > 0)
        self.parts: dict[str, PartSession] = {}
        self.links = Links()
        self.fired: dict[str, Fired] = {}
        self.models: dict[str, str] = {}
        self.wishes: dict[str, str] = {}
        self.setups: dict[str, PartSetup] = {}
        self.arrivals: list[Arrival] = []
        self.awaited: set[str] = set()
        self.leaving: dict[str, int] = {}
        self.later: tuple[Later, ...] = ()
        self.messages: list[ToPlayer] = []
        self.touched: dict[Target, None] = {}
        self.budget_us = 0
        self.habits: dict[str, Habits] = {}
        self.slots: dict[int, dict[str, Stored]] = {}
        self.slots_changed = False
        self.sequence: Collected = ()
        self.sequence_changed = False
        self.ear = Ear()
        self.listens = False
        self.phrases: list[Phrase] = []
        self.harmony = Harmony()
        self.start_by_us: int | None = None
        self.swing = Swing()
        self.taps = TapTempo()
        self.sync: SyncState | None = None
        self.now_us = 0
        self.came = 0
        self.failures: list[tuple[str, str]] = []
        self._failed: set[tuple[str, str]] = set()
        self._first_id = 1 + generation * _IDS_PER_GENERATION
        for setup in setups:
            self.messages.append(self.add(setup).route())

    @property
    def playing(self) -> bool:
        """Whether time runs."""
        return self.transport.state.playing

    def part(self, name: str) -> PartSession:
        """A part by its name.

        Raises:
            UsageError: there is no such part.
        """
        if name not in self.parts:
            known = f"there are: {', '.join(self.parts)}" if self.parts else "there are none"
            raise UsageError(f"There is no part {name}; {known}.")
        return self.parts[name]

    def touch(self, target: Target) -> None:
        """Notes that a value changed, for the echoes."""
        self.touched[target] = None

    def fail(self, address: str, reason: str) -> None:
        """Notes something that went wrong without anybody waiting for an answer; the performer is told once."""
        failure = (address, reason)
        if failure not in self._failed:
            self._failed.add(failure)
            self.failures.append(failure)

    def set_swing(self, swing: Swing) -> None:
        """Another swing of the rig, for every part that has none of its own."""
        self.swing = swing
        for part in self.parts.values():
            with self.settling(part):
                part.feel = structs.replace(part.feel, rig=swing)

    def change(self, part: PartSession, settings: Settings, now_us: int) -> None:
        """Give a part other settings, from the next bar that is not frozen on; a latent point is that of its group."""
        moved = settings.point is not part.settings.point
        with self.settling(part):
            part.change(settings, now_us)
        for other in self.linked(part) if moved else ():
            with self.settling(other):
                other.change(replace(other.settings, point=_seen_by(other, settings.point)), now_us)

    def linked(self, part: PartSession) -> list[PartSession]:
        """The other parts that share the latent point of a part."""
        return [self.parts[name] for name in self.parts if name in self.links.others(part.name)]

    def leader(self, part: PartSession) -> PartSession:
        """The first of the parts that share the latent point of a part: how it moves follows from this one's seed."""
        group = {part.name, *self.links.others(part.name)}
        return next(each for name, each in self.parts.items() if name in group)

    def born_with(self, setup: PartSetup) -> PartSession | None:
        """A part whose latent point one with this setup shares from the beginning; None: it has one of its own.

        The parts that one model plays together come from one point.
        """
        others = (part for name, part in self.parts.items() if name != setup.name and setup.space.output)
        return next((part for part in others if part.settings.point.space.same_model(setup.space)), None)

    def drifting(self, part: PartSession, point: LatentPoint) -> LatentPoint:
        """A point that is to replace a part's, carried along by its walk or orbit."""
        motion = self.habits[part.name].motion
        return carried(point, motion.drift(point.space.size, self.leader(part).settings.seed, part.next_bar))

    def keep_to(self, harmony: Harmony, now_us: int) -> None:
        """Give every part another harmony, from the next bar that is not frozen on."""
        self.harmony = harmony
        for part in self.parts.values():
            part.keep_to(harmony, now_us)

    def launch(
        self,
        part: PartSession,
        when: When,
        now_us: int,
        *,
        point: LatentPoint | None = None,
        seed: int | None = None,
        restart: bool = False,
        settings: Settings | None = None,
        to_group: bool = True,
    ) -> int:
        """Line up a launch of a part at the next position that ``when`` allows and that can still be reached.

        While nothing plays it takes effect at once.

        Args:
            part: The part.
            when: Launch quantisation.
            now_us: The present time.
            point: The latent point from there on; None: as it is.
            seed: The seed from there on; None: as it is.
            restart: Bar 0 of the loop falls on the position, which has to be a bar line.
            settings: Everything from there on, before point and seed; None: as it is.
            to_group: The parts that share the latent point are launched to it as well.

        Returns:
            The position, in micro-beats.
        """
        position_ub = self.launch_point(part, when, now_us)
        self.line_up(part, Launch(position_ub, point, seed, restart, settings), now_us, to_group=to_group)
        return position_ub

    def when(self, part: PartSession, words: Values) -> When:
        """The launch quantisation that is asked for with a verb of a part, else the part's own.

        Raises:
            UsageError: there is none of that name.
        """
        return when_named(str(words[0])) if words else self.habits[part.name].quantise

    def launch_point(self, part: PartSession, when: When, now_us: int) -> int:
        """Where a launch of a part takes effect that is asked for now, in micro-beats: while nothing plays, here."""
        return self.reachable(part, when, now_us) if self.playing else self.transport.state.song_at(now_us)

    def reachable(self, part: PartSession, when: When, now_us: int) -> int:
        """The next position that ``when`` allows a part and that a decoded bar still reaches, in micro-beats."""
        state = self.transport.state
        ready_us = now_us + state.lead_us + self.budget_us + LAUNCH_MARGIN_US
        return launch_position_ub(when, max(0, state.song_at(ready_us)), part.length_bars, part.origin_bar)

    def joinable(self, part: PartSession, now_us: int) -> int:
        """The next bar line from which on a part can play whose first bar is not decoded yet, in micro-beats."""
        state = self.transport.state
        ready_us = now_us + state.lead_us + FREEZE_LEAD_US + self.budget_us + LAUNCH_MARGIN_US
        earliest_ub = max(0, state.song_at(ready_us) + part.route().early_ub)
        return launch_position_ub(When.BAR, earliest_ub, part.length_bars, part.origin_bar)

    def line_up(self, part: PartSession, launch: Launch, now_us: int, *, to_group: bool = True) -> None:
        """Line up a launch of a part, or let it take effect at once while nothing plays.

        A latent point is launched for the whole group of the part, whose others keep their seeds.
        """
        launches = [(part, launch)]
        point = launch.point or (launch.settings.point if launch.settings is not None else None)
        if point is not None and to_group:
            launches += [(other, Launch(launch.position_ub, _seen_by(other, point))) for other in self.linked(part)]
        for each, its in launches:
            with self.settling(each):
                each.launch(its, now_us) if self.playing else each.apply(its, now_us)

    @contextmanager
    def settling(self, part: PartSession) -> Iterator[None]:
        """Notes what a step changed about a part, for the echoes and for the player."""
        settings, route = part.settings, part.route()
        yield
        if part.route() != route:
            self.messages.append(part.route())
        for name in _ECHOED:
            if getattr(part.settings, name) != getattr(settings, name):
                self.touch(Target(name, part.name))
        old, new = settings.point, part.settings.point
        if new is old:
            return
        self.touch(Target("z", part.name))
        for knob in old.knobs.keys() | new.knobs.keys():
            self.touch(Target("knob", part.name, knob + 1))
        for key in old.attributes.keys() | new.attributes.keys():
            attribute = new.space.name(key)
            if attribute is not None:
                self.touch(Target("attr", part.name, attribute))

    def add(self, setup: PartSetup) -> PartSession:
        """A part that begins anew, behind the others; the player has to be told."""
        seed, first_id = derived_seed(self.seed, self.came), self._first_id + self.came * _IDS_PER_PART
        self.came += 1
        sharing = self.born_with(setup)
        if sharing is None:
            point = point_at(setup.space, setup.space.new_point(seed))
        else:
            point = sharing.settings.point.seen_in(setup.space)
            self.links.join([sharing.name, setup.name])
        settings = Settings(point, seed, setup.temperature)
        part = PartSession(setup.name, setup.channel, settings, setup.bars, setup.codec, first_id, setup.port)
        self.take_in(part, setup)
        return part

    def take_in(self, part: PartSession, setup: PartSetup) -> None:
        """A part with what it is set to; nothing of what it did before is known."""
        self.parts[part.name] = part
        self.setups[part.name] = setup
        self.models[part.name] = setup.model
        self.fired[part.name] = Fired(0, part.settings.point, part.settings.seed)
        self.habits[part.name] = Habits()


def _seen_by(part: PartSession, point: LatentPoint) -> LatentPoint:
    return point.seen_in(part.settings.point.space)


def carried(point: LatentPoint, offset: Vector | None) -> LatentPoint:
    """A point with what motion adds; None: nothing."""
    return point.with_motion(None if offset is None else np.clip(offset, -MAX_COORDINATE, MAX_COORDINATE))
