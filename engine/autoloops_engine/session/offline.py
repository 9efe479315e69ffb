"""A whole performance without a clock: session, player and decoder joined, as fast as the decoder allows.

``render`` writes what ``play`` plays, because it runs the very same cores. Tests use ``Performance`` with decode times
of their choice.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.levers import Found, SearchRequest
from autoloops_engine.inference.requests import Decoded, DecodeRequest, Failed, decode
from autoloops_engine.inference.search import search
from autoloops_engine.messages import EndAfter, Ended, FromPlayer, Frozen
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event
from autoloops_engine.session.core import Session
from autoloops_engine.session.recording import RecordedNote, Recorder
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.time.swing import Swing


class Performance:
    """Session and player on a clock that jumps from deadline to deadline.

    Args:
        session: The session.
        decoders: A decoder for each of its parts.
        tempo_bpm: The session's tempo.
        decode_us: How long a decode is to take on the fake clock.
        search_us: How long a search for honest faders is to take on it.
        lead_us: How far ahead the one sink wants its events.
    """

    def __init__(
        self,
        session: Session,
        decoders: Mapping[str, Decoder],
        tempo_bpm: float,
        *,
        decode_us: Callable[[DecodeRequest], int] = lambda request: 0,
        search_us: int = 0,
        lead_us: int = 0,
    ) -> None:
        self.session = session
        self.player = Player(tempo_bpm, 0)
        self.now_us = 0
        self.events: list[Event] = []
        self.heard: list[FromPlayer] = []
        self.decoders = dict(decoders)
        self._decode_us = decode_us
        self._search_us = search_us
        self._searching: list[tuple[int, SearchRequest]] = []
        self._busy_until_us = 0
        self._waiting: dict[str, DecodeRequest] = {}
        self._running: list[tuple[int, int, DecodeRequest]] = []
        self.player.attach("out", lead_us, 0)
        self.settle()

    def settle(self) -> None:
        """Carry messages, requests and answers until nothing is left to do at this moment."""
        while True:
            messages = self.session.take_messages()
            for message in messages:
                self.player.handle(message, self.now_us)
            self.events += [event for _, event in self.player.advance(self.now_us)]
            reports = self.player.take_messages()
            for report in reports:
                self.session.on_player(report)
            self.heard += reports
            requests = self.session.take_requests(self.now_us)
            self._waiting |= {request.part: request for request in requests}
            searched = self._search()
            if not self._work() and not messages and not reports and not requests and not searched:
                return

    def run_until(self, until_us: int) -> None:
        """Go on, deadline by deadline, up to ``until_us``."""
        self.settle()
        while (deadline_us := self._next_deadline_us()) is not None and deadline_us <= until_us:
            self.now_us = max(self.now_us, deadline_us)
            self.session.advance(self.now_us)
            self.settle()
        self.now_us = max(self.now_us, until_us)
        self.settle()

    def _next_deadline_us(self) -> int | None:
        deadlines_us = [self.player.next_deadline_us(), self.session.next_deadline_us()]
        deadlines_us += [due_us for due_us, _, _ in self._running[:1]]
        deadlines_us += [due_us for due_us, _ in self._searching]
        return min((deadline_us for deadline_us in deadlines_us if deadline_us is not None), default=None)

    def _work(self) -> bool:
        """One worker: a request at a time, the latest of each part, in the order in which parts asked."""
        worked = False
        while self._running and self._running[0][0] <= self.now_us:
            _, _, request = heapq.heappop(self._running)
            self.session.on_answer(self._answer(request), self.now_us)
            worked = True
        if self._waiting and not self._running:
            part = next(iter(self._waiting))
            request = self._waiting.pop(part)
            heapq.heappush(self._running, (self.now_us + self._decode_us(request), request.ticket, request))
            worked = True
        return worked

    def _search(self) -> bool:
        """Searches beside the bars."""
        requests = self.session.take_searches(self.now_us)
        self._searching += [(self.now_us + self._search_us, request) for request in requests]
        due = [request for due_us, request in self._searching if due_us <= self.now_us]
        self._searching = [each for each in self._searching if each[0] > self.now_us]
        for request in due:
            self.session.on_found(self._found(request))
        return bool(due)

    def _found(self, request: SearchRequest) -> Found:
        try:
            running = search(self.decoders[request.part], request)
            while True:
                next(running)
        except StopIteration as done:
            return Found(request, done.value)
        except ModelError:
            return Found(request, None)

    def _answer(self, request: DecodeRequest) -> Decoded | Failed:
        try:
            return decode(self.decoders[request.part], request)
        except ModelError as error:
            return Failed(request, str(error))


_STRAIGHT: Final = Swing()


def render(
    parts: Sequence[PartSetup],
    decoders: Mapping[str, Decoder],
    *,
    seed: int,
    tempo_bpm: float,
    bars: int,
    swing: Swing = _STRAIGHT,
) -> tuple[RecordedNote, ...]:
    """The first ``bars`` bars of what ``play`` plays with this seed and swing when no control is moved.

    Raises:
        ModelError: a model cannot be run.
    """
    notes = perform(Session(parts, seed, tempo_bpm), decoders, tempo_bpm, bars)
    return tuple(_swung(note, swing) for note in notes)


def perform(session: Session, decoders: Mapping[str, Decoder], tempo_bpm: float, bars: int) -> tuple[RecordedNote, ...]:
    """The first ``bars`` bars of a session as it is set, without swing.

    Raises:
        ModelError: a model cannot be run.
    """
    performance = Performance(session, decoders, tempo_bpm)
    performance.player.handle(EndAfter(bars), performance.now_us)
    session.act(Target("start"), (), performance.now_us)
    performance.settle()
    while not any(isinstance(message, Ended) for message in performance.heard):
        performance.run_until(performance.now_us + 1_000_000)
    if session.model_failures:
        raise ModelError(session.model_failures[0])
    recorder = Recorder()
    for message in performance.heard:
        if isinstance(message, Frozen):
            recorder.add(message)
    return recorder.notes()


def _swung(note: RecordedNote, swing: Swing) -> RecordedNote:
    start_ub = swing.sounding_at(note.start_ub)
    return note._replace(start_ub=start_ub, duration_ub=swing.sounding_at(note.start_ub + note.duration_ub) - start_ub)
