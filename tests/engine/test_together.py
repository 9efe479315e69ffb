"""The player with a Link session and with the JACK transport: whatever anybody does, no note hangs."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.following import Stage
from tests.engine.others import RATE_HZ, FakeSession, FakeTransport

from autoloops_engine.messages import Continue, Locate, SetTempo, Start, Stop
from autoloops_engine.player.events import Kind
from autoloops_engine.sync.jack import JackSource
from autoloops_engine.sync.link import LinkSource
from autoloops_engine.sync.source import Request
from autoloops_engine.units import UB_PER_BEAT

REQUESTS = ["start", "stop", "continue", "tempo", "ramp", "locate"]
LINK = [*REQUESTS, "peer start", "peer stop", "peer tempo", "leave", "return", "merge"]
JACK = [*REQUESTS, "roll", "halt", "go", "away", "lead"]


def ask(stage: Stage[LinkSource] | Stage[JackSource], deed: str, number: int) -> None:
    """What the performer asks here."""
    tempo_bpm = 30 + number / 10_000
    requests: dict[str, Request] = {
        "start": Start(),
        "stop": Stop(),
        "continue": Continue(),
        "tempo": SetTempo(tempo_bpm),
        "ramp": SetTempo(tempo_bpm, 8 * UB_PER_BEAT),
        "locate": Locate(number * 10),
    }
    stage.guide.handle(requests[deed], stage.now_us)


def assert_sound(stage: Stage[LinkSource] | Stage[JackSource]) -> None:
    """Every note that began ended once, none began twice, and no step was a step back."""
    sounding: Counter[int] = Counter()
    for event in stage.events:
        sounding[event.number] += {Kind.ON: 1, Kind.OFF: -1}.get(event.kind, 0)
        assert 0 <= sounding[event.number] <= 1, event
    assert not +sounding
    assert all(after_ub >= before_ub - 1 for before_ub, after_ub in stage.moves())


class Linked(Stage[LinkSource]):
    """A player in a session."""

    def __init__(self, lead_us: int) -> None:
        self.session = FakeSession(120.0, 0)
        super().__init__(LinkSource(self.session, 4, 0), lead_us)

    def advance(self) -> None:
        self.session.now_us = self.now_us
        super().advance()


class Transported(Stage[JackSource]):
    """A player at a JACK server."""

    def __init__(self, lead_us: int) -> None:
        self.transport = FakeTransport(0)
        super().__init__(JackSource(self.transport), lead_us)

    def advance(self) -> None:
        self.transport.now_us = self.now_us
        super().advance()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 5_333), st.lists(st.tuples(st.sampled_from(LINK), st.integers(1, 3_000_000)), max_size=16))
def test_in_a_link_session_no_note_hangs(lead_us: int, deeds: list[tuple[str, int]]) -> None:
    stage = Linked(lead_us)
    session = stage.session
    for deed, number in deeds:
        match deed:
            case "peer start" | "peer stop":
                session.transport(playing=deed == "peer start")
            case "peer tempo":
                session.tempo(30 + number / 10_000)
            case "leave" | "return":
                session.peers = int(deed == "return")
            case "merge":
                session.join(30 + number / 10_000, number % 4_000_000)
            case _:
                ask(stage, deed, number)
        stage.run(stage.now_us + number)
    stage.guide.handle(Stop(), stage.now_us)
    stage.run(stage.now_us + 100_000)
    assert_sound(stage)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 5_333), st.lists(st.tuples(st.sampled_from(JACK), st.integers(1, 3_000_000)), max_size=16))
def test_at_a_jack_server_no_note_hangs(lead_us: int, deeds: list[tuple[str, int]]) -> None:
    stage = Transported(lead_us)
    transport = stage.transport
    for deed, number in deeds:
        transport.there = deed != "away"
        match deed:
            case "roll":
                transport.roll()
            case "halt":
                transport.halt()
            case "go":
                transport.go(number % (60 * RATE_HZ))
            case "lead":
                transport.master_bpm = None if transport.master_bpm else 30 + number / 10_000
            case "away":
                pass
            case _:
                ask(stage, deed, number)
        stage.run(stage.now_us + number)
    transport.there = True
    stage.run(stage.now_us + 50_000)
    stage.guide.handle(Stop(), stage.now_us)
    stage.run(stage.now_us + 100_000)
    assert_sound(stage)
