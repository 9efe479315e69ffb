"""Nothing good is lost: what sounded comes back note for note, and every undo restores exactly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.codecs.registry import DRUMS, MELODY, Codec
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen
from autoloops_engine.notes import Note
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 120.0
BAR_US = 2_000_000
TIMELESS = {Target("position")}

Attacks = tuple[tuple[int, int, int], ...]


def trained(model: str, codec: Codec) -> Performance:
    decoder = open_decoder(find_bundle(model))
    session = Session([PartSetup("part", 1, latent_space(decoder.manifest), 2, 1.0, codec)], 5, TEMPO_BPM)
    joined = Performance(session, {"part": decoder}, TEMPO_BPM)
    session.act(Target("start"), (), 0)
    joined.settle()
    return joined


def bars_on(joined: Performance, bars: float) -> None:
    joined.run_until(joined.now_us + round(bars * BAR_US))


def attacks(joined: Performance) -> dict[int, Attacks]:
    """Onset, pitch and velocity of what began in every song bar, as it sounded."""

    def of(notes: tuple[Note, ...]) -> Attacks:
        return tuple((note.start_ub, note.pitch, note.velocity) for note in notes)

    return {m.song_bar: of(m.bar.notes) for m in joined.heard if isinstance(m, Frozen)}


@pytest.mark.parametrize(("model", "codec"), [("melody-2bar", MELODY), ("drums-2bar", DRUMS)])
@pytest.mark.parametrize("hold", [0, 1])
def test_a_loop_of_before_comes_back_note_for_note(model: str, codec: Codec, hold: int) -> None:
    joined = trained(model, codec)
    session = joined.session
    session.set(Target("hold", "part"), (hold,), joined.now_us)
    # Moved in every bar, so that no setting of one moment would decode the loop again.
    for turn in range(12):
        session.set(Target("knob", "part", 1), (turn / 12,), joined.now_us)
        bars_on(joined, 1)
    heard = attacks(joined)
    last = max(heard)
    session.act(Target("back", "part"), (4, "bar"), joined.now_us)
    bars_on(joined, 8)
    after = attacks(joined)
    then = {at % 2: heard[at] for at in (last - 4, last - 5)}
    for song_bar in range(last + 3, last + 8):
        assert after[song_bar] == then[song_bar % 2]
    session.set(Target("knob", "part", 1), (1.0,), joined.now_us)
    session.set(Target("knob", "part", 2), (0.0,), joined.now_us)
    bars_on(joined, 4)
    final = attacks(joined)
    assert any(final[at] != then[at % 2] for at in range(max(final) - 1, max(final) + 1))


def test_what_was_good_can_be_kept_after_the_fact() -> None:
    joined = trained("melody-2bar", MELODY)
    session = joined.session
    session.set(Target("hold", "part"), (0,), joined.now_us)
    bars_on(joined, 9)
    heard = attacks(joined)
    last = max(heard)
    session.act(Target("keep", "part", 3), (2,), joined.now_us)
    session.act(Target("fire", "part"), ("new", "bar"), joined.now_us)
    bars_on(joined, 4)
    session.act(Target("slot", "part", 3), (), joined.now_us)
    bars_on(joined, 6)
    after = attacks(joined)
    then = {at % 2: heard[at] for at in (last - 2, last - 3)}
    for song_bar in (max(after) - 1, max(after)):
        assert after[song_bar] == then[song_bar % 2]


@pytest.mark.parametrize("bars", [0, 1, 500])
def test_what_has_not_sounded_cannot_come_back(bars: int) -> None:
    joined = trained("melody-2bar", MELODY)
    with pytest.raises(UsageError, match="is not known"):
        joined.session.act(Target("back", "part"), (bars,), joined.now_us)


def stub(*names: str) -> Performance:
    decoder = StubDecoder()
    space = latent_space(decoder.manifest)
    setups = [PartSetup(name, i + 1, space, 2) for i, name in enumerate(names)]
    joined = Performance(Session(setups, 7, TEMPO_BPM), {setup.name: decoder for setup in setups}, TEMPO_BPM)
    joined.session.act(Target("start"), (), 0)
    joined.run_until(5 * BAR_US)
    return joined


def values(session: Session) -> dict[Target, Values]:
    return {target: session.get(target) for target in session.targets() if target not in TIMELESS}


Change = tuple[str, Target, Values]
CHANGES: "st.SearchStrategy[Change]" = st.sampled_from(
    [
        ("set", Target("knob", "melody", 1), (0.9,)),
        ("set", Target("knob", "bass", 2), (0.1,)),
        ("set", Target("z", "melody"), (0.5, 0.25, 0.0, 1.0)),
        ("set", Target("z", "melody", 2), (-0.5,)),
        ("set", Target("temperature", "melody"), (0.3,)),
        ("set", Target("mute", "bass"), (1,)),
        ("set", Target("solo", "melody"), (1,)),
        ("set", Target("transpose", "bass"), (5,)),
        ("set", Target("length", "melody"), (3,)),
        ("set", Target("tempo"), (133.0,)),
        ("set", Target("swing"), (60.0, 16)),
        ("set", Target("scale"), ("d", "minor")),
        ("set", Target("chords"), ("C | F",)),
        ("set", Target("edits", "melody"), (2,)),
        ("set", Target("rests", "melody"), (1, 2)),
        ("set", Target("walk", "bass"), (0.5,)),
        ("set", Target("follow", "melody"), ("vary", 3)),
        ("set", Target("link", "melody"), ("bass",)),
        ("act", Target("fire", "melody"), ("new", "bar")),
        ("act", Target("fire", "bass"), ("vary", "4bars")),
        ("act", Target("restart", "melody"), ("bar",)),
        ("act", Target("store", "melody", 1), ()),
        ("act", Target("slot", "melody", 2), ("bar",)),
        ("act", Target("back", ""), (2, "bar")),
        ("act", Target("sequence/add"), ()),
        ("act", Target("sequence/keep"), (3, "bass")),
        ("act", Target("sequence/clear"), ()),
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=12))
def test_every_undo_restores_exactly_and_every_redo_too(changes: list[Change]) -> None:
    joined = stub("melody", "bass")
    session = joined.session
    session.act(Target("store", "melody", 2), (), joined.now_us)
    seen = [values(session)]
    for kind, target, arguments in changes:
        # Another movement, whatever was moved before.
        joined.now_us += 1_100_000
        if kind == "set":
            session.set(target, arguments, joined.now_us)
        else:
            session.act(target, arguments, joined.now_us)
        seen.append(values(session))
    for before in reversed(seen[:-1]):
        session.act(Target("undo"), (), joined.now_us)
        assert values(session) == before
    for after in seen[1:]:
        session.act(Target("redo"), (), joined.now_us)
        assert values(session) == after
    with pytest.raises(UsageError, match="nothing to redo"):
        session.act(Target("redo"), (), joined.now_us)


def test_a_movement_is_one_step_and_a_fire_that_waits_can_be_called_off() -> None:
    joined = stub("melody")
    session = joined.session
    before = values(session)
    for turn in range(50):
        session.set(Target("knob", "melody", 1), (turn / 50,), joined.now_us + turn * 10_000)
    session.act(Target("undo"), (), joined.now_us)
    assert values(session) == before
    session.act(Target("fire", "melody"), ("new", "4bars"), joined.now_us)
    session.act(Target("undo"), (), joined.now_us)
    bars_on(joined, 8)
    assert values(session) == before


def test_there_is_not_always_something_to_undo_and_what_fails_is_no_step() -> None:
    joined = stub("melody")
    with pytest.raises(UsageError, match="nothing to undo"):
        joined.session.act(Target("undo"), (), joined.now_us)
    with pytest.raises(UsageError):
        joined.session.set(Target("temperature", "melody"), (99.0,), joined.now_us)
    with pytest.raises(UsageError, match="nothing to undo"):
        joined.session.act(Target("undo"), (), joined.now_us)
