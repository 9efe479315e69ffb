"""A part that is to join in: what is left unsaid is as the rig file has it, and what cannot be had is said at once."""

import pytest

from autoloops_bridges.control.rig import RigPart
from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.midi.names import NONE
from autoloops_bridges.processes.newcomers import ADD, NewcomerSurface
from autoloops_bridges.processes.options import PortPair
from autoloops_engine.errors import AutoLoopsError, BundleError, UsageError
from autoloops_engine.session.surface import Target, Values

PORTS = (PortPair("moog", NONE, "Moog"), PortPair("keys", "Keys", NONE))
WRITTEN = {"lead": RigPart(model="melody-2bar", channel=9, output="moog"), "drums": RigPart()}


def asked(*values: float | str) -> Values:
    surface = MemorySurface()
    NewcomerSurface(surface, PORTS, lambda: WRITTEN).act(ADD, values, 0)
    ((target, completed),) = surface.done
    assert target == ADD
    return completed


def test_a_name_alone_is_a_part_as_the_rig_file_or_else_play_has_it() -> None:
    assert asked("lead") == ("lead", "melody-2bar", 9, "moog")
    assert asked("drums") == ("drums", "drums-2bar", 10, "")


def test_what_is_said_goes_before_the_rig_file() -> None:
    assert asked("lead", "bass-2bar", 4) == ("lead", "bass-2bar", 4, "moog")
    assert asked("other", "trio-16bar#bass", 4, "moog") == ("other", "trio-16bar#bass", 4, "moog")
    assert asked("lead", "bass-2bar", 4, "midi_out") == ("lead", "bass-2bar", 4, "")


def test_a_channel_that_nobody_has_is_taken() -> None:
    # Parts are on 1 and 2; 10 is for drums.
    assert asked("other", "bass-2bar") == ("other", "bass-2bar", 3, "")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        # Whatever else is amiss: it is no other bundle that helps.
        (("melody",), "There is a part melody already"),
        (("melody", "nowhere"), "There is a part melody already"),
        (("other",), "No bundle is known for the part other"),
        (("other", "nowhere"), "There is no bundle nowhere"),
        (("other", "trio-16bar#organ"), "The model trio-16bar has no output organ; it has: melody, bass, drums"),
        (
            ("other", "bass-2bar", 3, "keys"),
            "The rig file has no port keys with an `out`; those that have one: moog; midi_out is",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_with_a_sentence(values: Values, reason: str) -> None:
    with pytest.raises(AutoLoopsError, match=reason):
        asked(*values)


def test_a_part_is_led_to_a_port_that_there_is_and_no_other() -> None:
    surface = MemorySurface()
    port = Target("port", "bass")
    surface.values[port] = ("midi_out",)
    newcomers = NewcomerSurface(surface, PORTS, dict)
    for name in ("moog", "midi_out", ""):
        newcomers.set(port, (name,), 0)
        assert surface.values[port] == (name,)
    for name in ("keys", "nowhere"):
        with pytest.raises(UsageError, match=f"no port {name} with an `out`; those that have one: moog; midi_out is"):
            newcomers.set(port, (name,), 0)
    with pytest.raises(UsageError, match="'nobody'"):
        newcomers.set(Target("port", "nobody"), ("nowhere",), 0)


def test_everything_else_is_handed_on() -> None:
    surface = MemorySurface()
    NewcomerSurface(surface, (), dict).act(Target("fire", "bass"), ("new",), 0)
    assert surface.done == [(Target("fire", "bass"), ("new",))]


@pytest.mark.parametrize("reference", ["nowhere", "trio-16bar#organ"])
def test_a_model_that_there_is_not_is_refused_at_once(reference: str) -> None:
    surface = MemorySurface()
    model = Target("model", "bass")
    surface.values[model] = ("bass-2bar",)
    with pytest.raises(BundleError, match=r"There is no bundle|no output organ"):
        NewcomerSurface(surface, (), dict).set(model, (reference,), 0)
    assert surface.done == []
    NewcomerSurface(surface, (), dict).set(model, ("trio-16bar#bass",), 0)
    assert surface.values[model] == ("trio-16bar#bass",)
