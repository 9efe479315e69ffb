"""Controllers before the session: the rig file at the start, learning, takeover by a successor, and the lights."""

from dataclasses import dataclass, field

import pytest

from autoloops_bridges.control.feedback import ARRIVED_US, INTERVAL_US
from autoloops_bridges.control.gesture import LONGEST_US
from autoloops_bridges.control.learn import State, Status
from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.processes.controllers import Controllers
from autoloops_bridges.processes.options import PlayOptions, PortPair
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import MidiIn, PortsState, SendMidi
from autoloops_engine.session.surface import Target

KNOB = Target("knob", "melody", 3)
RIG = """
[ports.desk]
in = "desk"
out = "desk"

[set]
"/al/tempo" = 90
"/al/bass/knob/1" = 0.25
"/al/melody/attr/glory" = 0.5

[[map]]
port = "desk"
source = "cc"
channel = 1
number = 20
target = "/al/melody/knob/3"
feedback = true

[[map]]
port = "desk"
source = "note"
channel = 1
number = 1
target = "/al/start"
feedback = { shows = "/al/playing" }
"""


@dataclass
class Stage:
    """Controllers before a surface that remembers, on a clock of their own."""

    rig: str = RIG
    surface: MemorySurface = field(default_factory=MemorySurface)
    said: list[Status] = field(default_factory=list)
    now_us: int = 0

    def __post_init__(self) -> None:
        options = PlayOptions(
            parts=("melody", "bass"),
            channels={"melody": 1, "bass": 2},
            rig=self.rig,
            ports=(PortPair("desk", "desk", "desk"),),
        )
        self.controllers = Controllers(options, self.surface, self.said.append)

    def send(self, *data: int, port: str = "desk") -> None:
        self.now_us += 1_000
        self.controllers.receive(MidiIn(port, bytes(data), self.now_us), self.now_us)

    def wait(self, us: int) -> list[bytes]:
        """What controllers are told meanwhile."""
        until_us, sent = self.now_us + us, list[SendMidi]()
        while (due_us := self.controllers.next_deadline_us()) is not None and due_us <= until_us:
            self.now_us = max(self.now_us, due_us)
            sent += self.controllers.advance(self.now_us)
        self.now_us = until_us
        return [message.data for message in sent]

    def ports(self, arrivals: int) -> list[bytes]:
        self.controllers.ports(PortsState((), (), (), {"desk": arrivals}), self.now_us)
        return self.wait(ARRIVED_US[0] + INTERVAL_US)


def test_the_rig_file_sets_values_at_the_start_and_tells_what_cannot_be_set() -> None:
    stage = Stage()
    stage.controllers.set_up(0)
    assert stage.surface.values[Target("tempo")] == (90.0,)
    assert stage.surface.values[Target("knob", "bass", 1)] == (0.25,)
    (remark,) = stage.controllers.remarks
    assert remark.startswith("The rig: Line 9: /al/melody/attr/glory cannot be set: ")


def test_a_control_that_leads_nowhere_is_told_with_its_line_and_works_once_there_is_what_it_is_for() -> None:
    stage = Stage(
        rig='[[map]]\nsource = "cc"\nnumber = 9\ntarget = "/al/melody/knob/77"\n'
        '[[map]]\nsource = "note"\ntarget = "/al/melody/slot/65"\n'
    )
    stage.controllers.set_up(0, anew=False)
    nowhere, no_slot = stage.controllers.remarks
    assert nowhere.startswith("The rig: Line 4: nothing has /al/melody/knob/77 at present: ")
    assert no_slot == "The rig: Line 7: there is no /al/melody/slot/65: Slots are numbered from 1 to 64, not 65."
    stage.surface.values[Target("knob", "melody", 77)] = (0.5,)
    stage.send(0xB0, 9, 127)
    assert stage.surface.values[Target("knob", "melody", 77)] == (1.0,)


def test_controllers_move_the_session_and_what_is_refused_is_counted() -> None:
    stage = Stage()
    stage.send(0xB0, 20, 127)
    assert stage.surface.values[KNOB] == (1.0,)
    stage.send(0x90, 1, 100)
    assert stage.surface.done[-1] == (Target("start"), ())
    stage.send(0xFF, 0x01, 0x02, 0x03)
    assert (stage.controllers.read, stage.controllers.garbage, stage.controllers.refused) == (2, 1, 0)


def test_lights_are_told_when_a_controller_comes_when_values_change_and_by_another_player() -> None:
    stage = Stage()
    everything = [b"\xb0\x14\x40", b"\x90\x01\x00"]
    assert stage.ports(1) == everything
    stage.wait(ARRIVED_US[1])
    assert stage.ports(1) == []
    stage.controllers.playing(True)
    assert stage.wait(INTERVAL_US) == [b"\x90\x01\x7f"]
    stage.surface.set(KNOB, (0.0,), stage.now_us)
    stage.controllers.touched()
    assert stage.wait(INTERVAL_US) == [b"\xb0\x14\x00"]
    stage.controllers.player_came()
    assert stage.ports(1) == [b"\xb0\x14\x00", b"\x90\x01\x7f"]


def test_what_is_learnt_works_at_once_and_a_successor_has_it_too() -> None:
    stage = Stage()
    stage.controllers.learner.begin("/al/bass/knob/2", (), stage.now_us)
    before = dict(stage.surface.values)
    for value in range(0, 60, 10):
        stage.send(0xB0, 20, value)
    assert stage.surface.values == before
    stage.wait(LONGEST_US)
    assert [status.state for status in stage.said] == [State.CONTROL, State.CONFLICT]
    stage.controllers.learner.decide(replace=True)
    assert stage.said[-1].state is State.LEARNED
    assert "until the end" in stage.said[-1].text
    successor = Stage(rig="")
    successor.controllers.take_up(stage.controllers.rig)
    for each in (stage, successor):
        each.send(0xB0, 20, 127)
        each.send(0xB0, 20, 0)
        assert each.surface.values[Target("knob", "bass", 2)] == (0.0,)
        assert each.surface.values[KNOB] == (0.5,)


