"""What the live view shows at one moment, and how it is gathered from what passes through the main process. Pure."""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from autoloops_bridges.control.dispatch import address_of
from autoloops_bridges.processes.options import PlayOptions
from autoloops_bridges.view.following import following_line
from autoloops_bridges.view.watched import Move
from autoloops_engine.messages import (
    FromPlayer,
    Frozen,
    OfferBar,
    PartGone,
    PlayerStats,
    PortsState,
    SyncState,
    ToPlayer,
    TransportState,
)
from autoloops_engine.notes import Bar
from autoloops_engine.session.core import Session
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.time.timeline import bar_of
from autoloops_engine.units import BAR_UB

# The range of a piano roll is that of so many bars, so that it does not jump at every bar line.
_BARS_KEPT: Final = 8
_REMARKS_KEPT: Final = 4
_VALUES_SHOWN: Final = 4


class ShownNote(NamedTuple):
    """A note in its bar: from ``start_ub`` to ``end_ub`` after the bar line; ``tied``: it began in a bar before."""

    start_ub: int
    end_ub: int
    pitch: int
    tied: bool = False


class ShownBar(Struct, frozen=True):
    """A bar as it is drawn.

    Attributes:
        song_bar: Its place in the song, from 0.
        notes: Its notes, by onset.
        origin: As in ``Frozen``; "" while it is provisional.
    """

    song_bar: int
    notes: tuple[ShownNote, ...]
    origin: str = ""


class ShownPart(Struct, frozen=True):
    """A part: its name, its state, the bar that sounds and the one after it.

    Attributes:
        pitched: Whether pitches are heights; otherwise each is an instrument of its own.
        pitches: The pitches of its latest bars, ascending.
        misses: Bars that sounded without the latest control value that came in time.
        loop_bar: Which bar of its loop sounds, from 1.
        length_bars: Bars of its loop.
        linked: Whether it shares its latent point with other parts.
    """

    name: str
    channel: int
    muted: bool
    hold: bool
    pitched: bool
    misses: int
    sounding: ShownBar | None
    next: ShownBar | None
    pitches: tuple[int, ...]
    loop_bar: int
    length_bars: int
    linked: bool


class Snapshot(Struct, frozen=True):
    """Everything that is shown.

    Attributes:
        position_ub: Where the song is, in micro-beats from the start of bar 1.
        sync: Who gives the tempo.
        following: How following goes, as a line; "" where we go our own way.
        locked: Whether we are in step with who gives the tempo.
        margin_us: How long before its freeze line the newest bar had arrived, of the part with the least time left;
            None: not known yet, or the player fell back.
        budget_us: The decode budget of a bar.
        decode_us: What the last decode took; None: there was none.
        late_max_us: The player's greatest lateness.
        control: The last move of a controller, as a line; "" if there was none.
        remarks: What the performer was told, the newest last.
    """

    playing: bool
    tempo_bpm: float
    position_ub: int
    sync: str
    following: str
    locked: bool
    seed: int
    parts: tuple[ShownPart, ...]
    selected: int
    margin_us: int | None
    budget_us: int
    decode_us: int | None
    misses: int
    fallbacks: int
    late_max_us: int
    osc: str
    listeners: int
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    control: str
    remarks: tuple[str, ...]


class Watch:
    """Keeps of the messages between session and player what a snapshot needs.

    Thread: the owner's only. Blocks: no.

    Args:
        options: What the performer asked for.
        osc: Where OSC is heard: host and port.
    """

    def __init__(self, options: PlayOptions, osc: tuple[str, int]) -> None:
        self.options = options
        self.osc = f"{osc[0]}:{osc[1]}"
        self.transport: TransportState | None = None
        self.ports: PortsState | None = None
        self.sync: SyncState | None = None
        self.decode_us: int | None = None
        self.remarks: deque[str] = deque(maxlen=_REMARKS_KEPT)
        self._bars: defaultdict[str, dict[int, ShownBar]] = defaultdict(dict)
        self._offers: defaultdict[str, dict[int, tuple[OfferBar, int]]] = defaultdict(dict)
        self._margin_us: dict[str, int | None] = {}

    def remark(self, text: str) -> None:
        """Something to tell the performer."""
        self.remarks.append(text)

    def sent(self, message: ToPlayer, now_us: int) -> None:
        """A message left for the player."""
        if isinstance(message, OfferBar):
            self._offers[message.part][message.epoch] = message, now_us

    def heard(self, message: FromPlayer) -> None:
        """A message came from the player."""
        match message:
            case TransportState():
                if self.transport is not None and message.epoch != self.transport.epoch:
                    self._jump(message.epoch)
                self.transport = message
            case Frozen():
                self._froze(message)
            case PartGone(part=part):
                for kept in (self._bars, self._offers, self._margin_us):
                    kept.pop(part, None)
            case SyncState():
                if message.remark and (self.sync is None or message.remark != self.sync.remark):
                    self.remark(message.remark)
                self.sync = message
            case PortsState():
                self.ports = message
                for text in message.remarks:
                    self.remark(text)

    def position_ub(self, now_us: int) -> int:
        """Where the song is."""
        return max(0, self.transport.song_at(now_us)) if self.transport is not None else 0

    def margin_us(self, parts: Iterable[str]) -> int | None:
        """See ``Snapshot``; of these parts."""
        told = [self._margin_us[part] for part in parts if part in self._margin_us]
        known = [margin_us for margin_us in told if margin_us is not None]
        return min(known) if known and len(known) == len(told) else None

    def frozen(self, part: str, song_bar: int) -> ShownBar | None:
        """A bar of a part that was frozen lately."""
        return self._bars[part].get(song_bar)

    def offered(self, part: str, song_bar: int | None) -> ShownBar | None:
        """The provisional bar of a part; for ``song_bar`` None whichever a start would play."""
        offers = self._offers[part]
        # What a start would play lies ready under the epoch to come.
        epoch = max(offers, default=0) if song_bar is None or self.transport is None else self.transport.epoch
        offer, _ = offers.get(epoch, (None, 0))
        if offer is None or song_bar not in {None, offer.song_bar}:
            return None
        return ShownBar(offer.song_bar, _notes(offer.bar))

    def pitches(self, part: str, also: Iterable[ShownBar | None]) -> tuple[int, ...]:
        """The pitches of the latest bars of a part, ascending."""
        bars = [*self._bars[part].values(), *(bar for bar in also if bar is not None)]
        return tuple(sorted({note.pitch for bar in bars for note in bar.notes}))

    def _jump(self, epoch: int) -> None:
        self._bars.clear()
        for offers in self._offers.values():
            for old in [other for other in offers if other < epoch]:
                del offers[old]

    def _froze(self, frozen: Frozen) -> None:
        bars = self._bars[frozen.part]
        notes = _notes(frozen.bar)
        if frozen.origin == "splice" and frozen.song_bar in bars:
            ties = {note.pitch: note.end_ub for note in notes if note.tied}
            kept = [note for note in bars[frozen.song_bar].notes if note.start_ub < frozen.from_ub]
            struck = [note for note in notes if not note.tied]
            notes = (*(_cut(note, frozen.from_ub, ties) for note in kept), *struck)
        bars[frozen.song_bar] = ShownBar(frozen.song_bar, notes, frozen.origin)
        for old in sorted(bars)[:-_BARS_KEPT]:
            del bars[old]
        if frozen.origin != "splice":
            offer, arrived_us = self._offers[frozen.part].get(frozen.epoch, (None, 0))
            fresh = offer is not None and offer.bar.id == frozen.bar.id
            self._margin_us[frozen.part] = frozen.due_us - arrived_us if fresh else None


