"""Parts on ports of their own, with the notes that their drum machines want."""

from autoloops_bridges.processes.routes import MAIN, Routes, port_key
from autoloops_engine.player.events import Event, Kind

ROUTES = Routes({"bass": "moog", "drums": "box"}, {"drums": {36: 48, 38: 50}})
KEYS = (MAIN, port_key("moog"), port_key("box"), "osc 0")


def heard(event: Event) -> dict[str, int]:
    led = {key: ROUTES.led(key, event) for key in KEYS}
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
    assert routes.led(port_key("rack"), note) == note
    assert routes.led(MAIN, note) is None
    # One of the same name that comes later may play elsewhere; without a port it plays where it was started with.
    routes.lead("lead", "")
    assert routes.led(MAIN, note) == note
    assert routes.leads("bass", "")
