"""MIDI learn: which control it was, what is written, conflicts, undo; and the comments of the rig file stay."""

import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.control.console import Console
from autoloops_bridges.control.gesture import LONGEST_US, QUIET_US, Gesture
from autoloops_bridges.control.learn import PATIENCE_US, Learner, State, Status
from autoloops_bridges.control.mapping import MapEntry
from autoloops_bridges.control.preset_files import preset_text
from autoloops_bridges.control.rig import Rig
from autoloops_bridges.control.rig_edit import with_added, with_replaced, without
from autoloops_bridges.control.rig_file import read_rig
from autoloops_bridges.control.testing import MemorySurface
from autoloops_bridges.midi.controls import ControlDecoder
from autoloops_bridges.midi.parse import ControlEvent, Source
from autoloops_bridges.processes.rig_text import RigText
from autoloops_engine.errors import UsageError
from autoloops_engine.messages import MidiIn
from autoloops_engine.session.surface import Target

PARTS = ("melody", "bass")
KNOB = "/al/melody/knob/3"
COMMENTED = """\
# The rig of the autumn tour
takeover = "pickup"  # never jump

[ports.desk]
in = "desk"
out = "desk"

# The big knob
[[map]]
source = "cc"      # the left one
channel = 1
number = 20
target = "/al/tempo"  # carefully
range = [60, 180]

# Panic, always at hand
[[map]]
source = "note"
number = 36
target = "/al/panic"
# the end
"""


