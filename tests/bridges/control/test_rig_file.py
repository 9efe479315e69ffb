"""Rig files: what they may say, and what is wrong with them, line by line."""

import re
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.map_table import MapTable
from autoloops_bridges.control.preset_files import preset_text
from autoloops_bridges.control.rig import RigPart, RigPort
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.control.rows import Kind
from autoloops_bridges.control.takeover import Takeover
from autoloops_bridges.control.vocabulary import TABLE
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_engine.session.surface import Target

PARTS = ("melody", "bass", "drums")
GOOD = '[[map]]\nsource = "cc"\nnumber = 20\ntarget = "/al/melody/knob/3"\n'
NOTE = '[[map]]\nsource = "note"\n'
CC = '[[map]]\nsource = "cc"\n'


def test_a_whole_rig() -> None:
    rig = read_rig(
        """
takeover = "pickup"
defaults = false
tempo = 96
sync = "midi"
seed = 7

[ports.nano]          # the small one
in = "nanoKONTROL2"
out = "nanoKONTROL2"

[parts.melody]
model = "melody-2bar"
channel = 3

[parts.drums]
output = "nano"
drum_map = { kick = 48, closed-hat = 60 }

[set]
"/al/melody/temperature" = 0.8
"/al/melody/z" = [0.5, -1.0]
"/al/drums/mute" = true

[[map]]
source = "cc"
channel = 1
number = 0
port = "nano"
target = "/al/melody/knob/1"
feedback = true
""",
        ("melody", "drums"),
    )
    assert rig.problems == ()
    assert (rig.takeover, rig.defaults, rig.tempo_bpm, rig.sync, rig.seed) == (Takeover.PICKUP, False, 96, "midi", 7)
    assert rig.ports == (RigPort("nano", "nanoKONTROL2", "nanoKONTROL2"),)
    assert {name: part._replace(line=0) for name, part in rig.parts.items()} == {
        "melody": RigPart("melody-2bar", 3),
        "drums": RigPart(output="nano", drum_map=((36, 48), (42, 60))),
    }
    assert [(value.command.target, value.command.values) for value in rig.values] == [
        (Target("temperature", "melody"), (0.8,)),
        (Target("z", "melody"), (0.5, -1.0)),
        (Target("mute", "drums"), (True,)),
    ]
    assert rig.entries[0].takeover is Takeover.PICKUP
    assert rig.entries[0].light is not None
    assert rig.entries[0].light.port == "nano"


