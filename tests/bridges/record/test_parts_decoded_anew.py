"""A recorded session decodes to the very bars that were played: parts, models, captures and slots included."""

from pathlib import Path

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from autoloops_bridges.control.dispatch import address_of
from autoloops_bridges.processes.parts import LoadedPart, load_part
from autoloops_bridges.record.decoding import Compared, decode_anew
from autoloops_bridges.record.lines import (
    VERSION,
    Control,
    Joined,
    Line,
    Opened,
    RecordedPart,
    Resumed,
    Stocked,
    Swapped,
    TakenUp,
    encode_line,
)
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.messages import Frozen, PartGone, TransportState
from autoloops_engine.session.core import Session
from autoloops_engine.session.ear import Phrase
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target
from autoloops_engine.time.quantum import When

TEMPO_BPM = 240.0
BAR_US = 1_000_000
BUDGET_US = 20_000
SEED = 5


def recorded(part: LoadedPart) -> RecordedPart:
    return RecordedPart(part.setup.name, part.setup.channel, part.setup.model, part.reference, part.digest)


class Show:
    """A performance that is written down as main does."""

    def __init__(
        self,
        *parts: LoadedPart,
        slots: Slots | None = None,
        resumes: SessionState | None = None,
        decode_us: int = 0,
        lead_us: int = 0,
    ) -> None:
        self.session = Session([part.setup for part in parts], SEED, TEMPO_BPM)
        self.session.restore_slots(dict(slots or {}))
        self.session.set_budget(BUDGET_US)
        self.decoders = {id(part.setup): part.decoder for part in parts}
        self.decode_us = decode_us
        decoders = {part.setup.name: part.decoder for part in parts}
        self.joined = Performance(
            self.session, decoders, TEMPO_BPM, decode_us=lambda request: self.decode_us, lead_us=lead_us
        )
        self.told = 0
        self.opened = Opened(VERSION, "", 0, 0, SEED, TEMPO_BPM, tuple(recorded(part) for part in parts), 0)
        self.lines: list[Line] = [self.opened, *([Stocked(Raw(msgspec.json.encode(slots)))] if slots else [])]
        if resumes is not None:
            self.session.resume(resumes)
            self.lines.append(Resumed(0, Raw(msgspec.json.encode(resumes))))

    def act(self, at_us: int, name: str, *values: float | str, part: str = "", key: int | None = None) -> None:
        self.play_until(at_us)
        self.session.act(Target(name, part, key), values, at_us)
        self.written()

    def take_up(self, at_us: int, part: str, z: tuple[float, ...], amount: float) -> None:
        self.play_until(at_us)
        self.session.take_up(Phrase(part, (), "tune.mid", amount, When.BAR), z, at_us)
        self.lines.append(TakenUp(at_us, part, amount, When.BAR, z, BUDGET_US))

    def swap(self, at_us: int, part: LoadedPart, z: tuple[float, ...] | None) -> None:
        self.play_until(at_us)
        self.decoders[id(part.setup)] = part.decoder
        self.session.swap_model(part.setup, z, at_us)
        self.lines.append(Swapped(at_us, recorded(part), z, BUDGET_US))
        self.written()

    def compared(self, path: Path, until_us: int, *, without: tuple[type, ...] = ()) -> Compared:
        """What decoding anew says of the record, as one that has no lines of these kinds."""
        self.play_until(until_us)
        lines = [line for line in self.lines if not isinstance(line, without)]
        path.write_bytes(b"".join(map(encode_line, lines)))
        return decode_anew(path, self.opened)

    def join(self, at_us: int, part: LoadedPart) -> None:
        self.play_until(at_us)
        self.decoders[id(part.setup)] = part.decoder
        self.session.join(part.setup, at_us)
        self.lines.append(Joined(at_us, recorded(part), BUDGET_US))
        self.written()

    def play_until(self, until_us: int) -> None:
        self.joined.run_until(until_us)
        reports = self.joined.heard[self.told :]
        self.told += len(reports)
        self.lines += [each for each in reports if isinstance(each, Frozen | TransportState | PartGone)]

    def replace_main(self) -> None:
        """Another main process goes on with the session."""
        old = self.session
        self.session = Session(old.cast(), SEED, TEMPO_BPM, 1)
        self.session.restore(old.state())
        self.session.restore_past(old.take_past())
        self.session.set_budget(BUDGET_US)
        self.joined.session = self.session
        self.lines.append(replace(self.opened, generation=1))

    def written(self) -> None:
        for target, values, at_us, budget_us in self.session.take_controls():
            self.lines.append(Control(at_us, address_of(target), values, budget_us))
        self.joined.decoders |= {setup.name: self.decoders[id(setup)] for setup in self.session.cast()}


