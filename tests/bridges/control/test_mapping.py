"""Controllers onto the vocabulary: the default map, map files, and what is wrong with them."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.dispatch import Action, Command
from autoloops_bridges.control.map_file import MapTable, read_map
from autoloops_bridges.control.mapping import MidiMap, default_entries
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_engine.session.surface import Target, Values

CHANNELS = {"melody": 1, "bass": 2, "drums": 10}


def cc(number: int, value: int, channel: int = 1, port: str = "nanoKONTROL2 MIDI 1") -> ControlEvent:
    return ControlEvent(Source.CC, channel, number, value, 127, port, 0)


def note(number: int, channel: int = 1) -> ControlEvent:
    return ControlEvent(Source.NOTE, channel, number, 100, 127, "keys", 0)


def did(commands: list[Command]) -> list[tuple[Action, Target, Values]]:
    return [(command.action, command.target, command.values) for command in commands]


def mapped(text: str) -> MidiMap:
    map_file = read_map(text, CHANNELS)
    assert map_file.problems == ()
    return MidiMap(map_file.entries, default_entries(CHANNELS) if map_file.defaults else ())


def test_by_default_knobs_follow_cc_1_to_30_of_the_part_s_channel() -> None:
    default = mapped("")
    assert did(default.apply(cc(1, 127))) == [(Action.SET, Target("knob", "melody", 1), (1.0,))]
    assert did(default.apply(cc(30, 0, channel=10))) == [(Action.SET, Target("knob", "drums", 30), (0.0,))]
    assert default.apply(cc(31, 64)) == []
    assert default.apply(cc(1, 64, channel=5)) == []


def test_by_default_a_note_fires_the_part_of_its_channel_or_else_the_first() -> None:
    default = mapped("")
    for channel, part in ((1, "melody"), (2, "bass"), (10, "drums"), (7, "melody")):
        assert did(default.apply(note(60, channel))) == [(Action.ACT, Target("fire", part), ("new", "bar"))]
    assert default.apply(note(60)._replace(source=Source.NOTE_OFF)) == []


def test_a_map_file_goes_before_the_default_map_and_leaves_the_rest_of_it() -> None:
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


def test_the_example_of_the_docs_has_no_problem_and_names_every_source() -> None:
    page = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    map_file = read_map(example, CHANNELS)
    assert map_file.problems == ()
    assert len(map_file.entries) == 4
    for source in get_args(get_type_hints(MapTable)["source"]):
        assert source in example


GOOD = '[[map]]\nsource = "cc"\nnumber = 20\ntarget = "/al/melody/knob/3"\n'


@pytest.mark.parametrize(
    ("bad", "line", "reason"),
    [
        ('[[map]]\nsource = "cc"\ntarget = "/al/melody/nob/3"\n', 6, "no such address"),
        ('[[map]]\nsource = "cc"\ntarget = "/al/choir/knob/3"\n', 6, "no part 'choir'"),
        ('[[map]]\nsource = "slider"\ntarget = "/al/tempo"\n', 6, "slider"),
        ('[[map]]\nsource = "cc"\nchannel = 17\ntarget = "/al/tempo"\n', 6, "channel"),
        ('[[map]]\nsource = "cc"\ntarget = "/al/tempo"\ntakeover = "pickup"\n', 6, "takeover"),
        ('[[map]]\nsource = "cc"\ntarget = "/al/tempo"\nrange = [0, 100]\n', 6, "within 20 and 999"),
        ('[[map]]\nsource = "cc"\ntarget = "/al/melody/z/1"\n', 6, "needs a `range`"),
        ('[[map]]\nsource = "cc"\ntarget = "/al/melody/z"\n', 6, "one control"),
        ('[[map]]\nsource = "cc"\ntarget = "/al/beat"\n', 6, "one control"),
        ('[[map]]\nsource = "note"\ntarget = "/al/melody/fire"\narguments = ["soon"]\n', 6, "what must be one of"),
        ('[[map]]\nsource = "note"\ntarget = "/al/start"\nrange = [0, 1]\n', 6, "verb"),
        ('[[map]]\nsource = "cc"\nnumber = = 3\n', 8, "Invalid value"),
        ('[[map]]\nsource = "cc\n', 7, "Illegal character"),
    ],
)
def test_a_bad_entry_is_reported_with_its_line_and_the_rest_still_works(bad: str, line: int, reason: str) -> None:
    map_file = read_map("# my rig\n" + GOOD + bad + GOOD, CHANNELS)
    assert len(map_file.entries) == 2
    [problem] = map_file.problems
    assert problem.startswith(f"Line {line}: ")
    assert problem.endswith(".")
    assert reason in problem


def test_a_bad_head_is_reported_and_the_entries_still_work() -> None:
    map_file = read_map("default = false\n" + GOOD, CHANNELS)
    assert len(map_file.entries) == 1
    assert map_file.problems[0].startswith("Line 1: ")


@given(st.text(max_size=80), st.text("[]map=\"'\n #.{}", max_size=80))
def test_no_text_raises(text: str, symbols: str) -> None:
    for content in (text, symbols, GOOD + symbols, "[[map]]\n" + text):
        read_map(content, CHANNELS)
