"""MIDI bytes at one end, the surface moved at the other."""

from autoloops_bridges.control.mapping import MidiMap, default_entries
from autoloops_bridges.control.midi_control import MidiControl
from autoloops_bridges.control.testing import MemorySurface
from autoloops_engine.messages import MidiIn
from autoloops_engine.session.surface import Target


def test_notes_fire_knobs_turn_and_the_rest_is_counted() -> None:
    surface = MemorySurface(("melody",))
    control = MidiControl(surface, MidiMap(default_entries({"melody": 1, "ghost": 2})))
    for data in (b"\x90\x3c\x64", b"\x80\x3c\x40", b"\xb0\x05\x7f", b"\xf8", b"\x00", b"\x91\x3c\x64"):
        control.receive(MidiIn("keys", data, 0), 0)
    assert surface.done == [
        (Target("fire", "melody"), ("new", "bar")),
        (Target("knob", "melody", 5), (1.0,)),
    ]
    assert (control.moved, control.refused, control.parser.garbage) == (2, 1, 1)
    assert "ghost" in control.last_reason
    assert control.last is not None
    assert control.last.number == 5
