"""Controllers onto the vocabulary: the default map, and the map of a rig file."""

from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.dispatch import Action, Command
from autoloops_bridges.control.mapping import MidiMap, default_entries
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_engine.session.surface import Target, Values

CHANNELS = {"melody": 1, "bass": 2, "drums": 10}


def cc(number: int, value: int, channel: int = 1, port: str = "nanoKONTROL2 MIDI 1") -> ControlEvent:
    return ControlEvent(Source.CC, channel, number, value, 127, port, 0)


def note(number: int, channel: int = 1) -> ControlEvent:
    return ControlEvent(Source.NOTE, channel, number, 100, 127, "keys", 0)


def did(commands: list[Command]) -> list[tuple[Action, Target, Values]]:
    return [(command.action, command.target, command.values) for command in commands]


def mapped(text: str, present: dict[Target, Values] | None = None) -> MidiMap:
    """The map of a rig file before targets that have the ``present`` values."""
    rig = read_rig(text, CHANNELS)
    assert rig.problems == ()
    defaults = default_entries(CHANNELS, rig.takeover) if rig.defaults else []
    return MidiMap((rig.entries, rig.presets, defaults), (present or {}).get)


def test_by_default_knobs_follow_cc_1_to_30_of_the_part_s_channel() -> None:
    default = mapped("")
    assert did(default.apply(cc(1, 127))) == [(Action.SET, Target("knob", "melody", 1), (1.0,))]
    assert did(default.apply(cc(30, 0, channel=10))) == [(Action.SET, Target("knob", "drums", 30), (0.0,))]
    assert default.apply(cc(31, 64)) == []
    assert default.apply(cc(1, 64, channel=5)) == []


def test_by_default_a_note_fires_the_part_of_its_channel_or_else_the_first() -> None:
    default = mapped("")
    for channel, part in ((1, "melody"), (2, "bass"), (10, "drums"), (7, "melody")):
        assert did(default.apply(note(60, channel))) == [(Action.ACT, Target("fire", part), ("new",))]
    assert default.apply(note(60)._replace(source=Source.NOTE_OFF)) == []


def test_a_rig_file_goes_before_the_default_map_and_leaves_the_rest_of_it() -> None:
    custom = mapped('[[map]]\nsource = "cc"\nchannel = 1\nnumber = 1\ntarget = "/al/tempo"\nrange = [60, 180]\n')
    assert did(custom.apply(cc(1, 0))) == [(Action.SET, Target("tempo"), (60.0,))]
    assert did(custom.apply(cc(1, 127))) == [(Action.SET, Target("tempo"), (180.0,))]
    assert did(custom.apply(cc(2, 127))) == [(Action.SET, Target("knob", "melody", 2), (1.0,))]
    assert mapped("defaults = false").apply(cc(2, 127)) == []


def test_ranges_may_run_backwards_and_default_to_that_of_the_target() -> None:
    text = """
[[map]]
source = "cc"
number = 9
target = "/al/bass/knob/2"
range = [1.0, 0.0]

[[map]]
source = "pitchbend"
target = "/al/bass/transpose"
range = [-12, 12]

[[map]]
source = "cc"
number = 10
target = "/al/bass/mute"
"""
    custom = mapped(text)
    assert did(custom.apply(cc(9, 127, channel=4))) == [(Action.SET, Target("knob", "bass", 2), (0.0,))]
    bend = ControlEvent(Source.PITCHBEND, 3, 0, 16383, 16383, "keys", 0)
    assert did(custom.apply(bend)) == [(Action.SET, Target("transpose", "bass"), (12,))]
    assert [custom.apply(cc(10, value))[0].values for value in (0, 63, 64, 127)] == [
        (False,),
        (False,),
        (True,),
        (True,),
    ]


def test_several_targets_may_share_a_source_and_ports_tell_controllers_apart() -> None:
    entry = '[[map]]\nsource = "cc"\nnumber = 40\nport = "nanokontrol"\ntarget = "/al/{}/knob/1"\n'
    custom = mapped(entry.format("melody") + entry.format("bass"))
    assert [command.target.part for command in custom.apply(cc(40, 10))] == ["melody", "bass"]
    assert custom.apply(cc(40, 10, port="other")) == []


