"""A session that is told again what it was told on stage, in the same order. Pure, but for the models that it runs.

What the player reported is in the record: the transport, each frozen bar, each splice. So nothing has to be guessed of
when a bar was frozen or where a launch could still reach. Only until when a decode on stage still heard a control is
not recorded: a bar counts as the same when it is what the part asked for at any moment since the bar before was frozen.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import structs

from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.levers import Found, SearchRequest
from autoloops_engine.inference.requests import DecodeRequest, Failed, decode
from autoloops_engine.inference.search import search
from autoloops_engine.messages import Frozen, OfferBar, PartGone, SpliceBar, TransportState
from autoloops_engine.notes import Bar
from autoloops_engine.session.core import Session
from autoloops_engine.session.wanted import ASKED_KEPT

# At this time every bar may be asked for: of those that were, the pace on stage left some out.
_WHENEVER_US: Final = 1 << 62
# Origins of bars that were decoded for their place; the others the player held already.
_DECODED: Final = frozenset({"fresh", "splice"})


class _Place(NamedTuple):
    """Which bar, or from where on the rest of one, is replaced."""

    part: str
    epoch: int
    song_bar: int
    spliced_from_ub: int | None


class Retold:
    """Feeds a session and decodes what it asks for, each bar only once the record says that it froze.

    Attributes:
        session: The session.
        decoders: A decoder for each of its parts.
        now_us: The time that it has got to, on the record's clock.
        searches_at_once: Nothing will tell when a search for honest faders was heard, so each is answered at once.

    Args:
        session: As it began.
        decoders: See above.
        began_us: When it began.
    """

    def __init__(self, session: Session, decoders: dict[str, Decoder], began_us: int) -> None:
        self.session = session
        self.decoders = decoders
        self.now_us = began_us
        self.searches_at_once = True
        self._asked: defaultdict[str, deque[DecodeRequest]] = defaultdict(lambda: deque(maxlen=ASKED_KEPT))
        self._searches: dict[str, SearchRequest] = {}
        self._made: defaultdict[_Place, list[Bar]] = defaultdict(list)
        self._ids: dict[int, int] = {}

    def run_until(self, until_us: int) -> None:
        """Let pass what time alone brings about."""
        self.ask()
        while (due_us := self.session.next_deadline_us()) is not None and self.now_us < due_us <= until_us:
            self.now_us = due_us
            self.session.advance(due_us)
            self.ask()
        self.now_us = max(self.now_us, until_us)
        self.session.advance(self.now_us)
        self.ask()

    def ask(self) -> None:
        """Note what the session asks for by now; to be called after each thing that happens to it."""
        while True:
            searches = self.session.take_searches(self.now_us)
            for wanted in searches:
                self._searches[wanted.part] = wanted
                if self.searches_at_once:
                    self.find(wanted.part)
            requests = self.session.take_requests(_WHENEVER_US)
            for request in requests:
                if self.session.splices(request):
                    # The next bar is asked for only behind it.
                    self._answer(request)
                else:
                    self._asked[request.part].append(request)
            self._collect()
            if not requests and not searches:
                return

    def find(self, part: str) -> None:
        """A search for a part's faders was heard."""
        request = self._searches.pop(part, None)
        if request is not None and part in self.decoders:
            self.session.on_found(_found(self.decoders[part], request))

    def follow(self, state: TransportState) -> None:
        """The transport is another."""
        known = self.session.transport
        if not known.playing or state.epoch != known.epoch:
            # What lay ready for a start can be told from what was asked before it alone.
            for part in list(self._asked):
                self._answer_all(part)
            self.ask()
        self.session.on_player(state)
        self.ask()

    def froze(self, frozen: Frozen) -> bool | None:
        """A bar froze, or was spliced.

        Returns:
            Whether it comes out the same; None: it was not decoded for its place, and is taken as it was played.
        """
        self.run_until(frozen.at_us)
        if frozen.origin not in _DECODED:
            self._tell(frozen, structs.replace(frozen.bar, id=self._ids.get(frozen.bar.id, 0)))
            return None
        spliced_from_ub = frozen.from_ub if frozen.origin == "splice" else None
        place = _Place(frozen.part, frozen.epoch, frozen.song_bar, spliced_from_ub)
        newest: Bar | None = None
        for bar in self._candidates(place):
            newest = newest or bar
            if (bar.notes, bar.ties) == (frozen.bar.notes, frozen.bar.ties):
                self._tell(frozen, bar)
                return True
        self._tell(frozen, newest or structs.replace(frozen.bar, id=0))
        return False

    def gone(self, part: str) -> None:
        """A part that was to leave has left."""
        self.session.on_player(PartGone(part))
        self.ask()

    def replaced(self, generation: int) -> None:
        """Another main process went on with the session: of what had sounded it knew nothing but what is remembered."""
        # What the one before it offered can still freeze.
        for part in list(self._asked):
            self._answer_all(part)
        old = self.session
        state, past, slots = old.state(), old.take_past(), old.slots
        self.session = Session(old.cast(), old.seed, state.tempo_bpm, generation)
        self.session.restore(state)
        self.session.restore_past(past)
        self.session.restore_slots(slots)
        self._searches.clear()
        self.ask()

    def _candidates(self, place: _Place) -> Iterator[Bar]:
        """What was asked for in a place, the newest first."""
        asked = self._asked[place.part] if place.spliced_from_ub is None else deque[DecodeRequest]()
        while asked:
            made = len(self._made[place])
            self._answer(asked.pop())
            self._collect()
            yield from self._made[place][made:]
        yield from reversed(self._made[place])

    def _tell(self, frozen: Frozen, bar: Bar) -> None:
        if frozen.bar.id:
            self._ids[frozen.bar.id] = bar.id
        if frozen.origin == "fresh":
            # Asked for this bar, all of it.
            self._asked.pop(frozen.part, None)
        self._made = defaultdict(
            list,
            {
                place: bars
                for place, bars in self._made.items()
                if place.part != frozen.part or (place.epoch, place.song_bar) >= (frozen.epoch, frozen.song_bar - 1)
            },
        )
        self.session.on_player(structs.replace(frozen, bar=bar))
        self.ask()

    def _answer_all(self, part: str) -> None:
        asked = self._asked.pop(part, deque())
        for request in asked:
            self._answer(request)
        self._collect()

    def _answer(self, request: DecodeRequest) -> None:
        if request.part not in self.decoders:
            return
        try:
            self.session.on_answer(decode(self.decoders[request.part], request), self.now_us)
        except ModelError as error:
            self.session.on_answer(Failed(request, str(error)), self.now_us)

    def _collect(self) -> None:
        for message in self.session.take_messages():
            match message:
                case OfferBar(part=part, epoch=epoch, song_bar=song_bar, bar=bar):
                    self._made[_Place(part, epoch, song_bar, None)].append(bar)
                case SpliceBar(part=part, epoch=epoch, song_bar=song_bar, from_ub=from_ub, bar=bar):
                    self._made[_Place(part, epoch, song_bar, from_ub)].append(bar)


def _found(decoder: Decoder, request: SearchRequest) -> Found:
    try:
        running = search(decoder, request)
        while True:
            next(running)
    except StopIteration as done:
        return Found(request, done.value)
    except ModelError:
        return Found(request, None)
