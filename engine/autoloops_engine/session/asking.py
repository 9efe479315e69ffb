"""What the worker is asked for and when: of each part one bar at a time, and searches once its faders stand still."""

from autoloops_engine.inference.levers import SearchRequest
from autoloops_engine.inference.requests import DecodeRequest
from autoloops_engine.session.pacing import Pace
from autoloops_engine.session.part import PartSession
from autoloops_engine.session.stage import FREEZE_LEAD_US, Stage
from autoloops_engine.session.wanted import Wanted
from autoloops_engine.units import BAR_UB


class Asking:
    """Asks for what the parts want. Thread: the session's only. Blocks: never.

    Args:
        stage: The parts, the transport and the decode budget.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._pace = Pace()
        self._ticket = 0
        self._in_flight: dict[str, tuple[int, Wanted]] = {}
        self._paced_us: int | None = None
        self._search_us: int | None = None

    def bars(self, now_us: int) -> list[DecodeRequest]:
        """The bars to decode; what was asked for and not answered yet is not asked for again."""
        self._paced_us = None
        return [request for part in self._stage.parts.values() if (request := self._ask(part, now_us)) is not None]

    def searches(self, now_us: int) -> list[SearchRequest]:
        """What to search for the attribute faders."""
        faded = [part for part in self._stage.parts.values() if part.has_faders]
        due = {part: part.honest.due_us(part.next_loop(), now_us) for part in faded}
        self._search_us = min((each for each in due.values() if each is not None and each > now_us), default=None)
        asked = (part for part, due_us in due.items() if due_us is not None and due_us <= now_us)
        return [part.honest.ask(part.next_loop()) for part in asked]

    def deadlines_us(self) -> list[int | None]:
        """When ``bars`` and ``searches`` have to be called next; None: nothing waits for a time."""
        return [self._paced_us, self._search_us]

    def answered(self, request: DecodeRequest) -> None:
        """The worker answered; what was asked of the part since is still on its way."""
        if self._in_flight.get(request.part, (0, None))[0] == request.ticket:
            del self._in_flight[request.part]

    def forget(self, part: str) -> None:
        """Whatever is on its way for a part is of no use any more."""
        self._in_flight.pop(part, None)

    def forget_all(self) -> None:
        """Whatever is on its way is of no use any more."""
        self._in_flight.clear()

    def _ask(self, part: PartSession, now_us: int) -> DecodeRequest | None:
        """What to ask for a part; None: nothing, or not yet."""
        stage = self._stage
        wanted = part.wanted(cue=stage.start_by_us is not None or not stage.playing)
        if wanted is None or self._in_flight.get(part.name, (0, None))[1] == wanted:
            return None
        if stage.playing:
            due_us = self._pace.due_us(part.name, wanted, self._freeze_us(part, wanted), stage.budget_us)
            if due_us > now_us:
                self._paced_us = due_us if self._paced_us is None else min(due_us, self._paced_us)
                return None
        self._pace.asked(part.name, wanted, now_us)
        self._ticket += 1
        self._in_flight[part.name] = (self._ticket, wanted)
        return part.request(wanted, self._ticket)

    def _freeze_us(self, part: PartSession, wanted: Wanted) -> int:
        """When the player freezes a bar, within what swing and nudges may still change about it."""
        route, state = part.route(), self._stage.transport.state
        earliest_us = state.song.time_of(wanted.song_bar * BAR_UB - route.early_ub) + route.offset_us
        return earliest_us - state.lead_us - FREEZE_LEAD_US
