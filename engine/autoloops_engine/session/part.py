"""The life of a part's bars, as the session sees it: what to decode next, and what became of it."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

import numpy as np

from autoloops_engine.codecs.registry import MELODY, Codec, LoopSteps
from autoloops_engine.inference.decoder import Floats
from autoloops_engine.inference.requests import FIRST_PREVIOUS, Decoded, DecodeRequest
from autoloops_engine.messages import Frozen, OfferBar, SetPart, SpliceBar
from autoloops_engine.session.rendering import BarRecord, render
from autoloops_engine.session.settings import Launch, Settings, launched
from autoloops_engine.time.timeline import bar_of
from autoloops_engine.units import BAR_UB, STEP_UB

# Decoded bars that nobody has frozen: only the latest few can still be. Those of the loop are kept besides.
_UNFROZEN_KEPT: Final = 64
# Of a part one request runs and one waits; what was replaced while it waited is never answered.
_ASKED_KEPT: Final = 8
_CHANGES_KEPT: Final = 1_024


class Slot(Enum):
    """What a decoded bar is for."""

    SPLICE = "splice"
    NEXT = "next"
    CUE = "cue"


class Wanted(NamedTuple):
    """A bar to be decoded; equal ones need not be decoded twice."""

    slot: Slot
    epoch: int
    song_bar: int
    version: int
    after_id: int
    from_step: int = 0


class _Asked(NamedTuple):
    wanted: Wanted
    loop_bar: int
    before: BarRecord | None
    settings: Settings


class PartSession:
    """One part: its settings and its bars. Sans I/O; the session above hands in what happens.

    Args:
        name: The part's name.
        channel: MIDI channel, 1 to 16.
        settings: What it starts from.
        length_bars: Bars in its loop.
        codec: What the steps of its model mean.
        first_id: Its bars are numbered from here; a session that takes over must not use a number again.
    """

    def __init__(
        self,
        name: str,
        channel: int,
        settings: Settings,
        length_bars: int,
        codec: Codec = MELODY,
        first_id: int = 1,
    ) -> None:
        self.name = name
        self.channel = channel
        self.settings = settings
        self.length_bars = length_bars
        self._codec = codec
        self.origin_bar = 0
        self.muted = False
        self.misses = 0
        self.fallbacks = 0
        self._version = 0
        self._changes: deque[tuple[int, int]] = deque(maxlen=_CHANGES_KEPT)
        self._launches: list[Launch] = []
        self._model_bars = length_bars
        self._splice: Launch | None = None
        self._epoch = 0
        self._next_bar = 0
        self._frozen: dict[int, int] = {}
        self._records: OrderedDict[int, BarRecord] = OrderedDict()
        self._next_id = first_id
        self._last_pass: dict[int, int] = {}
        self._asked: OrderedDict[int, _Asked] = OrderedDict()
        self._done: dict[Slot, Wanted] = {}

    # -- changes ---------------------------------------------------------------------------------------------------

    @property
    def launches(self) -> tuple[Launch, ...]:
        """What is lined up, by position."""
        return tuple(self._launches)

    def line_up_again(self, launches: Iterable[Launch]) -> None:
        """Take over what a former session had lined up."""
        self._launches = list(launches)

    def route(self) -> SetPart:
        """How the player is to treat the part."""
        return SetPart(self.name, self.channel, self.length_bars, self.origin_bar, self._codec.early_ub)

    def change(self, settings: Settings, now_us: int) -> None:
        """Other settings, from the next bar that is not frozen on."""
        self.settings = settings
        self._touch(now_us)

    def set_length(self, length_bars: int, now_us: int) -> None:
        """Another length of the loop, from the next bar that is not frozen on."""
        self.length_bars = length_bars
        self._touch(now_us)

    def launch(self, launch: Launch, now_us: int) -> None:
        """Line up a launch; of its kind (fires, restarts) those for the same position or later fall away."""
        self._launches = [
            old for old in self._launches if old.position_ub < launch.position_ub or old.restart != launch.restart
        ]
        self._launches.append(launch)
        self._launches.sort(key=lambda each: each.position_ub)
        self._touch(now_us)
        self._find_splice()

    def apply(self, launch: Launch, now_us: int) -> None:
        """A launch that takes effect at once, while nothing plays."""
        self._commit(launch)
        self._touch(now_us)

    def swap(self, settings: Settings, bars: int, codec: Codec, now_us: int) -> None:
        """Another model, from the next bar that is not frozen on; nothing that the old one decoded leads into it.

        Args:
            settings: With a point of the new model's latent space.
            bars: Bars in a loop of the new model.
            codec: What its steps mean.
            now_us: The present time.
        """
        self.settings = settings
        if self.length_bars == self._model_bars:
            self.length_bars = bars
        self._model_bars = bars
        self._codec = codec
        # A restart does not care what plays; a point of the old model's space is none of the new one's.
        self._launches = [launch for launch in self._launches if launch.point is None]
        self._splice = None
        self._records.clear()
        self._last_pass.clear()
        self._asked.clear()
        self._touch(now_us)

    def loop_steps(self) -> list[LoopSteps]:
        """The steps of the loop as it last sounded, bar after bar, up to the first that is not known."""
        steps: list[LoopSteps] = []
        for loop_bar in range(self.length_bars):
            record = self._records.get(self._last_pass.get(loop_bar, 0))
            if record is None:
                break
            steps.append(record.steps)
        return steps

    def offer_again(self) -> None:
        """What was offered died with the player: decode it anew."""
        self._done.clear()

    def adopt(self, epoch: int) -> None:
        """Take over in the middle of the music: the position did not jump."""
        self._epoch = epoch

    def jump(self, epoch: int, song_bar: int) -> None:
        """The position jumped: the history is void, the loop's phase is the song's."""
        cue = self._done.get(Slot.CUE)
        self._epoch = epoch
        self._next_bar = song_bar
        self._frozen.clear()
        self._splice = None
        for launch in self._launches:
            self._commit(launch)
        self._launches.clear()
        self.origin_bar = 0
        self._done.clear()
        if cue is not None and (cue.epoch, cue.song_bar, cue.version) == (epoch, song_bar, self._version):
            self._done[Slot.NEXT] = cue._replace(slot=Slot.NEXT)

    def loop_bar(self, song_bar: int) -> int:
        """Which bar of the loop sounds at ``song_bar``."""
        return (song_bar - self.origin_bar) % self.length_bars

    # -- decoding --------------------------------------------------------------------------------------------------

    def wanted(self, *, cue: bool) -> Wanted | None:
        """The most urgent bar that is not decoded yet; None when all is done.

        Args:
            cue: Bar 1 is to lie ready for a start.
        """
        candidates: list[Wanted] = []
        if self._splice is not None and bar_of(self._splice.position_ub) in self._frozen:
            song_bar, rest_ub = divmod(self._splice.position_ub, BAR_UB)
            step = rest_ub // STEP_UB
            candidates.append(Wanted(Slot.SPLICE, self._epoch, song_bar, self._version, self._frozen[song_bar], step))
        if cue:
            candidates.append(Wanted(Slot.CUE, self._epoch + 1, 0, self._version, 0))
        after_id = self._frozen.get(self._next_bar - 1, 0)
        candidates.append(Wanted(Slot.NEXT, self._epoch, self._next_bar, self._version, after_id))
        return next((wanted for wanted in candidates if self._done.get(wanted.slot) != wanted), None)

    def cued(self) -> bool:
        """Whether bar 1 lies ready for a start as the controls are."""
        return self._done.get(Slot.CUE) == Wanted(Slot.CUE, self._epoch + 1, 0, self._version, 0)

    def request(self, wanted: Wanted, ticket: int) -> DecodeRequest:
        """What to ask the worker for ``wanted``; the answer is recognised by ``ticket``."""
        if wanted.slot is Slot.SPLICE:
            return self._splice_request(wanted, ticket)
        settings, origin_bar = self._at(wanted.song_bar * BAR_UB)
        if wanted.slot is Slot.CUE:
            # A start lets every launch that is lined up take effect.
            for launch in self._launches:
                settings = launched(settings, launch)
            origin_bar = 0
        loop_bar = (wanted.song_bar - origin_bar) % self.length_bars
        before = self._records.get(wanted.after_id)
        if loop_bar == 0 or (before is not None and before.loop_bar != loop_bar - 1):
            before = None
        asked = _Asked(wanted, loop_bar, before, settings)
        return self._ask(
            asked,
            ticket,
            origin_bar,
            state=None if before is None else before.states[-1],
            previous=FIRST_PREVIOUS if before is None else before.steps.tokens[-1],
        )

    def answered(self, decoded: Decoded) -> OfferBar | SpliceBar | None:
        """What to send to the player for an answer; None when it comes too late to be of use."""
        asked = self._asked.pop(decoded.request.ticket, None)
        if asked is None:
            return None
        wanted = asked.wanted
        if wanted.slot is Slot.SPLICE:
            return self._spliced(asked, decoded)
        epoch = self._epoch + 1 if wanted.slot is Slot.CUE else self._epoch
        if wanted.epoch != epoch or (wanted.slot is Slot.NEXT and wanted.song_bar != self._next_bar):
            return None
        self._done[wanted.slot] = wanted
        before = asked.before
        record = self._keep(
            BarRecord(
                self._next_id,
                wanted.after_id,
                asked.loop_bar,
                wanted.version,
                self._codec,
                LoopSteps(decoded.tokens, decoded.extras),
                decoded.states,
                None if before is None else before.sounding_at(len(before.steps.tokens)),
                self._transpose(asked.settings),
            )
        )
        transposed_before = record.transpose if before is None else before.transpose
        bar = render(record, asked.settings, transposed_before)
        return OfferBar(self.name, wanted.epoch, wanted.song_bar, bar)

    def failed(self, ticket: int) -> None:
        """The model failed: the player falls back, and nothing is asked again before something changes."""
        asked = self._asked.pop(ticket, None)
        if asked is not None:
            self._done[asked.wanted.slot] = asked.wanted
            if asked.wanted.slot is Slot.SPLICE:
                self._splice = None

    def froze(self, frozen: Frozen, budget_us: int) -> None:
        """The player froze a bar, or spliced one."""
        if frozen.epoch != self._epoch:
            return
        self._frozen = {at: old for at, old in self._frozen.items() if at >= frozen.song_bar - 1}
        self._frozen[frozen.song_bar] = frozen.bar.id
        self._last_pass[self.loop_bar(frozen.song_bar)] = frozen.bar.id
        if frozen.origin == "splice":
            return
        self._next_bar = frozen.song_bar + 1
        if frozen.origin == "held":
            return
        self.fallbacks += frozen.origin != "fresh"
        self._count_miss(frozen, budget_us)
        line_ub = frozen.song_bar * BAR_UB
        for launch in [due for due in self._launches if due.position_ub <= line_ub]:
            self._launches.remove(launch)
            self._commit(launch)
        self._find_splice()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _touch(self, now_us: int) -> None:
        self._version += 1
        self._changes.append((self._version, now_us))

    def _commit(self, launch: Launch) -> None:
        self.settings = launched(self.settings, launch)
        if launch.restart:
            self.origin_bar = bar_of(launch.position_ub)

    def _at(self, position_ub: int) -> tuple[Settings, int]:
        """The settings and the origin that hold at a position."""
        settings, origin_bar = self.settings, self.origin_bar
        for launch in self._launches:
            if launch.position_ub <= position_ub:
                settings = launched(settings, launch)
                origin_bar = bar_of(launch.position_ub) if launch.restart else origin_bar
        return settings, origin_bar

    def _find_splice(self) -> None:
        """A launch into a bar that is frozen already becomes a splice, and its settings hold from now on."""
        for launch in list(self._launches):
            if bar_of(launch.position_ub) in self._frozen:
                self._launches.remove(launch)
                self._commit(launch)
                self._splice = launch

    def _splice_request(self, wanted: Wanted, ticket: int) -> DecodeRequest:
        settings, origin_bar = self._at(self._splice.position_ub if self._splice else 0)
        loop_bar = (wanted.song_bar - origin_bar) % self.length_bars
        spliced = self._records.get(wanted.after_id)
        asked = _Asked(wanted, loop_bar, spliced, settings)
        if spliced is None or wanted.from_step == 0:
            return self._ask(asked, ticket, origin_bar, state=None, previous=FIRST_PREVIOUS)
        step = wanted.from_step
        previous = spliced.steps.tokens[step - 1]
        return self._ask(asked, ticket, origin_bar, state=spliced.states[step - 1], previous=previous)

    def _spliced(self, asked: _Asked, decoded: Decoded) -> SpliceBar | None:
        wanted = asked.wanted
        if wanted.epoch != self._epoch or self._splice is None:
            return None
        if self._splice.position_ub == wanted.song_bar * BAR_UB + wanted.from_step * STEP_UB:
            self._splice = None
        self._done[Slot.SPLICE] = wanted
        step, old = wanted.from_step, asked.before
        steps, states, sounding = LoopSteps(decoded.tokens, decoded.extras), decoded.states, None
        if old is not None and step > 0:
            steps = old.steps.spliced(step, steps)
            states = np.concatenate([old.states[:step], decoded.states])
            sounding = old.sounding
        record = self._keep(
            BarRecord(
                self._next_id,
                old.after_id if old is not None else 0,
                asked.loop_bar,
                wanted.version,
                self._codec,
                steps,
                states,
                sounding,
                self._transpose(asked.settings),
            )
        )
        transposed_before = record.transpose if old is None else old.transpose
        bar = render(record, asked.settings, transposed_before, step)
        return SpliceBar(self.name, wanted.epoch, wanted.song_bar, step * STEP_UB, bar)

    def _ask(
        self, asked: _Asked, ticket: int, origin_bar: int, *, state: Floats | None, previous: int
    ) -> DecodeRequest:
        self._asked[ticket] = asked
        while len(self._asked) > _ASKED_KEPT:
            self._asked.popitem(last=False)
        settings, song_bar = asked.settings, asked.wanted.song_bar
        return DecodeRequest(
            self.name,
            ticket,
            settings.point.z().astype(np.float32),
            asked.loop_bar,
            settings.seed,
            0 if settings.hold else max(0, (song_bar - origin_bar) // self.length_bars),
            settings.temperature,
            state,
            previous,
            asked.wanted.from_step if state is not None else 0,
        )

    def _transpose(self, settings: Settings) -> int:
        return settings.transpose if self._codec.pitched else 0

    def _keep(self, record: BarRecord) -> BarRecord:
        self._records[record.id] = record
        self._next_id += 1
        needed = {*self._frozen.values(), *self._last_pass.values()}
        unfrozen = [known for known in self._records if known not in needed]
        for known in unfrozen[:-_UNFROZEN_KEPT]:
            del self._records[known]
        return record

    def _count_miss(self, frozen: Frozen, budget_us: int) -> None:
        """A miss: the bar sounds without the latest change that came a budget before its freeze line."""
        in_time = [version for version, at_us in self._changes if at_us <= frozen.due_us - budget_us]
        record = self._records.get(frozen.bar.id)
        heard = -1 if record is None else record.version
        self.misses += bool(in_time) and heard < max(in_time)
