"""A control that a preset, the default mapping or a 14-bit twin has already: shown, and nothing is lost unasked."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.bridges.control.test_learn import PARTS, School, cc, sent

from autoloops_bridges.control.dispatch import Router, address_of
from autoloops_bridges.control.learn import State
from autoloops_bridges.control.map_writing import table_of
from autoloops_bridges.control.mapping import MapEntry, MidiMap, default_entries
from autoloops_bridges.control.preset_files import preset_names, preset_text
from autoloops_bridges.control.rig_edit import with_added
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.control.takeover import Takeover
from autoloops_bridges.midi.controls import ControlDecoder
from autoloops_engine.messages import MidiIn

DEFAULTS = tuple(default_entries({"melody": 1, "bass": 2}))
NANO = '[ports.nano]\nin = "nanoKONTROL2"\nout = "nanoKONTROL2"\npreset = "nanokontrol2"\n'
PLAIN = '[[map]]\nsource = "cc"\nnumber = {}\ntarget = "/al/melody/knob/1"\n'
FINE = '[[map]]\nsource = "cc14"\nnumber = 3\ntarget = "/al/melody/knob/1"\n'
TEMPO = "/al/tempo"


def moved(
    school: School, messages: Sequence[bytes], defaults: Sequence[MapEntry] = DEFAULTS, port: str = "keys"
) -> set[str]:
    """The addresses that a control moves, by what was learnt."""
    rig = school.map.rig
    layers = [
        [replace(entry, takeover=Takeover.JUMP) for entry in each] for each in (rig.entries, rig.presets, defaults)
    ]
    mapped, decoder = MidiMap(layers, lambda _: None), ControlDecoder()
    events = [event for at_us, data in enumerate(messages) for event in decoder.receive(MidiIn(port, data, at_us))]
    return {address_of(command.target) for event in events for command in mapped.apply(event)}


CASES = {
    "preset": (NANO, (), cc(0, 1, 5, 9), "/al/melody/knob/1", "nano"),
    "default": ("", DEFAULTS, cc(5, 1, 5, 9), "/al/melody/knob/5", "keys"),
    "fine over plain": (PLAIN.format(3), (), sent("cc14", 5, 300, 900), "/al/melody/knob/1", "keys"),
    "fine over the lower half": (PLAIN.format(35), (), sent("cc14", 5, 300, 901), "/al/melody/knob/1", "keys"),
    "plain over fine": (FINE, (), cc(3, 1, 5, 9), "/al/melody/knob/1", "keys"),
    "lower half over fine": (FINE, (), [*cc(3, 1), *cc(35, 1, 5, 9, 20, 40)], "/al/melody/knob/1", "keys"),
    "fine over default": ("", DEFAULTS, sent("cc14", 5, 300, 900), "/al/melody/knob/3", "keys"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_control_has_is_shown_and_stays_unless_somebody_says_otherwise(case: str) -> None:
    text, defaults, messages, had, port = CASES[case]
    for instead, moves in ((True, {TEMPO}), (False, {TEMPO, had})):
        school = School(text, defaults)
        assert moved(school, messages, defaults, port) == {had}
        school.learn(TEMPO)
        school.play(*messages, port=port)
        assert school.states == [State.CONTROL, State.CONFLICT]
        assert had in school.said[-1].text
        assert school.map.text == text
        school.learner.decide(replace=instead)
        assert school.states[-1] is State.LEARNED
        assert moved(school, messages, defaults, port) == moves
        school.learner.undo()
        assert school.map.text == text


def test_learning_again_what_a_preset_has_is_no_conflict() -> None:
    school = School(NANO)
    school.learn("/al/melody/knob/1")
    school.play(*cc(0, 1, 5, 9), port="nano")
    assert school.states == [State.CONTROL, State.LEARNED]


def test_a_pad_leaves_the_notes_that_fire_by_default_and_that_is_said() -> None:
    school = School("", DEFAULTS)
    school.learn("/al/melody/mute")
    school.play(b"\x90\x24\x40")
    assert school.states == [State.CONTROL, State.LEARNED]
    assert "/al/melody/fire" in school.said[-1].text
    assert moved(school, [b"\x90\x25\x40"]) == {"/al/melody/fire"}


@pytest.mark.parametrize("name", [*preset_names(), ""])
def test_every_mapping_that_comes_with_it_can_be_written_into_a_rig_file(name: str) -> None:
    ports = '[ports.desk]\nin = "desk"\nout = "desk"\n'
    built_in = read_rig(ports + f'preset = "{name}"\n', PARTS, preset_text).presets if name else DEFAULTS
    assert built_in
    for takeover in Takeover:
        head = f'takeover = "{takeover.value}"\n{ports}'
        text = head
        for entry in built_in:
            text = with_added(text, table_of(entry, takeover, Router()))
        written = read_rig(text, PARTS, preset_text)
        assert written.problems == ()
        assert [_unplaced(entry) for entry in written.entries] == [_unplaced(entry) for entry in built_in]


def _unplaced(entry: MapEntry) -> MapEntry:
    return replace(entry, line=0)