def test_a_verb_acts_when_a_control_is_pressed_and_not_while_it_moves_on() -> None:
    custom = mapped(
        '[[map]]\nsource = "cc"\nnumber = 44\ntarget = "/al/melody/fire"\narguments = ["vary", "now"]\n'
        '[[map]]\nsource = "note"\nnumber = 36\ntarget = "/al/panic"\n'
    )
    acts = [len(custom.apply(cc(44, value))) for value in (0, 63, 64, 100, 127, 0, 127)]
    assert acts == [0, 0, 1, 0, 0, 0, 1]
    assert did(custom.apply(note(36))) == [(Action.ACT, Target("panic"), ())]
    custom.apply(cc(44, 0))
    assert did(custom.apply(cc(44, 127))) == [(Action.ACT, Target("fire", "melody"), ("vary", "now"))]


KNOB = Target("knob", "melody", 3)
FADER = '[[map]]\nsource = "cc"\nnumber = 20\ntarget = "/al/melody/knob/3"\n'


def moved(text: str, present: dict[Target, Values], values: list[int], number: int = 20) -> list[Values]:
    """The values that the knob has after each move of a controller."""
    custom = mapped(text, present)
    track = []
    for value in values:
        for command in custom.apply(cc(number, value)):
            present[command.target] = command.values
        track.append(present[KNOB])
    return track


def test_a_fader_picks_its_target_up_where_it_crosses_it_however_fast() -> None:
    text = FADER + 'takeover = "pickup"\n'
    assert moved(text, {KNOB: (0.5,)}, [0, 20, 127]) == [(0.5,), (0.5,), (1.0,)]
    assert moved('takeover = "pickup"\n' + FADER, {KNOB: (0.5,)}, [0, 20, 127]) == [(0.5,), (0.5,), (1.0,)]


def test_a_target_moved_elsewhere_has_to_be_picked_up_again() -> None:
    present: dict[Target, Values] = {KNOB: (0.0,)}
    custom = mapped(FADER + 'takeover = "pickup"\n', present)

    def move(value: int) -> Values:
        for command in custom.apply(cc(20, value)):
            present[command.target] = command.values
        return present[KNOB]

    assert [move(value) for value in (0, 32)] == [(0.0,), (0.25,)]
    present[KNOB] = (0.9,)
    assert [move(value) for value in (40, 64)] == [(0.9,), (0.9,)]
    assert move(127) == (1.0,)


def test_scaling_brings_fader_and_target_to_the_end_together() -> None:
    track = moved(FADER + 'takeover = "scale"\n', {KNOB: (0.8,)}, [0, 32, 64, 96, 127])
    heights = [float(values[0]) for values in track]
    assert heights[0] == 0.8
    assert heights == sorted(heights)
    assert heights[-1] == 1.0


def test_encoders_turn_the_target_from_where_it_is() -> None:
    text = FADER + 'encoder = "{}"\nstep = 0.1\n'
    cases = {"twos-complement": [1, 127, 2], "binary-offset": [65, 63, 66], "sign-bit": [1, 65, 2]}
    for encoder, values in cases.items():
        track = moved(text.format(encoder), {KNOB: (0.5,)}, values)
        assert [round(float(each[0]), 6) for each in track] == [0.6, 0.5, 0.7]
    assert moved(text.format("sign-bit"), {KNOB: (0.95,)}, [5]) == [(1.0,)]


def test_small_turns_of_an_encoder_add_up_on_a_target_of_whole_numbers() -> None:
    target = Target("transpose", "bass")
    present: dict[Target, Values] = {target: (0,)}
    text = '[[map]]\nsource = "cc"\nnumber = 1\ntarget = "/al/bass/transpose"\nrange = [-12, 12]\n'
    custom = mapped(text + 'encoder = "twos-complement"\nstep = 0.01\n', present)
    for _ in range(25):
        for command in custom.apply(cc(1, 1)):
            present[command.target] = command.values
    assert present[target] == (6,)


def test_a_pad_turns_a_switch_over_and_a_held_one_lets_it_go_again() -> None:
    target = Target("mute", "melody")
    present: dict[Target, Values] = {target: (False,)}
    pad = '[[map]]\nsource = "note"\nnumber = 36\ntarget = "/al/melody/mute"\n'

    def press(custom: MidiMap, *events: ControlEvent) -> list[Values]:
        track = []
        for event in events:
            for command in custom.apply(event):
                present[command.target] = command.values
            track.append(present[target])
        return track

    down, up = note(36), note(36)._replace(source=Source.NOTE_OFF, value=64)
    assert press(mapped(pad, present), down, up, down, up) == [(True,), (True,), (False,), (False,)]
    held = mapped(pad + 'button = "hold"\n', present)
    assert press(held, down, up, down, up) == [(True,), (False,), (True,), (False,)]


