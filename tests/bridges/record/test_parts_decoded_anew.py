"""A recorded session in which parts came and went decodes to the very bars that were played."""

from pathlib import Path

from autoloops_bridges.control.dispatch import address_of
from autoloops_bridges.processes.parts import LoadedPart, load_part
from autoloops_bridges.record.decoding import decode_anew
from autoloops_bridges.record.lines import VERSION, Control, Joined, Line, Opened, RecordedPart, encode_line
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.messages import Frozen
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.surface import Target

TEMPO_BPM = 240.0
BAR_US = 1_000_000
BUDGET_US = 20_000
SEED = 5


def recorded(part: LoadedPart) -> RecordedPart:
    return RecordedPart(part.setup.name, part.setup.channel, part.setup.model, part.reference, part.digest)


class Show:
    """A performance that is written down as main does."""

    def __init__(self, *parts: LoadedPart) -> None:
        self.session = Session([part.setup for part in parts], SEED, TEMPO_BPM)
        self.session.set_budget(BUDGET_US)
        self.decoders = {id(part.setup): part.decoder for part in parts}
        self.joined = Performance(self.session, {part.setup.name: part.decoder for part in parts}, TEMPO_BPM)
        self.opened = Opened(VERSION, "", 0, 0, SEED, TEMPO_BPM, tuple(recorded(part) for part in parts), 0)
        self.lines: list[Line] = [self.opened]

    def act(self, at_us: int, name: str, *values: float | str, part: str = "") -> None:
        self.joined.run_until(at_us)
        self.session.act(Target(name, part), values, at_us)
        self.written()

    def join(self, at_us: int, part: LoadedPart) -> None:
        self.joined.run_until(at_us)
        self.decoders[id(part.setup)] = part.decoder
        self.session.join(part.setup, at_us)
        self.lines.append(Joined(at_us, recorded(part), BUDGET_US))
        self.written()

    def written(self) -> None:
        self.lines += [Control(at, address_of(target), values) for target, values, at in self.session.take_controls()]
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
    show.joined.run_until(20 * BAR_US)
    assert show.session.parts() == ("melody", "low")
    assert show.session.cast()[1] is first.setup
    frozen = [message for message in show.joined.heard if isinstance(message, Frozen)]
    record = tmp_path / "show.jsonl"
    record.write_bytes(b"".join(encode_line(line) for line in (*show.lines, *frozen)))
    compared = decode_anew(record, show.opened)
    assert compared.differences == []
    assert compared.bars > 30
