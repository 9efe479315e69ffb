"""Lights, rings and motor faders: what they are told, when, and never by their own echo."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.feedback import ARRIVED_US, BURST, HOLD_US, INTERVAL_US, PACE_US, Feedback
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.midi.controls import ControlDecoder
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_engine.messages import MidiIn, SendMidi
from autoloops_engine.session.surface import Target, Values

HEAD = '[ports.desk]\nin = "desk"\nout = "desk"\n'
KNOB = Target("knob", "melody", 3)
MUTE = Target("mute", "melody")
TEMPO = Target("tempo")
FADER = '[[map]]\nport = "desk"\nsource = "{}"\nchannel = 1\nnumber = 20\ntarget = "/al/melody/knob/3"\n'
PAD = '[[map]]\nport = "desk"\nsource = "note"\nchannel = 2\nnumber = 36\ntarget = "/al/melody/mute"\n'
LIGHT = "feedback = true\n"


class Desk:
    """A controller with lights, before targets with values."""

    def __init__(self, text: str, values: dict[Target, Values] | None = None) -> None:
        rig = read_rig(HEAD + text, ("melody",))
        assert rig.problems == ()
        self.values: dict[Target, Values] = values or {KNOB: (0.5,), MUTE: (False,), TEMPO: (120.0,)}
        self.feedback = Feedback(rig.entries, self.values.get)
        self.now_us = 0

    def told(self, after_us: int = 0) -> list[bytes]:
        """What it is told by then."""
        self.now_us += after_us
        told: list[SendMidi] = []
        while (due_us := self.feedback.next_deadline_us()) is not None and due_us <= self.now_us:
            told += self.feedback.advance(max(due_us, 0))
        assert {message.port for message in told} <= {"desk"}
        return [message.data for message in told]

    def come(self) -> list[bytes]:
        """It is plugged in; what it is told first, and then once more."""
        self.feedback.arrived("desk", self.now_us)
        assert self.told(ARRIVED_US[0] - 1) == []
        first = self.told(ARRIVED_US[1] - ARRIVED_US[0])
        assert self.told(INTERVAL_US) == first
        return first

    def set(self, target: Target, *values: float) -> None:
        self.values[target] = values
        self.feedback.touched()

    def move(self, event: ControlEvent) -> None:
        self.feedback.heard(event, self.now_us)


def cc(value: int) -> ControlEvent:
    return ControlEvent(Source.CC, 1, 20, value, 127, "desk", 0)


def test_a_controller_that_comes_is_told_everything_and_again_whenever_it_comes_back() -> None:
    desk = Desk(FADER.format("cc") + LIGHT + PAD + LIGHT)
    for _ in range(2):
        assert desk.come() == [b"\xb0\x14\x40", b"\x91\x24\x00"]
    desk.feedback.arrived("other", desk.now_us)
    assert desk.told(ARRIVED_US[1]) == []


def test_only_what_changed_is_told() -> None:
    desk = Desk(FADER.format("cc") + LIGHT + PAD + LIGHT)
    desk.come()
    desk.set(MUTE, 1)
    assert desk.told(INTERVAL_US) == [b"\x91\x24\x7f"]
    desk.set(MUTE, 1)
    assert desk.told(INTERVAL_US) == []


def test_thirty_times_a_second_at_most_and_the_latest_wins() -> None:
    desk = Desk(FADER.format("cc") + LIGHT)
    told = []
    for step in range(1000):
        desk.set(KNOB, step / 999)
        told += desk.told(1_000)
    told += desk.told(INTERVAL_US)
    assert 25 <= len(told) <= 31
    assert told[-1] == b"\xb0\x14\x7f"


def test_a_fader_is_left_alone_while_it_moves_and_told_afterwards_only_if_it_stands_elsewhere() -> None:
    desk = Desk(FADER.format("cc") + LIGHT)
    desk.come()
    for value in range(64, 100):
        desk.move(cc(value))
        desk.set(KNOB, 0.5 + (value - 64) / 126)
        assert desk.told(20_000) == []
    assert desk.told(HOLD_US) == []
    # It moved on, but the target waits to be picked up.
    desk.move(cc(127))
    assert desk.told(HOLD_US - 1) == []
    assert desk.told(1) == [bytes((0xB0, 20, 99))]


def test_an_encoder_s_ring_follows_while_it_turns() -> None:
    desk = Desk(FADER.format("cc") + 'encoder = "binary-offset"\n' + LIGHT)
    desk.come()
    desk.move(cc(65))
    desk.set(KNOB, 0.75)
    assert desk.told(INTERVAL_US) == [b"\xb0\x14\x60"]


def test_another_control_of_the_same_target_is_told_while_this_one_moves() -> None:
    other = FADER.format("cc").replace("number = 20", "number = 21")
    desk = Desk(FADER.format("cc") + LIGHT + other + LIGHT)
    desk.come()
    desk.move(cc(127))
    desk.set(KNOB, 1.0)
    assert desk.told(INTERVAL_US) == [b"\xb0\x15\x7f"]


def test_a_pad_s_light_is_put_right_at_once_and_after_it_is_let_go() -> None:
    desk = Desk(PAD + "feedback = { on = 60, off = 12 }\n")
    assert desk.come() == [b"\x91\x24\x0c"]
    press = ControlEvent(Source.NOTE, 2, 36, 100, 127, "desk", 0)
    desk.move(press)
    desk.set(MUTE, 1)
    assert desk.told(INTERVAL_US) == [b"\x91\x24\x3c"]
    desk.move(press._replace(source=Source.NOTE_OFF))
    assert desk.told(INTERVAL_US) == [b"\x91\x24\x3c"]


def test_a_button_lights_up_while_its_value_is_the_one_and_may_show_another_address() -> None:
    button = '[[map]]\nport = "desk"\nsource = "note"\nchannel = 1\nnumber = {}\ntarget = "{}"\n'
    text = button.format(1, "/al/tempo") + "arguments = [140]\n" + LIGHT
    text += button.format(2, "/al/start") + 'feedback = { shows = "/al/playing" }\n'
    desk = Desk(text, {TEMPO: (120.0,), Target("playing"): (False,)})
    assert desk.come() == [b"\x90\x01\x00", b"\x90\x02\x00"]
    desk.set(TEMPO, 140.0)
    desk.set(Target("playing"), True)
    assert desk.told(INTERVAL_US) == [b"\x90\x01\x7f", b"\x90\x02\x7f"]


def test_a_big_desk_is_told_at_the_pace_of_a_cable() -> None:
    text = "".join(FADER.format("cc").replace("number = 20", f"number = {number}") + LIGHT for number in range(60))
    desk = Desk(text)
    desk.feedback.arrived("desk", 0)
    first = desk.feedback.advance(ARRIVED_US[0])
    assert len(first) == BURST
    assert desk.feedback.next_deadline_us() == ARRIVED_US[0] + PACE_US
    desk.now_us = ARRIVED_US[0]
    assert len(first) + len(desk.told(60 * PACE_US)) == 60


@given(st.sampled_from(["cc", "cc14", "nrpn", "pitchbend", "pressure", "note", "poly_pressure"]), st.floats(0, 1))
def test_what_a_light_is_told_is_what_its_control_would_send_there(source: str, position: float) -> None:
    desk = Desk(FADER.format(source) + LIGHT + 'button = ""\n', {KNOB: (position,)})
    decoder, events = ControlDecoder(), []
    for at_us, data in enumerate(desk.come()):
        events += decoder.receive(MidiIn("desk", data, at_us))
    said = [event for event in events if event.source.value == source]
    if said or source != "note":
        # The upper half of the travel, from the centre on, has one step less.
        assert abs(said[-1].position - position) <= 0.5 / (said[-1].top - 1) + 1e-9
    else:
        assert position < 1 / 127