def test_a_button_sets_what_it_is_given_and_a_fader_fills_the_place_that_is_left_for_it() -> None:
    custom = mapped(
        '[[map]]\nsource = "note"\nnumber = 1\ntarget = "/al/tempo"\narguments = [140]\n'
        '[[map]]\nsource = "note"\nnumber = 2\ntarget = "/al/bass/z"\narguments = [0.5, -1, 2]\n'
        '[[map]]\nsource = "program"\nnumber = 7\ntarget = "/al/drums/model"\narguments = ["drums-2bar"]\n'
        '[[map]]\nsource = "cc"\nnumber = 3\ntarget = "/al/bass/z"\narguments = [0.5, "*"]\nrange = [-2, 2]\n'
    )
    assert did(custom.apply(note(1))) == [(Action.SET, Target("tempo"), (140.0,))]
    assert did(custom.apply(note(2))) == [(Action.SET, Target("z", "bass"), (0.5, -1.0, 2.0))]
    program = ControlEvent(Source.PROGRAM, 1, 7, 7, 127, "keys", 0)
    assert did(custom.apply(program)) == [(Action.SET, Target("model", "drums"), ("drums-2bar",))]
    assert custom.apply(program._replace(number=8, value=8)) == []
    assert did(custom.apply(cc(3, 127))) == [(Action.SET, Target("z", "bass"), (0.5, 2.0))]


def test_a_control_upside_down_and_bent() -> None:
    assert mapped(FADER + "invert = true\n").apply(cc(20, 127))[0].values == (0.0,)
    (fine,) = mapped(FADER + 'curve = "exp"\n').apply(cc(20, 64))[0].values
    assert 0.1 < float(fine) < 0.2


def test_a_rig_may_name_a_controller_s_port_by_a_name_of_its_own() -> None:
    text = 'defaults = false\n[ports.nano]\nin = "nanoKONTROL2"\n' + FADER + 'port = "nano"\n'
    custom = mapped(text)
    assert len(custom.apply(cc(20, 1, port="nano"))) == 1
    assert custom.apply(cc(20, 1, port="other")) == []


def test_one_fader_moves_one_of_several_values_and_leaves_the_others() -> None:
    target = Target("pad", "bass")
    present: dict[Target, Values] = {target: (0.25, 0.5)}
    pad = '[[map]]\nsource = "cc"\nnumber = {}\ntarget = "/al/bass/pad"\ntakeover = "pickup"\narguments = {}\n'
    custom = mapped(pad.format(1, '["*", "="]') + pad.format(2, '["=", "*"]'), present)
    assert custom.apply(cc(2, 0)) == []
    assert did(custom.apply(cc(2, 127))) == [(Action.SET, target, (0.25, 1.0))]
    present[target] = (0.25, 1.0)
    assert did(custom.apply(cc(1, 32))) == [(Action.SET, target, (0.25, 1.0))]


SOURCES = ("note", "cc", "cc14", "nrpn", "pitchbend", "pressure", "poly_pressure", "program")
TARGETS = (
    ("/al/tempo", "range = [60, 180]"),
    ("/al/melody/knob/3", 'curve = "exp"'),
    ("/al/melody/transpose", "invert = true"),
    ("/al/melody/z/1", "range = [2, -2]"),
    ("/al/melody/mute", ""),
    ("/al/melody/length", "range = [1, 8]"),
)


@given(
    st.sampled_from(SOURCES),
    st.sampled_from(TARGETS),
    st.sampled_from(["jump", "pickup", "scale"]),
    st.lists(st.tuples(st.integers(0, 16383), st.integers(-3, 3)), max_size=25),
)
def test_whatever_a_control_does_its_target_stays_in_range(
    source: str, target: tuple[str, str], takeover: str, moves: list[tuple[int, int]]
) -> None:
    address, extra = target
    text = f'[[map]]\nsource = "{source}"\ntarget = "{address}"\ntakeover = "{takeover}"\n{extra}\n'
    present: dict[Target, Values] = {}
    rig = read_rig("defaults = false\n" + text, CHANNELS)
    assert rig.problems == ()
    entry = rig.entries[0]
    low, high = sorted((entry.scale.low, entry.scale.high))
    custom = MidiMap((rig.entries,), present.get)
    top = 16383 if source in {"cc14", "nrpn", "pitchbend"} else 127
    for value, steps in moves:
        event = ControlEvent(Source(source), 1, 0, min(value, top), top, "keys", 0)
        if source == "nrpn" and steps:
            event = event._replace(value=0, top=0, steps=steps)
        for command in custom.apply(event):
            (value_set,) = command.values
            assert not isinstance(value_set, str)
            assert low <= value_set <= high
            present[command.target] = command.values