@pytest.mark.parametrize(
    ("bad", "line", "reason"),
    [
        (CC + 'target = "/al/melody/nob/3"\n', 8, "no such address"),
        (CC + 'target = "/al/choir/knob/3"\n', 8, "no part 'choir'"),
        (
            '[[map]]\nsource = "slider"\ntarget = "/al/tempo"\n',
            7,
            "pressure or program, not 'slider'.",
        ),
        (CC + 'channel = 17\ntarget = "/al/tempo"\n', 8, "`channel` takes a whole number from 1 to 16, not 17."),
        (CC + 'target = "/al/tempo"\nspeed = 3\n', 9, "there is no key `speed`; the keys are source, target,"),
        (CC + 'target = "/al/tempo"\nprt = "nano"\n', 9, "there is no key `prt` (perhaps `port` is meant); the keys"),
        (CC + 'target = "/al/tempo"\ntakeover = "grab"\n', 9, "`takeover` takes jump, pickup or scale, not 'grab'."),
        (CC + 'target = "/al/tempo"\nrange = [1]\n', 9, "`range` takes a [list] of 2 values, not [1]."),
        (CC + 'target = "/al/tempo"\narguments = [[1]]\n', 9, "`arguments[0]` takes"),
        (CC + 'target = "/al/tempo"\nrange = [0, 100]\n', 9, "within 20 and 999"),
        (CC + 'target = "/al/tempo"\nrange = [100, 100]\n', 9, "must differ"),
        (CC + 'target = "/al/melody/z/1"\n', 8, "needs a `range`"),
        (CC + 'target = "/al/melody/z"\n', 8, "one control"),
        (CC + 'target = "/al/melody/model"\n', 8, "one control"),
        (CC + 'target = "/al/beat"\n', 8, "one control"),
        (CC + 'target = "/al/ping"\n', 8, "answers the client"),
        (CC + 'number = 200\ntarget = "/al/tempo"\n', 8, "within 0 and 127"),
        ('[[map]]\nsource = "cc14"\nnumber = 40\ntarget = "/al/tempo"\n', 8, "within 0 and 31"),
        (NOTE + 'target = "/al/tempo"\nencoder = "sign-bit"\n', 9, "encoder"),
        (NOTE + 'target = "/al/melody/fire"\nbutton = "hold"\n', 9, "two states"),
        (NOTE + 'target = "/al/melody/fire"\narguments = ["soon"]\n', 9, "what must be one of"),
        (NOTE + 'target = "/al/tempo"\narguments = [5]\n', 9, "between 20 and 999"),
        (NOTE + 'target = "/al/start"\nrange = [0, 1]\n', 9, "verb"),
        ('[[map]]\nsource = "note"\n', 6, "the key `target` is missing"),
        (CC + "number = = 3\n", 8, "`number = = 3` cannot be read: behind the = stands no value"),
        ('[[map]]\nsource = "cc\n', 7, '`source = "cc` cannot be read: a text is not closed'),
        ("[parts.Choir]\n", 6, "'Choir' cannot be the name"),
        ("[parts.bass]\nchannel = 0\n", 7, "channel"),
        ('[parts.bass]\noutput = "moog"\n', 7, "'moog' is none"),
        ("[parts.drums]\ndrum_map = { cowbell = 56 }\n", 7, "no drum 'cowbell'"),
        ("[ports.nano]\nin = 3\n", 7, '`in` takes text in "quotes", not 3.'),
        ("[parts.drums]\ndrum_map = { kick = 300 }\n", 7, "each value of `drum_map` is a whole number from 0 to 127"),
        ("[ports]\n", 6, "needs one name"),
        ("[ports.midi_out]\n", 6, "is the port of --midi-out"),
        ('[ports.nano]\npreset = "toaster"\n', 7, "no preset 'toaster'"),
        ('[set]\n"/al/tempo" = 100\n"/al/tempi" = 100\n', 8, "no such address"),
        ('[set]\n"/al/tempo" = "fast"\n', 7, "must be a number"),
        ('[set]\n"/al/start" = 1\n', 7, "no value"),
        ("[lights]\non = true\n", 6, "no table 'lights'"),
        ("[lights\non = true\n", 6, "no table 'lights'"),
        ("[set\n", 6, "']'"),
        ("[[set]]\n", 6, "its header is [set]"),
        ("[map]\n", 6, "its header is [[map]]"),
        ("[[map.x]]\n", 6, "its header is [[map]]"),
        (CC + "channel = [\nnumber = 3\n", 8, "`channel = [` cannot be read: "),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_the_rest_still_works(bad: str, line: int, reason: str) -> None:
    rig = read_rig("# my rig\n" + GOOD + bad + GOOD, PARTS)
    assert len(rig.entries) == 2
    [problem] = rig.problems
    assert problem.startswith(f"Line {line}: ")
    assert problem.endswith(".")
    assert reason in problem


@pytest.mark.parametrize("header", ["[oops", "[", "[]", "oops]", "set]", "[map]]x", "(map)", '"set]'])
def test_a_broken_header_does_not_take_the_table_before_it_along(header: str) -> None:
    text = f'[set]\n"/al/tempo" = 99\n"/al/melody/temperature" = 9\n{header}\nx = 1\n{GOOD}'
    rig = read_rig(text, PARTS)
    assert [value.command.target for value in rig.values] == [Target("tempo")]
    assert len(rig.entries) == 1
    assert [problem[:8] for problem in rig.problems] == ["Line 3: ", "Line 4: "]


def test_a_light_that_is_nowhere_and_an_output_that_is_none_cost_only_themselves() -> None:
    text = GOOD + 'channel = 1\nfeedback = true\n[parts.bass]\nchannel = 4\noutput = "moog"\n'
    rig = read_rig(text, PARTS)
    assert [problem[:8] for problem in rig.problems] == ["Line 6: ", "Line 9: "]
    assert (len(rig.entries), rig.entries[0].light) == (1, None)
    assert rig.parts["bass"]._replace(line=0) == RigPart(channel=4)


def test_a_bad_head_is_reported_and_the_entries_still_work() -> None:
    rig = read_rig("\ndefault = false\nseed = 3\ntempo = 5000\n" + GOOD, PARTS)
    assert len(rig.entries) == 1
    assert rig.seed == 3
    keys = "defaults, takeover, tempo, sync, seed, midi_out, midi_in, midi_api, clock_out, latency"
    assert rig.problems == (
        f"Line 2: there is no key `default` (perhaps `defaults` is meant); the keys are {keys}.",
        "Line 4: `tempo` takes a number from 20 to 999, not 5000.",
    )


def test_a_slip_in_how_a_light_is_told_names_the_keys_that_there_are() -> None:
    (problem,) = read_rig(GOOD + "feedback = { of = 1 }\n", PARTS).problems
    assert "there is no key `of` of `feedback` (perhaps `off` is meant); the keys are port, source," in problem


def test_a_value_that_was_left_out_is_told_in_plain_words() -> None:
    assert read_rig("tempo =\n", PARTS).problems == (
        'Line 1: `tempo =` cannot be read: behind the = stands no value: text stands in "quotes", a list in '
        "[brackets], a switch is true or false.",
    )


def test_ports_whose_names_differ_in_capitals_only_are_told_apart_by_nobody() -> None:
    rig = read_rig('[ports.nano]\nin = "a"\n[ports.Nano]\nin = "b"\n', PARTS)
    assert [port.name for port in rig.ports] == ["nano"]
    assert rig.problems == ("Line 3: there is a port 'nano' already, and capitals do not count; take another name.",)


def test_a_port_of_the_rig_file_is_meant_exactly_and_another_by_part_of_its_name() -> None:
    text = '[ports.nano]\nin = "a"\n[ports.nano2]\nin = "b"\n'
    for port in ("nano", "NANO2", "KONTROL"):
        text += f'[[map]]\nsource = "cc"\nport = "{port}"\ntarget = "/al/tempo"\n'
    rig = read_rig(text, PARTS)
    assert rig.problems == ()
    for port, matching in {"nano": [0], "nano2": [1], "nanoKONTROL2 MIDI 1": [2]}.items():
        event = ControlEvent(Source.CC, 1, 20, 64, 127, port, 0)
        assert [at for at, entry in enumerate(rig.entries) if entry.matches(event)] == matching


def test_what_is_said_of_a_part_that_does_not_play_this_time_is_no_mistake() -> None:
    text = '[parts.lead]\n[set]\n"/al/lead/mute" = 1\n' + CC + 'number = 1\ntarget = "/al/lead/knob/1"\n' + GOOD
    rig = read_rig(text, PARTS)
    assert rig.problems == ()
    assert (len(rig.entries), rig.values) == (1, ())
    assert len(read_rig(text, ("lead", "melody")).entries) == 2


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.template)
def test_every_line_of_the_vocabulary_can_be_a_target_or_says_why_not(row: object) -> None:
    template = str(getattr(row, "template"))  # noqa: B009 - the parameter is typed loosely for pytest
    address = template.replace("PART", "bass").replace("NAME", "density").replace("/I", "/1").replace("/N", "/2")
    plain = read_rig(NOTE + f'target = "{address}"\n', PARTS)
    ranged = read_rig(NOTE + f'target = "{address}"\nrange = [1, 2]\n', PARTS)
    kind = getattr(row, "kind")  # noqa: B009 - as above
    works = len(plain.entries) + len(ranged.entries)
    if kind is Kind.STREAM:
        assert not works
    assert works or all(problem.endswith(".") for problem in plain.problems)
    assert works or plain.problems


def test_the_examples_of_the_docs_have_no_problem_and_name_every_key() -> None:
    page = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    for example in examples:
        assert read_rig(example, PARTS, preset_text).problems == ()
    for source in get_args(get_type_hints(MapTable)["source"]):
        assert f"`{source}`" in page
    for key in MapTable.__struct_fields__:
        assert f"`{key}`" in page


WHOLE = """\
tempo = 96
seed = 7
[ports.desk]  # the desk
in = "desk"
out = "desk"

[ports.box]
out = "TR-8S"
[parts.lead]
model = "melody-2bar"
channel = 5
[parts.drums]
output = "box"
drum_map = { kick = 36, snare = 38 }

[set]
"/al/melody/temperature" = 0.8
"/al/melody/z" = [
  0.5,
  0.25,
]
[[map]]
source = "cc"
channel = 1
number = 0
port = "desk"
target = "/al/melody/knob/1"
feedback = true

# the second
[[map]]
source = "cc14"
number = 1
target = "/al/tempo"
range = [60, 180]
[[map]]
source = "note"
target = "/al/melody/fire"
arguments = ["vary", "now"]
"""
STARTS = [at for at, line in enumerate(WHOLE.splitlines()) if at == 0 or line.startswith("[")]


def _things(text: str) -> tuple[list[set[str]], tuple[str, ...]]:
    """What each table of ``WHOLE`` is there for and a text still has, table by table, and what is wrong with it."""
    rig = read_rig(text, (*PARTS, "lead"))
    ports = {name for name, _, _, _ in rig.ports}
    targets = {entry.target for entry in rig.entries}
    values = {value.command.row.template for value in rig.values}
    in_order = [
        {str(rig.tempo_bpm)} & {"96.0"},
        ports & {"desk"},
        ports & {"box"},
        rig.parts.keys() & {"lead"},
        rig.parts.keys() & {"drums"},
        values,
        targets & {"/al/melody/knob/1"},
        targets & {"/al/tempo"},
        targets & {"/al/melody/fire"},
    ]
    return in_order, rig.problems


@given(
    st.integers(0, len(WHOLE.splitlines()) - 1),
    st.sampled_from(["drop", "put", "cut", "replace"]),
    st.floats(0, 0.999),
    st.sampled_from('[]"x_.-,{ 1\x00') | st.text("[]ab. 1\"'", min_size=1),
)
def test_one_broken_line_costs_at_most_its_own_table_and_is_named(at: int, how: str, where: float, put: str) -> None:
    lines = WHOLE.splitlines()
    line, is_header = lines[at], lines[at].startswith("[")
    place = int(where * len(line))
    broken = {
        "drop": line[:place] + line[place + 1 :],
        "put": line[:place] + put[0] + line[place:],
        "cut": line[:place],
        # Without any bracket it could be a broken header or a broken value.
        "replace": "[" + put if is_header else put,
    }[how]
    if not broken.strip():
        return
    text = "\n".join([*lines[:at], broken, *lines[at + 1 :], ""])
    table = max(number for number, start in enumerate(STARTS) if start <= at)
    whole, problems = _things(WHOLE)
    assert problems == ()
    left, problems = _things(text)
    assert left[:table] + left[table + 1 :] == whole[:table] + whole[table + 1 :]
    try:
        # Then it only says something else, for example of a port by another name.
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # Within a value of several lines, any of its table's will do.
        ends = [*STARTS[1:], len(lines)]
        alike = range(STARTS[table], ends[table]) if "=" not in line and not is_header else (at, STARTS[table])
        named = {int(problem.split()[1].rstrip(":")) for problem in problems}
        assert named & {number + 1 for number in alike}, problems


@given(st.text(max_size=80), st.text("[]map=\"'\n #.{}", max_size=80))
def test_whatever_a_text_holds_is_read_or_told_with_its_line(text: str, symbols: str) -> None:
    for content in (text, symbols, GOOD + symbols, "[[map]]\n" + text, "[ports." + symbols, "[set]\n" + symbols):
        for problem in read_rig(content, PARTS).problems:
            assert re.fullmatch(r"Line [1-9]\d*: .+\.", problem, re.DOTALL), problem