def loaded(name: str, bundle: str, *others: LoadedPart) -> LoadedPart:
    return load_part(name, 3, str(find_bundle(bundle)), loaded=others)


def test_parts_that_joined_in_left_and_came_back_by_undo_decode_to_the_same_bars(tmp_path: Path) -> None:
    melody = loaded("melody", "melody-2bar")
    # Two parts of one name, one after the other: each with its own model.
    first, second = loaded("low", "bass-2bar", melody), loaded("low", "melody-2bar", melody)
    show = Show(melody)
    show.act(100_000, "start")
    # A moment before the bar line: what counts is what could be decoded on stage.
    show.join(3 * BAR_US + 85_000, first)
    show.act(5 * BAR_US + 300_000, "fire", "new", "bar", part="low")
    show.act(8 * BAR_US, "remove", "now", part="low")
    show.join(9 * BAR_US, second)
    show.act(11 * BAR_US + 200_000, "remove", "bar", part="melody")
    show.act(14 * BAR_US, "undo")
    show.act(16 * BAR_US, "undo")
    show.act(17 * BAR_US, "undo")
    compared = show.compared(tmp_path / "show.jsonl", 20 * BAR_US)
    assert show.session.parts() == ("melody", "low")
    assert show.session.cast()[1] is first.setup
    assert compared.differences == []
    assert compared.bars > 30


def stored(part: LoadedPart) -> Slots:
    """What a former session stored in slot 3: another loop."""
    session = Session([part.setup], 99, TEMPO_BPM)
    session.act(Target("store", part.setup.name, 3), (), 0)
    slots = session.take_slots()
    assert slots is not None
    return slots


def test_what_was_taken_up_swapped_and_stored_before_decodes_to_the_same_bars(tmp_path: Path) -> None:
    melody = loaded("melody", "melody-2bar")
    bass = loaded("melody", "bass-2bar", melody)
    size = melody.setup.space.size
    show = Show(melody, slots=stored(melody))
    show.act(100_000, "start")
    show.act(2 * BAR_US, "slot", part="melody", key=3)
    show.take_up(4 * BAR_US + 300_000, "melody", tuple(0.5 - index % 2 for index in range(size)), 0.75)
    show.swap(7 * BAR_US + 500_000, bass, tuple(0.1 * (index % 5) for index in range(bass.setup.space.size)))
    compared = show.compared(tmp_path / "show.jsonl", 11 * BAR_US)
    assert compared == Compared(compared.bars, [])
    assert compared.bars > 10
    # A record of a program that did not write these lines is read as well; what it does not say comes out otherwise.
    for without in (Stocked, TakenUp, Swapped):
        old = show.compared(tmp_path / "old.jsonl", 11 * BAR_US, without=(without,))
        assert old.bars == compared.bars
        assert old.differences, without


def test_a_session_that_went_on_with_another_decodes_to_the_same_bars(tmp_path: Path) -> None:
    melody = loaded("melody", "melody-2bar")
    last = Session([melody.setup], 99, TEMPO_BPM)
    last.set(Target("knob", "melody", 1), (0.9,), 0)
    last.act(Target("fire", "melody"), ("new", "now"), 0)
    show = Show(melody, resumes=last.state())
    show.act(100_000, "start")
    assert show.compared(tmp_path / "show.jsonl", 4 * BAR_US).differences == []
    assert show.compared(tmp_path / "old.jsonl", 4 * BAR_US, without=(Resumed,)).differences


def test_of_a_bundle_that_is_another_by_now_one_sentence_tells(tmp_path: Path) -> None:
    melody = loaded("melody", "melody-2bar")
    show = Show(melody)
    show.act(100_000, "start")
    show.swap(2 * BAR_US, loaded("melody", "bass-2bar", melody), None)
    swapped = show.lines[-1]
    assert isinstance(swapped, Swapped)
    show.lines[-1] = replace(swapped, part=replace(swapped.part, digest="another"))
    compared = show.compared(tmp_path / "show.jsonl", 4 * BAR_US)
    assert compared.differences == ["melody: the bundle bass-2bar is not the one that was played."]


