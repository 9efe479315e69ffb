"""The table and its dispatch: every address understood, every bad argument refused with a reason."""

import math
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.dispatch import Action, Command, Refusal, Router, address_of
from autoloops_bridges.control.reference import reference_markdown
from autoloops_bridges.control.rows import Direction, Kind, Row, Type
from autoloops_bridges.control.vocabulary import RESERVED, TABLE, is_part_name
from autoloops_engine.session.surface import Target


def dispatch(address: str, *arguments: object) -> Command | Refusal:
    return Router().dispatch(address, arguments)


def command(address: str, *arguments: object) -> Command:
    result = dispatch(address, *arguments)
    assert isinstance(result, Command), result
    return result


def reason(address: str, *arguments: object) -> str:
    result = dispatch(address, *arguments)
    assert isinstance(result, Refusal), result
    assert result.address == address
    assert result.reason.endswith(".")
    return result.reason


def example(template: str) -> str:
    filled = template.replace("PART", "melody").replace("NAME", "density")
    return "/".join("3" if word in {"I", "N"} else word for word in filled.split("/"))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.template)
def test_every_address_of_the_table_is_found(row: Row) -> None:
    route = Router().route(example(row.template))
    assert not isinstance(route, Refusal)
    assert route.row is row


def test_templates_are_unique_and_only_optional_arguments_follow_optional_ones() -> None:
    assert len({row.template for row in TABLE}) == len(TABLE)
    for row in TABLE:
        optional = [argument.optional for argument in row.arguments]
        assert optional == sorted(optional), row.template


@pytest.mark.parametrize("row", [row for row in TABLE if row.kind is Kind.VALUE], ids=lambda row: row.template)
def test_a_value_without_arguments_asks_and_its_target_leads_back_to_the_address(row: Row) -> None:
    asked = command(example(row.template))
    assert asked.action is Action.ASK
    assert address_of(asked.target) == example(row.template)
    assert command(example(row.template), None).action is Action.ASK


@pytest.mark.parametrize("row", [row for row in TABLE if row.direction is Direction.OUT], ids=lambda row: row.template)
def test_what_autoloops_sends_cannot_be_set(row: Row) -> None:
    assert "only sent" in reason(example(row.template), 1)


@pytest.mark.parametrize("one", [1, 1.0, "1", True, "true", "True", " 1.0 "])
def test_types_are_coerced_leniently(one: object) -> None:
    knob = command("/al/melody/knob/3", one)
    assert (knob.action, knob.target, knob.values) == (Action.SET, Target("knob", "melody", 3), (1.0,))
    assert isinstance(knob.values[0], float)
    seed = command("/al/melody/seed", one)
    assert seed.values == (1,)
    assert type(seed.values[0]) is int


@pytest.mark.parametrize("yes", [1, 1.0, "1", True, "true", "on"])
@pytest.mark.parametrize("no", [0, 0.0, "0", False, "false", "off"])
def test_switches_understand_words_numbers_and_booleans(yes: object, no: object) -> None:
    assert command("/al/drums/mute", yes).values == (True,)
    assert command("/al/drums/mute", no).values == (False,)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "nan", "inf", "1e999"])
def test_nan_and_infinity_are_refused(bad: object) -> None:
    assert "finite" in reason("/al/melody/z", 0.0, bad)
    assert "finite" in reason("/al/tempo", bad)


@pytest.mark.parametrize("bad", ["fast", b"\x00", (0, 1, 2, 3), [1.0]])
def test_wrong_types_are_refused(bad: object) -> None:
    assert "number" in reason("/al/tempo", bad)
    assert "0 or 1" in reason("/al/melody/hold", bad)


def test_a_refusal_says_the_range() -> None:
    assert "between 20 and 999 BPM" in reason("/al/tempo", 1000)
    assert "between 0 and 1" in reason("/al/melody/knob/1", 1.01)
    assert "between 0 and 2147483647" in reason("/al/melody/seed", -1)
    assert "now, beat, bar, 2bars, 4bars, loop" in reason("/al/melody/restart", "soon")
    assert "whole number" in reason("/al/melody/seed", 1.5)


def test_a_refusal_tells_numbers_as_they_were_meant_and_what_they_stand_for() -> None:
    # What a client sends as 3.7 comes as the float32 next to it.
    assert reason("/al/melody/transpose", 3.700000047683716).endswith("not 3.7.")
    assert reason("/al/melody/gate", 1.2000000476837158).endswith("not 1.2.")
    assert reason("/al/melody/channel", 17) == "channel must lie between 1 and 16 (MIDI channel), not 17."
    assert reason("/al/melody/rests", 17) == "step must lie between 0 and 16 (sixteenths, from 1), not 17."


