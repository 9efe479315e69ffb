"""Parts on ports of their own, with the notes that their drum machines want."""

from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_bridges.processes.routes import MAIN, Routes, Span, port_key
from autoloops_engine.messages import OfferBar, SetPart, Start, Stop
from autoloops_engine.notes import Bar, Note
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.units import STEP_UB

PORTS = ("", "moog", "rack")
ROUTES = Routes({"bass": "moog", "drums": "box"}, {"drums": {36: 48, 38: 50}})
KEYS = (MAIN, port_key("moog"), port_key("box"), "osc 0")


def heard(event: Event) -> dict[str, int]:
    led = {key: ROUTES.led(key, event, 1) for key in KEYS}
    return {key: event.number for key, event in led.items() if event is not None}


def test_every_part_is_heard_at_its_own_port_and_by_all_listeners() -> None:
    assert heard(Event(0, Kind.ON, "melody", 1, 60, 100)) == {MAIN: 60, "osc 0": 60}
    assert heard(Event(0, Kind.ON, "bass", 2, 40, 100)) == {port_key("moog"): 40, "osc 0": 40}


def test_a_drum_map_changes_notes_and_their_ends_at_the_port_only() -> None:
    for kind in (Kind.ON, Kind.OFF):
        assert heard(Event(0, kind, "drums", 10, 36)) == {port_key("box"): 48, "osc 0": 36}
        assert heard(Event(0, kind, "drums", 10, 42)) == {port_key("box"): 42, "osc 0": 42}


def test_what_belongs_to_no_part_goes_everywhere() -> None:
    for kind in (Kind.SILENCE, Kind.BEAT, Kind.CLOCK):
        assert set(heard(Event(0, kind, "", 1, 36))) == set(KEYS)


def test_a_part_that_joins_in_is_led_to_its_port_whose_number_every_player_knows() -> None:
    routes = Routes({"bass": "moog"}, {}, ["box", "moog", "rack"])
    assert list(routes.ports) == ["moog"]
    assert [routes.number(port) for port in ("moog", "box", "rack")] == [0, 1, 2]
    assert not routes.leads("lead", "rack")
    routes.lead("lead", "rack")
    assert routes.leads("lead", "rack")
    assert list(routes.ports) == ["moog", "rack"]
    note = Event(0, Kind.ON, "lead", 1, 60)
    assert routes.led(port_key("rack"), note, 1) == note
    assert routes.led(MAIN, note, 1) is None
    # One of the same name that comes later may play elsewhere.
    routes.lead("lead", "")
    assert routes.led(MAIN, note, 1) == note
    assert not routes.leads("bass", "")


def test_a_note_ends_where_it_began_and_the_next_one_is_for_the_other_port() -> None:
    routes = Routes({}, {}, ["rack"])
    rack = port_key("rack")
    on, off = Event(0, Kind.ON, "bass", 2, 40, 100), Event(0, Kind.OFF, "bass", 2, 40)
    assert routes.led(MAIN, on, 5) == on
    routes.lead("bass", "rack", Span(10, 20))
    assert routes.led(rack, off, 30) is None
    assert routes.led(MAIN, off, 30) == off
    assert routes.led(MAIN, off, 30) is None
    assert routes.led(MAIN, on, 20) == on
    assert routes.led(rack, on, 20) is None
    assert routes.led(MAIN, on, 21) is None
    assert routes.led(rack, on, 21) == on


def test_drums_play_the_notes_of_the_port_that_they_are_led_to() -> None:
    routes = Routes({"drums": "box", "more": "rack"}, {"drums": {36: 48}, "more": {36: 24}}, ["plain"])
    numbers = {}
    for port in ("box", "rack", "plain", ""):
        routes.lead("drums", port)
        led = routes.led(port_key(port), Event(0, Kind.ON, "drums", 10, 36, 100), 1)
        assert led is not None
        numbers[port] = led.number
        # The map of the port where it was struck says what ends.
        routes.lead("drums", "box" if port != "box" else "")
        ended = routes.led(port_key(port), Event(0, Kind.OFF, "drums", 10, 36), 1)
        assert ended is not None
        assert ended.number == led.number
    assert numbers == {"box": 48, "rack": 24, "plain": 36, "": 36}


@settings(max_examples=60, deadline=None)
@given(
    leads_us=st.lists(st.integers(-30_000, 60_000), min_size=3, max_size=3),
    moves=st.lists(st.tuples(st.integers(1, 400_000), st.sampled_from(PORTS)), max_size=12),
)
def test_however_far_ahead_ports_are_told_every_note_is_struck_once_and_ended_there(
    leads_us: list[int], moves: list[tuple[int, str]]
) -> None:
    ahead_us = dict(zip(PORTS, leads_us, strict=True))
    told = Span(min(0, *leads_us), max(0, *leads_us))
    routes, player = Routes({}, {}, PORTS[1:]), Player(120.0, 0)
    for port in PORTS:
        # The whole of it as latency: what differs between sinks is told by when it is to be heard alone.
        player.attach(port_key(port), 0, 0, ahead_us[port])
    # Each note sounds on into the next ones.
    bar = Bar(1, 0, tuple(Note(at * STEP_UB, 3 * STEP_UB, 40 + at, 100) for at in range(16)))
    for message in (SetPart("melody", 1, 1), OfferBar("melody", 1, 0, bar), Start()):
        player.handle(message, 0)
    struck: list[tuple[int, int]] = []
    sounding: set[tuple[str, int]] = set()

    def advance(now_us: int) -> None:
        for key, event in player.advance(now_us):
            heard_us = event.at_us + ahead_us[key.removeprefix(MAIN).strip()]
            led = routes.led(key, event, heard_us)
            if led is not None and led.kind is Kind.ON:
                struck.append((heard_us, led.number))
                sounding.add((key, led.number))
            elif led is not None and led.kind is Kind.OFF:
                sounding.remove((key, led.number))

    now_us = 0
    for after_us, port in [*moves, (4_000_000, "")]:
        until_us = now_us + after_us
        while (due_us := player.next_deadline_us()) is not None and due_us <= until_us:
            now_us = max(now_us, due_us)
            advance(now_us)
        now_us = until_us
        advance(now_us)
        if not routes.leads("melody", port):
            routes.lead("melody", port, Span(now_us + told.all_us, now_us + told.any_us))
    assert len(struck) >= 16
    assert len(set(struck)) == len(struck)
    assert [number for _, number in sorted(struck)] == [40 + at % 16 for at in range(len(struck))]
    player.handle(Stop(), now_us)
    advance(now_us)
    assert sounding == set()