def test_a_pad_can_begin_to_learn() -> None:
    pad = '[[map]]\nsource = "note"\nnumber = 9\ntarget = "/al/learn"\narguments = ["/al/bass/knob/2"]\n'
    stage = Stage(rig=pad)
    stage.send(0x90, 9, 64)
    for value in (10, 20, 30):
        stage.send(0xB7, 33, value)
    stage.wait(LONGEST_US)
    assert [status.state for status in stage.said] == [State.CONTROL, State.LEARNED]


def test_nothing_is_shown_while_something_is_learnt() -> None:
    stage = Stage()
    stage.ports(1)
    stage.wait(ARRIVED_US[1])
    stage.controllers.learner.begin("/al/bass/knob/2", (), stage.now_us)
    stage.surface.set(KNOB, (0.0,), stage.now_us)
    stage.controllers.touched()
    assert stage.wait(INTERVAL_US) == []
    stage.controllers.learner.cancel()
    assert stage.wait(INTERVAL_US) == [b"\xb0\x14\x00"]


def test_a_fader_goes_on_holding_what_it_holds_while_others_are_learnt() -> None:
    stage = Stage(rig='takeover = "pickup"\n' + RIG)
    stage.send(0xB0, 20, 0)
    stage.send(0xB0, 20, 90)
    assert stage.surface.values[KNOB] != (0.5,)
    stage.controllers.learner.begin("/al/bass/knob/2", (), stage.now_us)
    stage.send(0x90, 99, 64)
    stage.wait(LONGEST_US)
    assert stage.said[-1].state is State.LEARNED
    stage.send(0xB0, 20, 10)
    assert stage.surface.values[KNOB] == (10 / 128,)


def test_a_half_of_a_pair_that_stays_alone_is_obeyed_after_a_moment() -> None:
    stage = Stage(rig='[[map]]\nsource = "cc14"\nnumber = 3\ntarget = "/al/melody/knob/3"\n')
    stage.send(0xB5, 3, 127)
    assert stage.surface.values[KNOB] == (0.5,)
    stage.wait(LONGEST_US)
    assert stage.surface.values[KNOB] == (1.0,)


def test_what_the_rig_file_maps_to_a_part_counts_from_when_it_joins_in() -> None:
    stage = Stage(
        """
[parts.lead]
waits = true

[[map]]
source = "cc"
channel = 1
number = 90
target = "/al/lead/mute"

[[map]]
source = "note"
channel = 1
number = 7
target = "/al/parts/add"
arguments = ["lead", "melody-2bar", 3]
"""
    )
    stage.send(0xB0, 90, 127)
    assert stage.surface.done == []
    stage.send(0x90, 7, 100)
    assert stage.surface.done == [(Target("parts/add"), ("lead", "melody-2bar", 3))]
    stage.surface.join("lead", 3)
    stage.controllers.touched()
    stage.send(0xB0, 90, 127)
    assert stage.surface.values[Target("mute", "lead")] == (True,)
    # The channel of the newcomer fires it and turns its knobs.
    stage.send(0xB2, 1, 127)
    assert stage.surface.values[Target("knob", "lead", 1)] == (1.0,)


def test_what_the_rig_file_wants_set_of_a_part_is_set_when_it_joins_in() -> None:
    stage = Stage('[set]\n"/al/tempo" = 90\n"/al/lead/knob/2" = 0.75\n"/al/lead/attr/glory" = 0.5\n')
    stage.controllers.set_up(0)
    stage.surface.set(Target("tempo"), (100.0,), 0)
    stage.surface.join("lead", 3)
    (remark,) = stage.controllers.joined("lead", 0)
    assert remark.startswith("The rig: Line 4: /al/lead/attr/glory cannot be set: ")
    assert stage.surface.values[Target("knob", "lead", 2)] == (0.75,)
    # What is set of others stays as the performer has it.
    assert stage.surface.values[Target("tempo")] == (100.0,)


def test_who_learns_is_told_at_once_that_no_midi_input_is_open_and_is_heard_when_one_comes() -> None:
    stage = Stage()
    stage.controllers.ports(PortsState((), (), ()), stage.now_us)
    stage.controllers.learner.begin("/al/bass/knob/2", (), stage.now_us)
    assert stage.said[-1].text.startswith("No MIDI input is open")
    stage.controllers.ports(PortsState((), ("desk",), ()), stage.now_us)
    for value in range(0, 60, 10):
        stage.send(0xB0, 77, value)
    stage.wait(LONGEST_US)
    assert [status.state for status in stage.said] == [State.CONTROL, State.LEARNED]
    stage.controllers.learner.begin("/al/bass/knob/2", (), stage.now_us)
    assert stage.said[-1].text.startswith("Move the control")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/al/melody/knob/99", "There is no knob of 'melody'"),
        ("/al/melody/attr/densit", "There is no attr of 'melody'"),
        ("/al/choir/knob/1", "of 'choir'"),
        ("/al/melody/slot/65", "Slots are numbered from 1 to 64, not 65."),
    ],
)
def test_a_control_for_what_there_is_not_is_not_learnt(address: str, reason: str) -> None:
    stage = Stage()
    with pytest.raises(UsageError, match=reason):
        stage.controllers.learner.begin(address, (), 0)
    assert not stage.said
    assert not stage.controllers.learner.listens
