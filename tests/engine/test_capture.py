"""Playing in: what was played is put on the grid where it was played, and a part takes it up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.codecs.registry import DRUMS, MELODY, Codec, LoopSteps
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.inference.requests import encode
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen
from autoloops_engine.session.core import Session
from autoloops_engine.session.ear import Ear, rotated
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder
from autoloops_engine.time.quantum import When
from autoloops_engine.units import BAR_UB, STEP_UB

TEMPO_BPM = 120.0
BAR_US = 2_000_000
STEP_US = BAR_US // 16


def played(ear: Ear, notes: list[tuple[int, int, int]], velocity: int = 90) -> None:
    """Keys by (step of the song, steps long, pitch)."""
    events = [(start * STEP_UB, pitch, velocity) for start, _, pitch in notes]
    events += [((start + length) * STEP_UB, pitch, 0) for start, length, pitch in notes]
    for position_ub, pitch, strength in sorted(events, key=lambda event: (event[0], event[2])):
        ear.hear(pitch, strength, position_ub)


def test_a_phrase_is_on_the_grid_of_the_bars_in_which_it_was_played() -> None:
    ear = Ear()
    played(ear, [(3, 4, 50), (64, 2, 60), (66, 2, 62), (80, 4, 64)])
    first_bar, steps = ear.loop(MELODY, 2, 6 * BAR_UB)
    assert first_bar == 4
    onsets = {at: token for at, token in enumerate(steps.tokens) if token > 1}
    assert onsets == {0: 60 - 19, 2: 62 - 19, 16: 64 - 19}


def test_a_note_a_little_before_the_line_belongs_behind_it_and_keys_that_are_down_count() -> None:
    ear = Ear()
    ear.hear(60, 90, 4 * BAR_UB - STEP_UB // 3)
    _, steps = ear.loop(MELODY, 1, 4 * BAR_UB + 8 * STEP_UB)
    assert steps.tokens[0] == 60 - 19
    assert set(steps.tokens[1:8]) == {0}


def test_drums_keep_their_places_velocities_and_timing() -> None:
    ear = Ear()
    ear.hear(36, 100, BAR_UB + STEP_UB * 4 + STEP_UB // 4)
    ear.hear(36, 0, BAR_UB + STEP_UB * 5)
    ear.hear(61, 100, BAR_UB)
    first_bar, steps = ear.loop(DRUMS, 2, 2 * BAR_UB)
    assert first_bar == 0
    assert [at for at, token in enumerate(steps.tokens) if token] == [20]
    velocities, offsets = steps.extras
    assert velocities[20, 0] == pytest.approx(100 / 127)
    assert offsets[20, 0] == pytest.approx(-0.5)


@pytest.mark.parametrize("codec", [MELODY, DRUMS])
def test_silence_is_no_phrase(codec: Codec) -> None:
    with pytest.raises(UsageError, match="play a phrase"):
        Ear().loop(codec, 2, BAR_UB)


@given(
    st.lists(st.tuples(st.integers(0, 127), st.integers(0, 127), st.integers(0, 40 * BAR_UB)), max_size=60),
    st.integers(1, 4),
    st.sampled_from([MELODY, DRUMS]),
)
def test_whatever_is_played_is_a_loop_or_refused(events: list[tuple[int, int, int]], bars: int, codec: Codec) -> None:
    ear = Ear()
    for pitch, velocity, position_ub in events:
        ear.hear(pitch, velocity, position_ub)
    try:
        first_bar, steps = ear.loop(codec, bars, 41 * BAR_UB)
    except UsageError:
        return
    assert first_bar >= 0
    assert len(steps.tokens) == 16 * bars
    assert all(len(extra) == 16 * bars for extra in steps.extras)
    assert any(steps.tokens)


def test_a_loop_can_begin_with_another_bar() -> None:
    steps = LoopSteps(tuple(range(32)), (np.arange(32, dtype=np.float32)[:, None],))
    first, second = rotated(steps, 1)
    assert (first.tokens[0], second.tokens[0]) == (16, 0)
    assert first.extras[0][0, 0] == 16


def test_a_part_plays_what_was_played_in_on_the_bars_where_it_was_played() -> None:
    decoder = open_decoder(find_bundle("melody-2bar"))
    session = Session([PartSetup("melody", 1, latent_space(decoder.manifest), 2)], 5, TEMPO_BPM)
    joined = Performance(session, {"melody": decoder}, TEMPO_BPM)
    session.set(Target("temperature", "melody"), (0.0,), 0)
    session.act(Target("start"), (), 0)
    joined.run_until(BAR_US)
    # A bar line at which bar 2 of the loop begins.
    start_us = joined.player.state(joined.now_us).time_us
    line_us = start_us + 3 * BAR_US
    phrase = [(0, 60), (4, 64), (8, 67), (12, 72), (16, 72), (20, 67), (24, 64), (28, 60)]
    for step, pitch in phrase:
        for velocity, at_us in ((90, line_us + step * STEP_US), (0, line_us + (step + 3) * STEP_US)):
            joined.run_until(at_us + 5_000)
            session.act(Target("hear"), (pitch, velocity), joined.now_us)
    session.act(Target("capture", "melody"), (), joined.now_us)
    (asked,) = session.take_phrases()
    features = np.concatenate([MELODY.features(bar) for bar in asked.bars])
    session.take_up(asked, encode(decoder, features), joined.now_us)
    joined.run_until(joined.now_us + 6 * BAR_US)
    bars = {m.song_bar: m.bar for m in joined.heard if isinstance(m, Frozen)}
    last = max(bars)
    heard = {at % 2: [note.pitch for note in bars[at].notes] for at in (last - 1, last)}
    # Begun on an odd bar of the song, it sounds on odd bars.
    assert heard == {1: [60, 64, 67, 72], 0: [72, 67, 64, 60]}


def test_an_amount_goes_so_far_and_another_model_refuses() -> None:
    decoder = open_decoder(find_bundle("melody-2bar"))
    session = Session([PartSetup("melody", 1, latent_space(decoder.manifest), 2)], 5, TEMPO_BPM)
    before = session.get(Target("z", "melody"))
    session.act(Target("hear"), (60, 90), 0)
    session.act(Target("capture", "melody"), (0.0,), 1_000_000)
    (asked,) = session.take_phrases()
    session.take_up(asked, [1.0] * len(before), 1_000_000)
    assert session.get(Target("z", "melody")) == pytest.approx(before)
    with pytest.raises(UsageError, match="another model"):
        session.take_up(asked, [1.0], 1_000_000)


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
def test_a_file_is_taken_up_as_far_as_its_amount_says(amount: float) -> None:
    decoder = open_decoder(find_bundle("melody-2bar"))
    session = Session([PartSetup("melody", 1, latent_space(decoder.manifest), 2)], 5, TEMPO_BPM)
    before = np.array(session.get(Target("z", "melody")))
    session.act(Target("load", "melody"), ("tune.mid", amount, "loop"), 0)
    session.act(Target("load", "melody"), ("tune.mid",), 0)
    asked, whole = session.take_phrases()
    assert (asked.path, asked.when, whole.amount, whole.when) == ("tune.mid", When.LOOP, 1.0, When.BAR)
    there = np.linspace(-1.0, 1.0, len(before))
    session.take_up(asked, [*there], 0)
    left = np.linalg.norm(np.array(session.get(Target("z", "melody"))) - there) / np.linalg.norm(before - there)
    assert left == pytest.approx(1 - amount, abs=1e-5) if amount in {0.0, 1.0} else 0.2 < left < 0.8


def test_a_phrase_that_was_taken_up_is_a_step_of_undo_and_what_was_changed_before_stays() -> None:
    joined = rolling()
    session, z, knob = joined.session, Target("z", "melody"), Target("knob", "melody", 1)
    session.set(knob, (0.9,), joined.now_us)
    before = session.get(z)
    session.act(Target("capture", "melody"), (1.0, "now"), joined.now_us)
    (asked,) = session.take_phrases()
    # Encoding takes its time: what is set meanwhile is a step before this one.
    session.set(Target("temperature", "melody"), (0.5,), joined.now_us + 10_000)
    session.take_up(asked, [1.0, 2.0, 3.0, 4.0], joined.now_us + 20_000)
    joined.run_until(joined.now_us + BAR_US)
    assert session.get(z) == (1.0, 2.0, 3.0, 4.0)
    session.act(Target("undo"), (), joined.now_us)
    assert (session.get(z), session.get(knob)) == (before, (0.9,))
    assert session.get(Target("temperature", "melody")) == (0.5,)
    session.act(Target("redo"), (), joined.now_us)
    assert session.get(z) == (1.0, 2.0, 3.0, 4.0)
    for was in (0.5, 1.0):
        session.act(Target("undo"), (), joined.now_us)
        assert session.get(Target("temperature", "melody")) == (was,)
    session.act(Target("capture", "melody"), (1.0, "4bars"), joined.now_us)
    session.take_up(session.take_phrases()[0], [1.0] * 4, joined.now_us)
    with pytest.raises(UsageError, match="nothing to redo"):
        session.act(Target("redo"), (), joined.now_us)
    session.act(Target("undo"), (), joined.now_us)
    joined.run_until(joined.now_us + 6 * BAR_US)
    assert session.get(z) == before, "a launch that waits is called off"


def rolling() -> Performance:
    """A part that plays, and something that was played in."""
    decoder = StubDecoder()
    session = Session([PartSetup("melody", 1, latent_space(decoder.manifest), 2)], 7, TEMPO_BPM)
    joined = Performance(session, {"melody": decoder}, TEMPO_BPM)
    session.act(Target("start"), (), 0)
    joined.run_until(BAR_US)
    session.act(Target("hear"), (60, 90), joined.now_us)
    joined.run_until(3 * BAR_US)
    return joined
