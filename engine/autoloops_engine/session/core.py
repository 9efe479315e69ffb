"""The session: parts, controls and launches, driven by controllers, by the player's messages and by decoded bars.

Nothing here opens a port, reads a clock or waits. The shell carries ``take_messages`` to the player and
``take_requests`` to the inference worker, and hands back what they answer.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.inference.levers import Found, SearchRequest
from autoloops_engine.inference.requests import Decoded, DecodeRequest, Failed
from autoloops_engine.messages import FromPlayer, Hello, SetFreezeLead, ToPlayer, TransportState
from autoloops_engine.session import controls, later, remembered, reports, takeover, verbs
from autoloops_engine.session.asking import Asking
from autoloops_engine.session.ear import Phrase
from autoloops_engine.session.remembered import PastState
from autoloops_engine.session.settings import Arrival, PartSetup
from autoloops_engine.session.sharing import swap_model
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.stage import FREEZE_LEAD_US, Stage
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Acted, Target, Values
from autoloops_engine.session.takes import Sequence as Collected
from autoloops_engine.session.undo import Undo

# More than a flood of OSC brings between two rounds of a shell.
_CONTROLS_KEPT: Final = 65_536


class Session:
    """Implements the ``Surface`` protocol. Thread: the owner's only. Blocks: never.

    Args:
        parts: In the order in which they are shown.
        seed: Everything random follows from it.
        tempo_bpm: Tempo to begin with, 20 to 999.
        generation: 0 for a new session; a main process that took over counts up.
    """

    def __init__(self, parts: Sequence[PartSetup], seed: int, tempo_bpm: float, generation: int = 0) -> None:
        self.model_failures: deque[str] = deque(maxlen=16)
        self._stage = Stage(parts, seed, tempo_bpm, generation)
        self._stage.messages.insert(0, SetFreezeLead(FREEZE_LEAD_US))
        self._parts = self._stage.parts
        self._asking = Asking(self._stage)
        self._undo = Undo()
        self._controls: deque[Acted] = deque(maxlen=_CONTROLS_KEPT)

    @property
    def seed(self) -> int:
        """Everything random follows from it."""
        return self._stage.seed

    @property
    def playing(self) -> bool:
        """Whether time runs."""
        return self._stage.playing

    @property
    def transport(self) -> TransportState:
        """The transport as the player reported it last."""
        return self._stage.transport.state

    @property
    def slots(self) -> Slots:
        """What the slots hold."""
        return self._stage.slots

    @property
    def misses(self) -> int:
        """Bars that sounded without the latest control value that came in time."""
        return sum(part.misses for part in self._parts.values())

    def misses_of(self, part: str) -> int:
        """The same of one part.

        Raises:
            UsageError: there is no such part.
        """
        return self._stage.part(part).misses

    def loop_bar(self, part: str, song_bar: int) -> int:
        """Which bar of a part's loop, from 0, sounds at a bar of the song, from 0.

        Raises:
            UsageError: there is no such part.
        """
        return self._stage.part(part).loop_bar(song_bar)

    def is_linked(self, part: str) -> bool:
        """Whether a part shares its latent point with others.

        Raises:
            UsageError: there is no such part.
        """
        return bool(self._stage.linked(self._stage.part(part)))

    def is_pitched(self, part: str) -> bool:
        """Whether a part's notes are heights; otherwise each is an instrument of its own.

        Raises:
            UsageError: there is no such part.
        """
        return self._stage.part(part).codec.pitched

    @property
    def fallbacks(self) -> int:
        """Bars that sounded without a fresh decode."""
        return sum(part.fallbacks for part in self._parts.values())

    @property
    def silences(self) -> int:
        """Bars that were silent because nothing was ever decoded for them."""
        return sum(part.silences for part in self._parts.values())

    # -- what the shell carries --------------------------------------------------------------------------------------

    def take_messages(self) -> list[ToPlayer]:
        """What to send to the player since the last call."""
        messages = self._stage.messages.copy()
        self._stage.messages.clear()
        return messages

    def take_requests(self, now_us: int) -> list[DecodeRequest]:
        """What to decode since the last call."""
        return self._asking.bars(now_us)

    def splices(self, request: DecodeRequest) -> bool:
        """Whether a request is for the rest of a bar that is frozen already: nothing else is asked for before."""
        part = self._parts.get(request.part)
        return part is not None and part.splices(request.ticket)

    def take_searches(self, now_us: int) -> list[SearchRequest]:
        """What to search for since the last call."""
        return self._asking.searches(now_us)

    def on_found(self, found: Found) -> None:
        """Take in what a search found."""
        part = self._parts.get(found.request.part)
        if part is not None and part.found(found):
            self._stage.touch(Target("z", part.name))

    def set_budget(self, budget_us: int) -> None:
        """The decode budget of a bar, in microseconds."""
        self._stage.budget_us = budget_us

    def on_player(self, message: FromPlayer) -> None:
        """Take in what the player reports."""
        if isinstance(message, Hello) and message.generation > 0:
            self._asking.forget_all()
        reports.take(self._stage, message)

    def on_answer(self, answer: Decoded | Failed, now_us: int) -> None:
        """Take in what the worker answers."""
        self._asking.answered(answer.request)
        part = self._parts.get(answer.request.part)
        if part is None:
            # It left while this was decoded.
            return
        if isinstance(answer, Failed):
            self.model_failures.append(answer.reason)
            part.failed(answer.request.ticket)
        else:
            message = part.answered(answer)
            if message is not None:
                self._stage.messages.append(message)
        self.advance(now_us)

    def advance(self, now_us: int) -> None:
        """Do what has become due: a start whose bar 1 lies ready, or which waited long enough."""
        self._stage.now_us = now_us
        later.settle(self._stage, now_us)
        verbs.start_if_ready(self._stage, now_us)

    def next_deadline_us(self) -> int | None:
        """When ``advance`` and the two that take requests have to be called next; None: nothing becomes due."""
        deadlines_us = (self._stage.start_by_us, *self._asking.deadlines_us(), later.next_due_us(self._stage))
        return min((deadline_us for deadline_us in deadlines_us if deadline_us is not None), default=None)

    def take_wishes(self) -> dict[str, str]:
        """By part, the model that somebody wants for it since the last call; loading it is the shell's work."""
        wishes = self._stage.wishes.copy()
        self._stage.wishes.clear()
        return wishes

    def take_arrivals(self) -> list[Arrival]:
        """The parts that somebody wants since the last call; loading their models is the shell's work."""
        arrivals = self._stage.arrivals.copy()
        self._stage.arrivals.clear()
        return arrivals

    def join(self, setup: PartSetup, now_us: int) -> None:
        """A part joins in, whose model is loaded; undo takes it back."""
        self._undo.join(self._stage, setup, now_us)

    def awaits(self, part: str) -> bool:
        """Whether a part is wanted that has not joined in yet."""
        return part in self._stage.awaited

    def deny(self, part: str) -> None:
        """A part that was wanted cannot be had."""
        self._stage.awaited.discard(part)

    def cast(self) -> tuple[PartSetup, ...]:
        """What the parts were set up with, in order."""
        return tuple(self._stage.setups[name] for name in self._parts)

    def remembered(self) -> list[PartSetup]:
        """What parts were set up with that undo and redo can bring back."""
        return self._undo.setups()

    def take_phrases(self) -> list[Phrase]:
        """What parts are to take up since the last call; encoding it is the shell's work."""
        phrases = self._stage.phrases.copy()
        self._stage.phrases.clear()
        return phrases

    def take_up(self, phrase: Phrase, z: Sequence[float], now_us: int) -> None:
        """A phrase was encoded: launch it as it was asked for; undo takes it back.

        Raises:
            UsageError: the part plays another model by now.
        """
        self._undo.take_up(self._stage, phrase, list(z), now_us)

    def take_controls(self) -> list[Acted]:
        """What was set and done since the last call; of more than a shell reads in between, the latest."""
        controls = list(self._controls)
        self._controls.clear()
        return controls

    def take_failures(self) -> list[tuple[str, str]]:
        """What went wrong since the last call without anybody waiting for an answer: addresses and sentences."""
        failures = self._stage.failures.copy()
        self._stage.failures.clear()
        return failures

    def take_slots(self) -> Slots | None:
        """What the slots hold, if that changed since the last call."""
        changed, self._stage.slots_changed = self._stage.slots_changed, False
        return self._stage.slots if changed else None

    def restore_slots(self, slots: Slots) -> None:
        """Fill the slots with what was stored before."""
        self._stage.slots = slots

    def take_sequence(self) -> Collected | None:
        """The sequence, if it changed since the last call."""
        changed, self._stage.sequence_changed = self._stage.sequence_changed, False
        return self._stage.sequence if changed else None

    def restore_sequence(self, sequence: Collected) -> None:
        """Begin with the sequence that was collected before."""
        self._stage.sequence = sequence

    def loop_steps(self, part: str) -> list[LoopSteps]:
        """The steps of a part's loop as it last sounded, bar after bar, as far as they are known."""
        return self._stage.part(part).loop_steps()

    def swap_model(self, setup: PartSetup, z: Sequence[float] | None, now_us: int) -> None:
        """Give a part another model, heard from the next bar line on.

        Args:
            setup: The part with its new model; its channel and temperature stay as they are.
            z: The present loop as the new model encodes it; None: a point drawn with the part's seed. A part whose new
                model plays other parts already takes over their point instead.
            now_us: The present time.
        """
        swap_model(self._stage, setup, z, now_us)
        self._undo.clear()
        self._asking.forget(setup.name)

    def state(self) -> SessionState:
        """The session as plain data."""
        return takeover.state_of(self._stage)

    def restore(self, state: SessionState) -> None:
        """Take over what a former main process left, and ask the player for the rest.

        A part that it did not have, or whose model is another, begins anew.
        """
        takeover.restore(self._stage, state)

    def take_past(self) -> list[PastState]:
        """What parts played since the last call."""
        return remembered.take_past(self._stage)

    def restore_past(self, past: list[PastState]) -> None:
        """Remember what was played before; behind ``restore``."""
        remembered.restore_past(self._stage, past)

    def resume(self, state: SessionState) -> None:
        """Go on with what was set in a performance that is over; only before anything of this one has sounded.

        A part that it did not have, or whose model is another, begins anew.
        """
        takeover.resume(self._stage, state)

    # -- Surface -----------------------------------------------------------------------------------------------------

    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in order."""
        return tuple(self._parts)

    def attributes(self, part: str) -> tuple[str, ...]:
        """The attribute faders of a part."""
        return tuple(self._stage.part(part).settings.point.space.attributes)

    def targets(self) -> tuple[Target, ...]:
        """Everything that has a value."""
        return controls.targets(self._stage)

    def get(self, target: Target) -> Values:
        """The present value; see ``Surface``."""
        return controls.read(self._stage, target)

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """Set a value; see ``Surface``."""
        before = self._undo.before(self._stage, target, now_us)
        controls.write(self._stage, target, values, now_us)
        self._undo.done(before, target, now_us)
        self._controls.append(Acted(target, values, now_us, self._stage.budget_us))

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """Do what a verb says; see ``Surface``."""
        if target.name == "undo":
            self._undo.undo(self._stage, now_us)
        elif target.name == "redo":
            self._undo.redo(self._stage, now_us)
        else:
            before = self._undo.before(self._stage, target, now_us)
            verbs.act(self._stage, target, values, now_us)
            self._undo.done(before, target, now_us)
        self._controls.append(Acted(target, values, now_us, self._stage.budget_us))

    def touched(self) -> tuple[Target, ...]:
        """What changed since the last call, for echoes."""
        touched = tuple(self._stage.touched)
        self._stage.touched.clear()
        return touched