class Held:
    """A rig text that is kept nowhere."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.outside: str | None = None

    @property
    def rig(self) -> Rig:
        return read_rig(self.text, PARTS, preset_text)

    def refresh(self) -> None:
        if self.outside is not None:
            self.text, self.outside = self.outside, None

    def change(self, text: str) -> str:
        assert read_rig(text, PARTS, preset_text).problems == ()
        self.text = text
        return ""


class School:
    """A learner, a controller in front of it, and a clock."""

    def __init__(self, text: str = "", defaults: Sequence[MapEntry] = ()) -> None:
        self.map = Held(text)
        self.said: list[Status] = []
        self.learner = Learner(self.map, self.said.append, lambda: defaults)
        self.decoder = ControlDecoder()
        self.now_us = 0

    def learn(self, address: str = KNOB, *arguments: str | float) -> None:
        self.learner.begin(address, arguments, self.now_us)

    def play(self, *messages: bytes, port: str = "keys", apart_us: int = 5_000) -> None:
        """Messages come, and then nothing for a while."""
        for message in messages:
            self.now_us += apart_us
            for event in self.decoder.receive(MidiIn(port, message, self.now_us)):
                if self.learner.listens:
                    self.learner.hear(event)
            self.learner.advance(self.now_us)
        self.wait(LONGEST_US)

    def wait(self, us: int) -> None:
        until_us = self.now_us + us
        while (due_us := self.learner.next_deadline_us()) is not None and due_us <= until_us:
            self.now_us = max(self.now_us, due_us)
            for event in self.decoder.advance(self.now_us):
                self.learner.hear(event)
            self.learner.advance(self.now_us)
        self.now_us = until_us

    @property
    def states(self) -> list[State]:
        return [status.state for status in self.said]

    def tables(self) -> list[dict[str, object]]:
        return list(tomllib.loads(self.map.text).get("map", []))


def cc(number: int, *values: int, channel: int = 1) -> list[bytes]:
    return [bytes((0xB0 + channel - 1, number, value)) for value in values]


def sent(source: str, *values: int) -> list[bytes]:
    match source:
        case "cc14":
            return [data for value in values for data in (*cc(3, value >> 7), *cc(35, value & 127))]
        case "nrpn":
            chosen = [*cc(99, 1), *cc(98, 2)]
            return chosen + [data for value in values for data in (*cc(6, value >> 7), *cc(38, value & 127))]
        case "pitchbend":
            return [bytes((0xE0, value & 127, value >> 7)) for value in values]
    raise AssertionError(source)


@pytest.mark.parametrize(
    ("messages", "written"),
    [
        (cc(20, 1, 3, 6, 9), {"source": "cc", "channel": 1, "number": 20, "takeover": "pickup"}),
        (cc(20, 1, 1, 1, 127, 127), {"source": "cc", "channel": 1, "number": 20, "encoder": "twos-complement"}),
        (cc(20, 65, 65, 65, 63, 63), {"source": "cc", "channel": 1, "number": 20, "encoder": "binary-offset"}),
        (cc(20, 1, 1, 1, 65, 65), {"source": "cc", "channel": 1, "number": 20, "encoder": "sign-bit"}),
        (sent("cc14", 5, 300, 900), {"source": "cc14", "channel": 1, "number": 3, "takeover": "pickup"}),
        (sent("nrpn", 5, 300, 900), {"source": "nrpn", "channel": 1, "number": 130, "takeover": "pickup"}),
        (sent("pitchbend", 8192, 9000), {"source": "pitchbend", "channel": 1, "takeover": "pickup"}),
        ([b"\xd2\x05", b"\xd2\x09"], {"source": "pressure", "channel": 3, "takeover": "pickup"}),
        ([b"\x92\x24\x40", b"\xd2\x05", b"\x82\x24\x00"], {"source": "note", "channel": 3, "number": 36}),
        ([b"\xc4\x07"], {"source": "program", "channel": 5, "number": 7}),
    ],
)
def test_a_control_is_known_by_what_it_sends(messages: list[bytes], written: dict[str, object]) -> None:
    school = School()
    school.learn()
    school.play(*messages)
    assert school.states == [State.CONTROL, State.LEARNED]
    assert school.tables() == [{**written, "target": KNOB}]


def test_switches_learn_what_kind_of_button_it_is() -> None:
    for messages, button in ((cc(20, 127, 0), "toggle"), (cc(20, 127), ""), ([b"\x90\x24\x40"], "toggle")):
        school = School()
        school.learn("/al/melody/mute")
        school.play(*messages, apart_us=100_000)
        assert school.tables()[0]["button"] == button


def test_verbs_learn_with_their_arguments_and_coordinates_with_a_range() -> None:
    school = School()
    school.learn("/al/melody/fire", "vary", "now")
    school.play(b"\x90\x24\x40")
    school.learn("/al/melody/z/1")
    school.play(*cc(21, 1, 2, 3))
    school.learn("/al/tempo", 140.0)
    school.play(b"\x90\x25\x40")
    fire, coordinate, tempo = school.tables()
    assert fire["arguments"] == ["vary", "now"]
    assert coordinate["range"] == [-2.0, 2.0]
    assert (tempo["arguments"], tempo["source"]) == ([140.0], "note")


def test_touch_a_parameter_then_move_a_control() -> None:
    school = School()
    surface = MemorySurface(PARTS)
    console = Console(surface, school.learner, lambda: None)
    console.act(Target("learn"), (), 0)
    console.set(Target("z", "melody"), (0.0,) * 4, 0)
    console.set(Target("knob", "melody", 3), (0.4,), 0)
    console.set(Target("knob", "melody", 4), (0.4,), 0)
    school.play(*cc(20, 1, 2, 3))
    assert school.states == [State.TARGET, State.CONTROL, State.LEARNED]
    assert school.tables()[0]["target"] == KNOB
    assert school.said[-1].control == "cc 20 on channel 1 of keys"


def test_a_control_that_has_something_already_is_a_conflict_until_somebody_decides() -> None:
    for verb, targets in (("replace", [KNOB, "/al/panic"]), ("both", ["/al/tempo", "/al/panic", KNOB])):
        school = School(COMMENTED)
        console = Console(MemorySurface(PARTS), school.learner, lambda: None)
        school.learn()
        school.play(*cc(20, 1, 2, 3))
        assert school.states == [State.CONTROL, State.CONFLICT]
        assert "/al/tempo" in school.said[-1].text
        assert school.map.text == COMMENTED
        console.act(Target(f"learn/{verb}"), (), 0)
        assert school.states[-1] is State.LEARNED
        assert [table["target"] for table in school.tables()] == targets
        assert [line for line in COMMENTED.splitlines() if line.startswith("#")] == [
            line for line in school.map.text.splitlines() if line.startswith("#")
        ]
        assert "# the left one" in school.map.text
        console.act(Target("learn/undo"), (), 0)
        assert school.map.text == COMMENTED


def test_learning_the_same_again_rewrites_it_in_its_place() -> None:
    school = School(COMMENTED)
    school.learn("/al/tempo")
    school.play(*cc(20, 1, 1, 1, 127, 127))
    assert school.states == [State.CONTROL, State.LEARNED]
    tempo, _ = school.tables()
    assert tempo == {
        "source": "cc",
        "channel": 1,
        "number": 20,
        "target": "/al/tempo",
        "encoder": "twos-complement",
    }


def test_a_controller_of_the_rig_is_named_and_its_light_comes_with_it() -> None:
    school = School(COMMENTED)
    school.learn()
    school.play(*cc(50, 1, 2, 3), port="desk")
    assert school.tables()[-1]["port"] == "desk"
    assert school.tables()[-1]["feedback"] is True


def test_every_change_can_be_undone_but_not_over_somebody_else_s() -> None:
    school = School(COMMENTED)
    texts = [COMMENTED]
    for number in range(3):
        school.learn(f"/al/melody/knob/{number + 1}")
        school.play(*cc(40 + number, 1, 2, 3))
        texts.append(school.map.text)
    school.learner.forget("/al/tempo")
    assert "/al/tempo" not in school.map.text
    assert "# Panic, always at hand" in school.map.text
    while texts:
        school.learner.undo()
        assert school.map.text == texts.pop()
    with pytest.raises(UsageError, match="nothing to undo"):
        school.learner.undo()
    school.learn()
    school.play(*cc(20, 1, 2, 3), port="keys")
    school.learner.decide(replace=True)
    school.map.outside = "# mine"
    with pytest.raises(UsageError, match="changed since"):
        school.learner.undo()


def test_what_cannot_be_learnt_is_said_at_once() -> None:
    school = School()
    for address in ("/al/melody/z", "/al/beat", "/al/nowhere", "/al/melody/model"):
        with pytest.raises(UsageError):
            school.learn(address)
    with pytest.raises(UsageError, match="what must be one of"):
        school.learn("/al/melody/fire", "soon")
    with pytest.raises(UsageError, match="nothing to undo"):
        school.learner.undo()
    with pytest.raises(UsageError, match="no conflict"):
        school.learner.decide(replace=True)
    with pytest.raises(UsageError, match="Nothing is being learnt"):
        school.learner.cancel()
    with pytest.raises(UsageError, match="maps nothing"):
        school.learner.forget(KNOB)
    assert school.map.text == ""


def test_learning_ends_by_itself_and_when_told() -> None:
    school = School()
    school.learn()
    school.wait(PATIENCE_US)
    school.learn("")
    school.learner.cancel()
    assert school.states == [State.CONTROL, State.CANCELLED, State.TARGET, State.CANCELLED]
    assert school.learner.next_deadline_us() is None
    assert not school.learner.listens


@given(st.lists(st.tuples(st.sampled_from(list(Source)), st.integers(0, 127), st.integers(0, 127)), max_size=40))
def test_any_gesture_is_some_control_that_was_moved(moves: list[tuple[Source, int, int]]) -> None:
    gesture = Gesture()
    for at_us, (source, number, value) in enumerate(moves):
        gesture.add(ControlEvent(source, 1, number, value, 127, "keys", at_us))
    due_us = gesture.due_us()
    if due_us is None:
        assert all(source in {Source.NOTE_OFF, Source.REALTIME, Source.OTHER} for source, _, _ in moves)
        return
    assert due_us <= len(moves) + QUIET_US
    control = gesture.control()
    assert (control.example.source, control.example.number) in {move[:2] for move in moves}


PIECES = ("# a word\n", "\n", *COMMENTED.replace("\n\n", "\n\n\0").split("\0")[1:], '[set]\n"/al/tempo" = 90\n')


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.integers(0, 5))
def test_editing_changes_no_other_line(pieces: list[str], which: int) -> None:
    text = "".join(pieces)
    table = {"source": "cc", "channel": 1, "number": 9, "target": KNOB}
    assert with_added(text, table).startswith(text)
    headers = [number for number, line in enumerate(text.splitlines(), 1) if line == "[[map]]"]
    if headers:
        chosen = headers[which % len(headers)]
        comments = [line for line in text.splitlines() if line.startswith("#")]
        for edited in (with_replaced(text, [chosen], table), without(text, [chosen])):
            assert [line for line in edited.splitlines() if line.startswith("#")] == comments
            assert edited.count("[set]") == text.count("[set]")
        assert without(text, [chosen]).count("[[map]]") == len(headers) - 1
        assert len(read_rig(with_replaced(text, [chosen], table), PARTS).entries) >= 1


def until(done: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_what_is_learnt_is_in_the_file_soon_and_what_somebody_else_wrote_is_used(tmp_path: Path) -> None:
    path, used = tmp_path / "rig.toml", []
    path.write_text(COMMENTED)
    rig = RigText(str(path), COMMENTED, PARTS, lambda: used.append(1))
    rig.refresh()
    assert used == []
    assert rig.change(COMMENTED + "# more\n") == ""
    until(lambda: path.read_text() == COMMENTED + "# more\n")
    path.write_text("# mine\n")

    def is_used() -> bool:
        rig.refresh()
        return rig.text == "# mine\n"

    until(is_used)
    assert len(used) == 2


def test_a_file_that_cannot_be_written_is_told_and_the_mapping_holds(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "rig.toml"
    rig = RigText(str(gone), "", PARTS, lambda: None)
    rig.change(COMMENTED)
    failures: list[str] = []

    def has_failed() -> bool:
        failures.extend(rig.take_failures())
        return bool(failures)

    until(has_failed)
    assert "cannot be written" in failures[0]
    assert rig.text == COMMENTED
    assert "until the end" in RigText(None, "", PARTS, lambda: None).change(COMMENTED)