# Around a bar line: launches that reach the sounding bar's last steps, the line itself, and the first of the next bar,
# which is frozen 9 ms before it; and in the middle of a bar.
FIRED_US = (
    -70_000,
    -41_000,
    -33_000,
    -29_000,
    -22_500,
    -21_500,
    -15_000,
    -9_500,
    -9_000,
    -8_500,
    -3_000,
    -1,
    1,
    400_000,
)


def test_what_is_fired_now_around_a_bar_line_decodes_to_the_same_bars(tmp_path: Path) -> None:
    show = Show(loaded("melody", "melody-2bar"), decode_us=6_000, lead_us=4_000)
    show.act(100_000, "start")
    show.play_until(BAR_US // 2)
    line_us = next(each.at_us for each in show.lines if isinstance(each, Frozen)) + 4_000
    for count, at_us in enumerate(FIRED_US):
        show.act(
            line_us + (2 + 2 * count) * BAR_US + at_us, "fire", "vary" if count % 2 else "new", "now", part="melody"
        )
    compared = show.compared(tmp_path / "show.jsonl", (4 + 2 * len(FIRED_US)) * BAR_US)
    assert sum(isinstance(each, Frozen) and each.origin == "splice" for each in show.lines) > len(FIRED_US) // 2
    assert show.session.misses == show.session.fallbacks == 0
    assert compared.differences == []
    assert compared.bars > 2 * len(FIRED_US)
    assert compared.missed == 0
    # Records of a program that did not write down the budget are read as well.
    show.lines = [replace(each, budget_us=0) if isinstance(each, Control) else each for each in show.lines]
    assert show.compared(tmp_path / "old.jsonl", 0).bars == compared.bars


def test_a_control_that_a_decode_just_did_not_hear_is_no_difference(tmp_path: Path) -> None:
    show = Show(loaded("melody", "melody-2bar"), decode_us=6_000)
    show.act(100_000, "start")
    show.play_until(3 * BAR_US)
    frozen_us = max(each.at_us for each in show.lines if isinstance(each, Frozen))
    for bar in range(1, 7):
        # The last decode ends behind the line.
        show.play_until(frozen_us + bar * BAR_US - 7_500 + 1_000 * bar)
        show.session.set(Target("knob", "melody", 1), (bar % 2,), show.joined.now_us)
        show.written()
    compared = show.compared(tmp_path / "show.jsonl", 12 * BAR_US)
    assert compared == Compared(compared.bars, [], 0)
    assert compared.bars > 10


def test_bars_for_which_nothing_was_decoded_in_time_are_counted_apart(tmp_path: Path) -> None:
    show = Show(loaded("melody", "melody-2bar"))
    show.act(100_000, "start")
    show.play_until(3 * BAR_US)
    show.decode_us = 1_400_000
    show.play_until(6 * BAR_US)
    show.decode_us = 0
    compared = show.compared(tmp_path / "show.jsonl", 10 * BAR_US)
    assert compared.missed == show.session.fallbacks > 0
    assert compared == Compared(compared.bars, [], compared.missed)
    assert compared.bars > 5


def test_a_session_whose_main_process_was_replaced_decodes_to_the_same_bars(tmp_path: Path) -> None:
    show = Show(loaded("melody", "melody-2bar"))
    show.act(100_000, "start")
    show.act(2 * BAR_US + 300_000, "fire", "new", "4bars", part="melody")
    show.play_until(3 * BAR_US + 600_000)
    show.replace_main()
    show.act(7 * BAR_US + 200_000, "fire", "vary", "now", part="melody")
    show.play_until(10 * BAR_US)
    assert show.compared(tmp_path / "show.jsonl", 10 * BAR_US) == Compared(10, [])
    # The last bar that the one before it had offered froze when it was dead: the next one heard of it.
    opened = next(each for each in show.lines if isinstance(each, Opened) and each.generation > 0)
    show.lines.remove(opened)
    last = next(each for each in show.lines if isinstance(each, Frozen) and each.song_bar == 3)
    show.lines.insert(show.lines.index(last), opened)
    assert show.compared(tmp_path / "late.jsonl", 10 * BAR_US) == Compared(10, [])