def test_the_number_of_arguments_is_checked() -> None:
    assert "arguments" in reason("/al/tempo", 120, 8, 1)
    assert "missing" in reason("/al/listen")
    assert "no arguments" in reason("/al/start", "now")
    assert "arguments" in reason("/al/melody/z", *([0.0] * 5000))


def test_verbs_fill_in_what_is_left_out() -> None:
    assert command("/al/melody/fire").values == ("new",)
    assert command("/al/melody/fire", "vary").values == ("vary",)
    assert command("/al/melody/fire", "now").values == ("new", "now")
    assert command("/al/melody/fire", "again", "loop").values == ("again", "loop")
    assert command("/al/melody/restart").values == ()
    assert command("/al/slot/3").values == ("bar",)
    assert command("/al/back", 4).values == (4, "bar")
    assert "not 2 arguments" in reason("/al/melody/fire", "now", "new")
    assert command("/al/melody/capture").values == (1.0,)
    assert command("/al/melody/capture", 0.5).values == (0.5,)
    assert command("/al/melody/capture", "loop").values == (1.0, "loop")
    assert "must be a number" in reason("/al/melody/capture", "sideways")
    assert command("/al/melody/load", "a.mid").values == ("a.mid", 1.0)
    assert command("/al/melody/load", "a.mid", "loop").values == ("a.mid", 1.0, "loop")
    assert command("/al/melody/load", "a.mid", 0.5, "now").values == ("a.mid", 0.5, "now")
    assert "between 0 and 1" in reason("/al/melody/load", "a.mid", 1.5)
    assert "one of new, vary, again" in reason("/al/melody/fire", "soon")


def test_a_button_acts_when_pressed_and_not_when_let_go() -> None:
    assert command("/al/melody/fire", 1.0) == command("/al/melody/fire")
    assert command("/al/start", 1).action is Action.ACT
    assert command("/al/start", 0.0).action is Action.NOTHING
    assert command("/al/melody/fire", False).action is Action.NOTHING


def test_listen_takes_port_and_lookahead() -> None:
    assert command("/al/listen", 1).values == (True,)
    assert command("/al/listen", "1", 9000.0, 50).values == (True, 9000, 50.0)
    assert "between 0 and 100 ms" in reason("/al/listen", 1, 9000, 101)
    assert "between 1 and 65535" in reason("/al/listen", 1, 0)


@pytest.mark.parametrize(
    "address",
    [
        "/al/melody/knob/0",
        "/al/melody/knob/03",
        "/al/melody/knob/x",
        "/al/melody/knob/99999",
        "/al/Melody/z",
        "/al/7up/z",
        "/al/tempo/1",
        "/al/melody",
        "/al/melody/nothing",
        "/al/melody/z/1/2",
        "/al/melody/z/",
        "/live/song",
        "/al",
        "/al/",
        "",
        "al/tempo",
    ],
)
def test_unknown_addresses_are_refused(address: str) -> None:
    assert reason(address, 1)


def test_reserved_words_are_no_part_names() -> None:
    assert {"tempo", "bar", "listen", "error"} <= RESERVED
    assert not is_part_name("bar")
    assert is_part_name("bass-2_b")
    assert "no such address" in reason("/al/slot/z")


@given(st.text(string.printable, max_size=30), st.lists(st.one_of(st.integers(), st.floats(), st.text(), st.none())))
def test_anything_is_either_a_command_or_refused(path: str, arguments: list[object]) -> None:
    for address in (path, "/al/" + path, "/al/melody/" + path):
        assert isinstance(dispatch(address, *arguments), (Command, Refusal))


@given(st.sampled_from(TABLE), st.lists(st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.booleans())))
def test_values_of_a_command_are_within_the_ranges_of_the_table(row: Row, arguments: list[object]) -> None:
    result = dispatch(example(row.template), *arguments)
    if isinstance(result, Command) and result.action is Action.SET:
        argument = row.arguments[0]
        for value in result.values:
            if argument.type in {Type.STRING, Type.ANY}:
                assert not argument.choices or value in argument.choices
                continue
            assert isinstance(value, (int, float))
            assert math.isfinite(value)
            assert argument.low is None or value >= argument.low
            assert argument.high is None or value <= argument.high


def test_the_reference_page_has_every_line_of_the_table_once() -> None:
    page = reference_markdown()
    for row in TABLE:
        assert page.count(f"| `{row.template}` |") == 1
    assert "20 to 999 BPM" in page
    for line in page.splitlines():
        assert not line.startswith("| `/al") or len(re.findall(r"(?<!\\)\|", line)) == 4
