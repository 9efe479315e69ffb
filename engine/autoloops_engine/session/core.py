"""The session: parts, controls and launches, driven by controllers, by the player's messages and by decoded bars.

Nothing here opens a port, reads a clock or waits. The shell carries ``take_messages`` to the player and
``take_requests`` to the inference worker, and hands back what they answer.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.requests import Decoded, DecodeRequest, Failed
from autoloops_engine.latent import LatentPoint, point_at, prior_sample
from autoloops_engine.messages import (
    Adopt,
    Ask,
    Continue,
    FromPlayer,
    Frozen,
    HeldBar,
    Hello,
    Mute,
    Panic,
    SetFreezeLead,
    Start,
    Stop,
    ToPlayer,
    TransportState,
)
from autoloops_engine.notes import Bar
from autoloops_engine.philox import derived_seed
from autoloops_engine.session.firing import Fired, when_named
from autoloops_engine.session.part import PartSession, Wanted
from autoloops_engine.session.settings import Launch, PartSetup, Settings
from autoloops_engine.session.state import SessionState, part_state, restore_part
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.session.transport import Change, KnownTransport
from autoloops_engine.session.values import MAX_LENGTH_BARS, PART_VALUES, flag, number, whole
from autoloops_engine.time.quantum import When, launch_position_ub
from autoloops_engine.time.timeline import bar_of
from autoloops_engine.units import MAX_TEMPO_BPM, MIN_TEMPO_BPM

# A start waits this long for bar 1 as the controls are, then plays what the player holds.
START_PATIENCE_US: Final = 100_000
# Between the decision for a launch and the player, on top of decode budget and lead: two messages on a pipe.
LAUNCH_MARGIN_US: Final = 2_000
# More bars than any session plays before its main process is replaced.
_IDS_PER_GENERATION: Final = 1_000_000_000
# A bar is frozen so long before its earliest possible event: time to announce it. A decode that is quicker than its
# budget, as nearly all are, makes the bar up to this line; freezing a whole budget ahead would only turn it away.
FREEZE_LEAD_US: Final = 5_000


class Session:
    """Implements the ``Surface`` protocol. Thread: the owner's only. Blocks: never.

    Args:
        parts: In the order in which they are shown.
        seed: Everything random follows from it.
        tempo_bpm: Tempo to begin with, 20 to 999.
        generation: 0 for a new session; a main process that took over counts up.
    """

    def __init__(self, parts: Sequence[PartSetup], seed: int, tempo_bpm: float, generation: int = 0) -> None:
        self.seed = seed
        self.model_failures: deque[str] = deque(maxlen=16)
        self._generation = generation
        self._transport = KnownTransport(tempo_bpm, taking_over=generation > 0)
        self._held: dict[tuple[str, int], Bar] = {}
        self._budget_us = 0
        self._start_by_us: int | None = None
        self._parts: dict[str, PartSession] = {}
        self._fired: dict[str, Fired] = {}
        self._messages: list[ToPlayer] = []
        self._requests: list[DecodeRequest] = []
        self._in_flight: dict[str, tuple[int, Wanted]] = {}
        self._ticket = 0
        self._touched: dict[Target, None] = {}
        self._models: dict[str, str] = {}
        self._wishes: dict[str, str] = {}
        self._messages.append(SetFreezeLead(FREEZE_LEAD_US))
        for number_of, setup in enumerate(parts):
            self._add_part(setup, derived_seed(seed, number_of))

    @property
    def playing(self) -> bool:
        """Whether time runs."""
        return self._transport.state.playing

    @property
    def misses(self) -> int:
        """Bars that sounded without the latest control value that came in time."""
        return sum(part.misses for part in self._parts.values())

    def misses_of(self, part: str) -> int:
        """The same of one part.

        Raises:
            UsageError: there is no such part.
        """
        return self._part(part).misses

    @property
    def fallbacks(self) -> int:
        """Bars that sounded without a fresh decode."""
        return sum(part.fallbacks for part in self._parts.values())

    # -- what the shell carries --------------------------------------------------------------------------------------

    def take_messages(self) -> list[ToPlayer]:
        """What to send to the player since the last call."""
        messages, self._messages = self._messages, []
        return messages

    def take_requests(self) -> list[DecodeRequest]:
        """What to decode since the last call."""
        for part in self._parts.values():
            self._ask(part)
        requests, self._requests = self._requests, []
        return requests

    def set_budget(self, budget_us: int) -> None:
        """The decode budget of a bar, in microseconds."""
        self._budget_us = budget_us

    def on_player(self, message: FromPlayer) -> None:
        """Take in what the player reports."""
        if isinstance(message, TransportState):
            self._follow(message)
        elif isinstance(message, Frozen) and message.part in self._parts:
            part = self._parts[message.part]
            with self._settling(part):
                part.froze(message, self._budget_us)
            if message.bar.id:
                self._held[part.name, part.loop_bar(message.song_bar)] = message.bar
        elif isinstance(message, Hello) and message.generation > 0:
            self._hand_over(message.generation)

    def on_answer(self, answer: Decoded | Failed, now_us: int) -> None:
        """Take in what the worker answers."""
        name, ticket = answer.request.part, answer.request.ticket
        part = self._parts[name]
        if self._in_flight.get(name, (0, None))[0] == ticket:
            del self._in_flight[name]
        if isinstance(answer, Failed):
            self.model_failures.append(answer.reason)
            part.failed(ticket)
        else:
            message = part.answered(answer)
            if message is not None:
                self._messages.append(message)
        self.advance(now_us)

    def advance(self, now_us: int) -> None:
        """Do what has become due: a start whose bar 1 lies ready, or which waited long enough."""
        if self._start_by_us is None:
            return
        if now_us >= self._start_by_us or all(part.cued() for part in self._parts.values()):
            self._start_by_us = None
            self._messages.append(self._transport.tell(Start()))

    def next_deadline_us(self) -> int | None:
        """When ``advance`` has to be called next; None while nothing can become due."""
        return self._start_by_us

    def take_wishes(self) -> dict[str, str]:
        """By part, the model that somebody wants for it since the last call; loading it is the shell's work."""
        wishes, self._wishes = self._wishes, {}
        return wishes

    def loop_steps(self, part: str) -> list[LoopSteps]:
        """The steps of a part's loop as it last sounded, bar after bar, as far as they are known."""
        return self._part(part).loop_steps()

    def swap_model(self, setup: PartSetup, z: Sequence[float] | None, now_us: int) -> None:
        """Give a part another model, heard from the next bar line on.

        Args:
            setup: The part with its new model; its channel and temperature stay as they are.
            z: The present loop as the new model encodes it; None: a point drawn with the part's seed.
            now_us: The present time.
        """
        part = self._part(setup.name)
        seed = part.settings.seed
        point = point_at(setup.space, prior_sample(seed, setup.space.size) if z is None else z)
        self._touched[Target("length", part.name)] = None
        with self._settling(part):
            part.swap(replace(part.settings, point=point), setup.bars, setup.codec, now_us)
        self._in_flight.pop(part.name, None)
        self._fired[part.name] = Fired(0, point, seed)
        self._models[part.name] = setup.model
        self._touched[Target("model", part.name)] = None

    def state(self) -> SessionState:
        """The session as plain data."""
        parts = {name: part_state(part, self._fired[name]) for name, part in self._parts.items()}
        return SessionState(self.seed, self._transport.tempo_bpm, parts, self._transport.state)

    def restore(self, state: SessionState) -> None:
        """Take over what a former main process left, and ask the player for the rest.

        A part that it did not have, or whose model is another, begins anew.
        """
        self.seed = state.seed
        self._transport.restore(state.tempo_bpm, state.transport)
        for name, part in self._parts.items():
            if name in state.parts:
                try:
                    self._fired[name] = restore_part(part, state.parts[name])
                except ValueError as error:
                    self.model_failures.append(f"The part {name} begins anew: {error}")
            self._messages.append(part.route())
        self._messages.append(Ask())

    # -- Surface -----------------------------------------------------------------------------------------------------

    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in order."""
        return tuple(self._parts)

    def attributes(self, part: str) -> tuple[str, ...]:
        """The attribute faders of a part."""
        return tuple(self._part(part).settings.point.space.attributes)

    def targets(self) -> tuple[Target, ...]:
        """Everything that has a value."""
        targets = [Target("tempo")]
        for name, part in self._parts.items():
            space = part.settings.point.space
            targets.append(Target("z", name))
            targets += [Target("knob", name, i) for i in range(1, len(space.knobs) + 1)]
            targets += [Target("attr", name, attribute) for attribute in space.attributes]
            plain = ("model", "temperature", "seed", "hold", "mute", "transpose", "velocity", "accent", "length")
            targets += [Target(value, name) for value in plain]
        return tuple(targets)

    def get(self, target: Target) -> Values:
        """The present value; see ``Surface``."""
        if target.name == "tempo":
            return (self._transport.tempo_bpm,)
        part = self._part(target.part)
        match target.name:
            case "mute":
                return (int(part.muted),)
            case "model":
                return (self._models[part.name],)
            case "length":
                return (part.length_bars,)
            case name if name in PART_VALUES:
                try:
                    return PART_VALUES[name].read(part, target.key)
                except ValueError as error:
                    raise UsageError(str(error)) from error
        raise UsageError(f"There is no value {target.name}.")

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """Set a value; see ``Surface``."""
        if target.name == "tempo":
            tempo_bpm = number(values, MIN_TEMPO_BPM, MAX_TEMPO_BPM)
            self._messages.append(self._transport.tell_tempo(tempo_bpm))
            self._touched[target] = None
            return
        part = self._part(target.part)
        match target.name:
            case "mute":
                part.muted = flag(values)
                self._messages.append(Mute(part.name, part.muted))
            case "model":
                self._wishes[part.name] = str(values[0])
                return
            case "length":
                with self._settling(part):
                    part.set_length(whole(values, 1, MAX_LENGTH_BARS), now_us)
            case name if name in PART_VALUES:
                try:
                    settings = PART_VALUES[name].write(part.settings, target.key, values)
                except ValueError as error:
                    raise UsageError(str(error)) from error
                with self._settling(part):
                    part.change(settings, now_us)
            case _:
                raise UsageError(f"There is no value {target.name}.")
        self._touched[target] = None

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """Do what a verb says; see ``Surface``."""
        match target.name:
            case "start":
                self._start_by_us = now_us + START_PATIENCE_US
                self.advance(now_us)
            case "continue":
                self._messages.append(self._transport.tell(Continue()))
            case "stop":
                self._start_by_us = None
                self._messages.append(self._transport.tell(Stop()))
            case "panic":
                self._messages.append(Panic())
            case "fire":
                what = str(values[0]) if values else "new"
                when = when_named(str(values[1])) if len(values) > 1 else When.BAR
                self._fire(self._part(target.part), what, when, now_us)
            case "restart":
                part = self._part(target.part)
                when = when_named(str(values[0])) if values else When.BAR
                self._restart(part, when, now_us)
            case _:
                raise UsageError(f"There is no verb {target.name}.")

    def touched(self) -> tuple[Target, ...]:
        """What changed since the last call, for echoes."""
        touched = tuple(self._touched)
        self._touched.clear()
        return touched

    # -- inside ------------------------------------------------------------------------------------------------------

    def _add_part(self, setup: PartSetup, seed: int) -> None:
        point = point_at(setup.space, prior_sample(seed, setup.space.size))
        settings = Settings(point, seed, setup.temperature)
        first_id = 1 + self._generation * _IDS_PER_GENERATION
        part = PartSession(setup.name, setup.channel, settings, setup.bars, setup.codec, first_id)
        self._parts[setup.name] = part
        self._models[setup.name] = setup.model
        self._fired[setup.name] = Fired(0, point, seed)
        self._messages.append(part.route())

    def _part(self, name: str) -> PartSession:
        if name not in self._parts:
            raise UsageError(f"There is no part {name}; there are: {', '.join(self._parts)}.")
        return self._parts[name]

    def _hand_over(self, generation: int) -> None:
        """Tell a player that took over all that the former one knew, and what it had not confirmed."""
        for part in self._parts.values():
            part.offer_again()
        self._in_flight.clear()
        muted = tuple(part.name for part in self._parts.values() if part.muted)
        held = tuple(HeldBar(part, loop_bar, bar) for (part, loop_bar), bar in self._held.items())
        routes = tuple(part.route() for part in self._parts.values())
        self._messages += [
            Adopt(generation, self._transport.state, routes, muted, held),
            SetFreezeLead(FREEZE_LEAD_US),
            *self._transport.unconfirmed(),
        ]

    def _follow(self, state: TransportState) -> None:
        tempo_bpm = self._transport.tempo_bpm
        change = self._transport.follow(state)
        if self._transport.tempo_bpm != tempo_bpm:
            self._touched[Target("tempo")] = None
        if change is Change.JUMP:
            self._held.clear()
        for part in self._parts.values():
            if change is Change.ADOPT:
                part.adopt(state.epoch)
            elif change is Change.JUMP:
                with self._settling(part):
                    part.jump(state.epoch, bar_of(state.position_ub))

    def _ask(self, part: PartSession) -> None:
        wanted = part.wanted(cue=self._start_by_us is not None or not self.playing)
        if wanted is None or self._in_flight.get(part.name, (0, None))[1] == wanted:
            return
        self._ticket += 1
        self._in_flight[part.name] = (self._ticket, wanted)
        self._requests.append(part.request(wanted, self._ticket))

    def _fire(self, part: PartSession, what: str, when: When, now_us: int) -> None:
        fired = self._fired[part.name] = self._fired[part.name].fire(what, part.settings)
        self._launch(part, when, now_us, point=fired.point, seed=fired.seed)

    def _restart(self, part: PartSession, when: When, now_us: int) -> None:
        # The loop's bars stay on the song's bar lines, so a restart falls on one at the earliest.
        self._launch(part, When.BAR if when in {When.NOW, When.BEAT} else when, now_us, restart=True)

    def _launch(
        self,
        part: PartSession,
        when: When,
        now_us: int,
        *,
        point: LatentPoint | None = None,
        seed: int | None = None,
        restart: bool = False,
    ) -> None:
        timeline = self._transport.timeline
        if not self.playing:
            with self._settling(part):
                part.apply(Launch(timeline.position_ub, point, seed, restart), now_us)
            return
        ready_us = now_us + self._transport.state.lead_us + self._budget_us + LAUNCH_MARGIN_US
        earliest_ub = max(0, timeline.position_at(ready_us))
        position_ub = launch_position_ub(when, earliest_ub, part.length_bars, part.origin_bar)
        with self._settling(part):
            part.launch(Launch(position_ub, point, seed, restart), now_us)

    @contextmanager
    def _settling(self, part: PartSession) -> Iterator[None]:
        """Notes what a step changed about a part, for the echoes and for the player."""
        settings, route = part.settings, part.route()
        yield
        if part.route() != route:
            self._messages.append(part.route())
        if part.settings.seed != settings.seed:
            self._touched[Target("seed", part.name)] = None
        old, new = settings.point, part.settings.point
        if new is old:
            return
        self._touched[Target("z", part.name)] = None
        for knob in old.knobs.keys() | new.knobs.keys():
            self._touched[Target("knob", part.name, knob + 1)] = None
        for attribute in old.attributes.keys() | new.attributes.keys():
            self._touched[Target("attr", part.name, attribute)] = None