def snapshot(
    session: Session,
    watch: Watch,
    now_us: int,
    *,
    selected: int,
    budget_us: int,
    listeners: int,
    stats: PlayerStats,
    move: Move | None,
) -> Snapshot:
    """What is to be shown at ``now_us``.

    Args:
        session: The session.
        watch: What passed between it and the player.
        now_us: The moment.
        selected: The part that keys act on, from 0.
        budget_us: The decode budget of a bar.
        listeners: How many receive everything over OSC.
        stats: What the players counted.
        move: The last move of a controller.
    """
    position_ub = watch.position_ub(now_us)
    ports = watch.ports
    (tempo_bpm,) = session.get(Target("tempo"))
    return Snapshot(
        playing=session.playing,
        tempo_bpm=float(tempo_bpm),
        position_ub=position_ub,
        sync=watch.options.sync,
        following=following_line(watch.sync, float(session.get(Target("sync/multiple"))[0])),
        locked=watch.sync is None or watch.sync.locked,
        seed=session.seed,
        parts=tuple(_part(session, watch, name, bar_of(position_ub)) for name in session.parts()),
        # The part that was selected may have left.
        selected=max(0, min(selected, len(session.parts()) - 1)),
        margin_us=watch.margin_us(session.parts()),
        budget_us=budget_us,
        decode_us=watch.decode_us,
        misses=session.misses,
        fallbacks=session.fallbacks,
        late_max_us=stats.late_max_us,
        osc=watch.osc,
        listeners=listeners,
        outputs=ports.outputs if ports else (),
        inputs=ports.inputs if ports else (),
        control=_line(move),
        remarks=tuple(watch.remarks),
    )


def _part(session: Session, watch: Watch, name: str, song_bar: int) -> ShownPart:
    sounding = watch.frozen(name, song_bar)
    if session.playing:
        following = watch.frozen(name, song_bar + 1) or watch.offered(name, song_bar + 1)
    else:
        following = watch.offered(name, None)
    return ShownPart(
        name,
        int(session.get(Target("channel", name))[0]),
        bool(session.get(Target("mute", name))[0]),
        bool(session.get(Target("hold", name))[0]),
        session.is_pitched(name),
        session.misses_of(name),
        sounding,
        following,
        watch.pitches(name, (sounding, following)),
        session.loop_bar(name, song_bar) + 1,
        int(session.get(Target("length", name))[0]),
        session.is_linked(name),
    )


def _notes(bar: Bar) -> tuple[ShownNote, ...]:
    ties = (ShownNote(0, tie.duration_ub, tie.pitch, True) for tie in bar.ties)
    notes = (ShownNote(note.start_ub, note.start_ub + note.duration_ub, note.pitch) for note in bar.notes)
    return tuple(note._replace(end_ub=min(note.end_ub, BAR_UB)) for note in (*ties, *notes))


def _cut(note: ShownNote, cut_ub: int, ties: dict[int, int]) -> ShownNote:
    """A note before a splice: where it sounds into it, it goes on to the end of its tie or ends there."""
    return note if note.end_ub < cut_ub else note._replace(end_ub=ties.get(note.pitch, cut_ub))


def _line(move: Move | None) -> str:
    if move is None:
        return ""
    # What the rig file sets at the start comes from nobody.
    words = [address_of(move.target), *_shown(move.values), *(("from", move.source) if move.source else ())]
    return " ".join(words) + (f": refused. {move.refused}" if move.refused else "")


def _shown(values: Values) -> list[str]:
    shown = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values[:_VALUES_SHOWN]]
    return [*shown, "..."] if len(values) > _VALUES_SHOWN else shown
