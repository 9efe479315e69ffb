"""The life of a part's bars, as the session sees it: what to decode next, and what became of it."""

from collections.abc import Iterable
from dataclasses import replace

from autoloops_engine.codecs.registry import MELODY, Codec, LoopSteps
from autoloops_engine.constraints.harmony import Harmony
from autoloops_engine.inference.levers import Found
from autoloops_engine.inference.requests import Decoded, DecodeRequest
from autoloops_engine.latent import Vector
from autoloops_engine.messages import Frozen, OfferBar, SetPart, SpliceBar
from autoloops_engine.notes import Bar
from autoloops_engine.session.decoding import record_of, request_for, sounding_bar
from autoloops_engine.session.feel import PartFeel
from autoloops_engine.session.honest import HonestFaders
from autoloops_engine.session.lineup import Lineup
from autoloops_engine.session.loop import Loop
from autoloops_engine.session.past import Past, PastBar
from autoloops_engine.session.records import BarRecords
from autoloops_engine.session.settings import Launch, Settings
from autoloops_engine.session.wanted import Asked, AskedBars, Changes, Slot, Wanted
from autoloops_engine.time.timeline import bar_of
from autoloops_engine.units import BAR_UB, STEP_UB


class PartSession:
    """One part: its settings and its bars. Sans I/O; the session above hands in what happens.

    Attributes:
        held: By bar of the loop, what the player froze last.

    Args:
        name: The part's name.
        channel: MIDI channel, 1 to 16.
        settings: What it starts from.
        length_bars: Bars in its loop.
        codec: What the steps of its model mean.
        first_id: Its bars are numbered from here; a session that takes over must not use a number again.
        port: The port of the rig file that it plays to; empty: that of ``--midi-out``.
    """

    def __init__(
        self,
        name: str,
        channel: int,
        settings: Settings,
        length_bars: int,
        codec: Codec = MELODY,
        first_id: int = 1,
        port: str = "",
    ) -> None:
        self.name = name
        self.channel = channel
        self.port = port
        self.length_bars = length_bars
        self.muted = False
        self.feel = PartFeel()
        self.misses = 0
        self.fallbacks = 0
        self.silences = 0
        self._codec = codec
        self._model_bars = length_bars
        self._lineup = Lineup(settings)
        self._changes = Changes()
        self._epoch = 0
        self._next_bar = 0
        self._records = BarRecords(first_id)
        self._asked = AskedBars()
        self._done: dict[Slot, Wanted] = {}
        self._harmony = Harmony()
        self.honest = HonestFaders()
        self.past = Past()
        self.held: dict[int, Bar] = {}
        self._first_bar = 0

    # -- changes ---------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """What holds where nothing is lined up before."""
        return self._lineup.settings

    @property
    def codec(self) -> Codec:
        """What the steps of its model mean."""
        return self._codec

    @property
    def model_bars(self) -> int:
        """Bars in a loop of its model."""
        return self._model_bars

    @property
    def next_bar(self) -> int:
        """The first song bar that is not frozen."""
        return self._next_bar

    @property
    def origin_bar(self) -> int:
        """The song bar on which bar 0 of the loop falls."""
        return self._lineup.origin_bar

    @property
    def launches(self) -> tuple[Launch, ...]:
        """What is lined up, by position."""
        return self._lineup.launches

    def resume(
        self,
        settings: Settings,
        length_bars: int,
        origin_bar: int,
        launches: Iterable[Launch],
        harmony: Harmony,
        *,
        muted: bool,
    ) -> None:
        """Take over what a former session left."""
        self._harmony = harmony
        self.length_bars = length_bars
        self.muted = muted
        self._lineup.resume(settings, origin_bar, launches)

    def settle(self, now_us: int) -> None:
        """What was taken over holds from the next bar that is not frozen on; launches that are over have been heard."""
        self._lineup.splice = None
        self._lineup.commit_until(self._next_bar * BAR_UB - 1)
        self._changes.touch(now_us)

    def route(self) -> SetPart:
        """How the player is to treat the part."""
        feel = self.feel
        return SetPart(
            self.name,
            self.channel,
            self.length_bars,
            self.origin_bar,
            self._codec.early_ub,
            feel.offset_us,
            feel.swing,
            self.port,
        )

    def change(self, settings: Settings, now_us: int) -> None:
        """Other settings, from the next bar that is not frozen on."""
        self._lineup.settings = settings.going_on_from(self._lineup.settings)
        self._changes.touch(now_us)

    def keep_to(self, harmony: Harmony, now_us: int) -> None:
        """Another harmony, from the next bar that is not frozen on."""
        self._harmony = harmony
        self._lineup.settings = replace(self._lineup.settings, as_heard=())
        self._changes.touch(now_us)

    def set_length(self, length_bars: int, now_us: int) -> None:
        """Another length of the loop, from the next bar that is not frozen on."""
        self.length_bars = length_bars
        self._changes.touch(now_us)

    def launch(self, launch: Launch, now_us: int) -> None:
        """Line up a launch; of its kind (fires, restarts) those for the same position or later fall away."""
        self._lineup.add(launch)
        self._changes.touch(now_us)
        self._lineup.find_splice(self._records.frozen)

    def take_replaced(self) -> bool:
        """Whether a launch has put another point into the place of the one that was, since the last call."""
        replaced, self._lineup.replaced = self._lineup.replaced, False
        return replaced

    def apply(self, launch: Launch, now_us: int) -> None:
        """A launch that takes effect at once, while nothing plays."""
        self._lineup.commit(launch)
        self._changes.touch(now_us)

    def follow(self, other: "PartSession", now_us: int) -> None:
        """Take over the latent point of another part of the same model, from the next bar that is not frozen on."""
        self._lineup.follow(other._lineup)
        self._changes.touch(now_us)
        self._lineup.find_splice(self._records.frozen)

    def swap(self, settings: Settings, bars: int, codec: Codec, now_us: int) -> None:
        """Another model, from the next bar that is not frozen on; nothing that the old one decoded leads into it.

        Args:
            settings: With a point of the new model's latent space.
            bars: Bars in a loop of the new model.
            codec: What its steps mean.
            now_us: The present time.
        """
        if self.length_bars == self._model_bars:
            self.length_bars = bars
        self._model_bars = bars
        self._codec = codec
        self._lineup.change_model(settings)
        self._records.change_model()
        self.past.clear()
        self._asked.clear()
        self.honest.clear()
        self._changes.touch(now_us)

    def loop_steps(self) -> list[LoopSteps]:
        """The steps of the loop as it last sounded, bar after bar, up to the first that is not known."""
        return [record.steps for record in self._records.loop(self.length_bars)]

    def offer_again(self) -> None:
        """What was offered died with the player: decode it anew."""
        self._done.clear()

    def adopt(self, epoch: int) -> None:
        """Take over in the middle of the music: the position did not jump."""
        self._epoch = epoch

    def join(self, epoch: int, first_bar: int) -> None:
        """Begin, or begin again, with a bar of the song: what is known from before leads nowhere."""
        self._epoch = epoch
        self._next_bar = self._first_bar = first_bar
        self._records.jump()
        self._asked.clear()
        self._done.clear()
        self.held.clear()

    def jump(self, epoch: int, song_bar: int) -> None:
        """The position jumped: the history is void, the loop's phase is the song's."""
        cue = self._done.get(Slot.CUE)
        self._epoch = epoch
        self._next_bar = song_bar
        self._first_bar = 0
        self._records.jump()
        self._lineup.jump()
        self.held.clear()
        self._done.clear()
        if cue is not None and (cue.epoch, cue.song_bar, cue.version) == (epoch, song_bar, self._changes.version):
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
        version, frozen, splice = self._changes.version, self._records.frozen, self._lineup.splice
        if splice is not None and bar_of(splice.position_ub) in frozen:
            song_bar, rest_ub = divmod(splice.position_ub, BAR_UB)
            step = rest_ub // STEP_UB
            candidates.append(Wanted(Slot.SPLICE, self._epoch, song_bar, version, frozen[song_bar], step))
        if cue:
            candidates.append(Wanted(Slot.CUE, self._epoch + 1, 0, version, 0))
        after_id = frozen.get(self._next_bar - 1, 0)
        candidates.append(Wanted(Slot.NEXT, self._epoch, self._next_bar, version, after_id))
        return next((wanted for wanted in candidates if self._done.get(wanted.slot) != wanted), None)

    def cued(self) -> bool:
        """Whether bar 1 lies ready for a start as the controls are."""
        return self._done.get(Slot.CUE) == Wanted(Slot.CUE, self._epoch + 1, 0, self._changes.version, 0)

    def request(self, wanted: Wanted, ticket: int) -> DecodeRequest:
        """What to ask the worker for ``wanted``; the answer is recognised by ``ticket``."""
        settings, origin_bar = self._holding(wanted)
        loop_bar = (wanted.song_bar - origin_bar) % self.length_bars
        before = self._records.get(wanted.after_id)
        if wanted.slot is not Slot.SPLICE and before is not None and (loop_bar == 0 or before.loop_bar != loop_bar - 1):
            before = None
        loop = self._loop(settings, origin_bar, wanted.song_bar)
        asked = Asked(wanted, loop_bar, before, loop, self.honest.levers(loop))
        self._asked.keep(ticket, asked)
        return request_for(asked, ticket)

    def splices(self, ticket: int) -> bool:
        """Whether what was asked for with a ticket replaces the rest of a bar that is frozen."""
        return self._asked.slot(ticket) is Slot.SPLICE

    def answered(self, decoded: Decoded) -> OfferBar | SpliceBar | None:
        """What to send to the player for an answer; None when it comes too late to be of use."""
        asked = self._asked.take(decoded.request.ticket)
        if asked is None or not self._in_time(asked.wanted):
            return None
        wanted, splice = asked.wanted, self._lineup.splice
        self._done[wanted.slot] = wanted
        last, bar_id = self._records.last(asked.loop_bar), self._records.next_id
        bar = sounding_bar(asked, self._records.keep(record_of(asked, decoded, last, bar_id)))
        if wanted.slot is not Slot.SPLICE:
            return OfferBar(self.name, wanted.epoch, wanted.song_bar, bar)
        from_ub = wanted.from_step * STEP_UB
        if splice is not None and splice.position_ub == wanted.song_bar * BAR_UB + from_ub:
            self._lineup.splice = None
        return SpliceBar(self.name, wanted.epoch, wanted.song_bar, from_ub, bar)

    def failed(self, ticket: int) -> None:
        """The model failed: the player falls back, and nothing is asked again before something changes."""
        asked = self._asked.take(ticket)
        if asked is not None:
            self._done[asked.wanted.slot] = asked.wanted
            if asked.wanted.slot is Slot.SPLICE:
                self._lineup.splice = None

    def froze(self, frozen: Frozen, budget_us: int) -> None:
        """The player froze a bar, or spliced one."""
        if frozen.epoch != self._epoch or frozen.song_bar < self._first_bar:
            return
        self._records.froze(frozen.song_bar, self.loop_bar(frozen.song_bar), frozen.bar.id)
        if frozen.origin == "splice":
            self._remember(frozen)
            return
        self._next_bar = frozen.song_bar + 1
        if frozen.origin == "held":
            return
        self._remember(frozen)
        self.fallbacks += frozen.origin != "fresh"
        self.silences += frozen.origin == "empty"
        # A miss: the bar sounds without the latest change that came a budget before its freeze line.
        record = self._records.get(frozen.bar.id)
        heard = -1 if record is None else record.version
        self.misses += self._changes.missed_by(heard, frozen.due_us - budget_us)
        self._lineup.commit_until(frozen.song_bar * BAR_UB)
        self._lineup.find_splice(self._records.frozen)

    # -- honest faders -----------------------------------------------------------------------------------------------

    def next_loop(self) -> Loop:
        """The loop as it is decoded from the next bar that is not frozen on."""
        return self._loop(*self._lineup.at(self._next_bar * BAR_UB), self._next_bar)

    @property
    def has_faders(self) -> bool:
        """Whether an attribute fader may be off its rest."""
        return bool(self.settings.point.attributes or self.launches)

    def z(self) -> Vector:
        """The latent point as it is decoded, float64 [Z]."""
        levers = self.honest.levers(self.next_loop())
        return self.settings.point.z() if levers is None else levers.z(self.settings.point)

    def found(self, found: Found) -> bool:
        """Takes in what was found; whether the next bar is to be decoded anew."""
        heard = self.honest.take(found, self.next_loop())
        if heard:
            self._changes.renew()
        return heard

    # -- inside ----------------------------------------------------------------------------------------------------

    def _remember(self, frozen: Frozen) -> None:
        record = self._records.get(frozen.bar.id)
        if record is not None:
            at = (frozen.song_bar, record.loop_bar, self.length_bars)
            self.past.add(PastBar(*at, record.steps, record.settings, record.harmony, (frozen,)))

    def _holding(self, wanted: Wanted) -> tuple[Settings, int]:
        """The settings and the origin that hold where a bar is wanted."""
        match wanted.slot:
            case Slot.CUE:
                return self._lineup.at_start(), 0
            case Slot.SPLICE:
                splice = self._lineup.splice
                return self._lineup.at(splice.position_ub if splice else 0)
            case Slot.NEXT:
                return self._lineup.at(wanted.song_bar * BAR_UB)

    def _in_time(self, wanted: Wanted) -> bool:
        """Whether the player can still use a bar."""
        match wanted.slot:
            case Slot.CUE:
                return wanted.epoch == self._epoch + 1
            case Slot.SPLICE:
                return wanted.epoch == self._epoch and self._lineup.splice is not None
            case Slot.NEXT:
                return wanted.epoch == self._epoch and wanted.song_bar == self._next_bar

    def _loop(self, settings: Settings, origin_bar: int, song_bar: int) -> Loop:
        passes = (song_bar - origin_bar) // self.length_bars
        pass_index = 0 if settings.hold else max(0, passes)
        first_bar = max(0, origin_bar + passes * self.length_bars)
        transpose = settings.shift if self._codec.pitched else 0
        return Loop(self.name, self._codec, settings, self._harmony, transpose, pass_index, self.length_bars, first_bar)
