"""A drum part in a session: groove reaches the player, nothing is transposed, and a splice keeps the time."""

import numpy as np
import pytest
from msgspec import structs

from autoloops_engine.bundle.manifest import Output
from autoloops_engine.codecs.registry import DRUMS, MELODY
from autoloops_engine.inference.decoder import DecodedSteps, Floats, Tokens
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen, SetPart
from autoloops_engine.player.events import Kind
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_engine.units import BAR_UB, STEP_UB

TEMPO_BPM = 120.0
BAR_US = 2_000_000
STEP_US = 125_000
EARLY = 0.5


class Drummer(StubDecoder):
    """Strikes kick and hat on every step, early, as loud as the first latent coordinate says."""

    def __init__(self) -> None:
        outputs = (Output("drums", DRUMS.name, DRUMS.classes),)
        super().__init__(structs.replace(tiny_manifest(), outputs=outputs))

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        steps = super().bar(state, embedding, previous, temperature, noise, bias)
        shape = (*steps.tokens.shape, 9)
        loudness = np.broadcast_to(embedding[:, :1, None], shape).astype(np.float32)
        offsets = np.full(shape, EARLY, dtype=np.float32)
        return steps._replace(tokens=np.full_like(steps.tokens, 0b101), extras=(loudness, offsets))


@pytest.fixture
def joined() -> Performance:
    decoder = Drummer()
    setup = PartSetup("drums", 10, latent_space(decoder.manifest), 2, codec=DRUMS)
    session = Session([setup], 7, TEMPO_BPM)
    session.set_budget(12_000)
    performance = Performance(session, {"drums": decoder}, TEMPO_BPM, decode_us=lambda _: 4_000)
    performance.run_until(1_000_000)
    session.set(Target("z", "drums"), (0.5, 0.0, 0.0, 0.0), performance.now_us)
    session.act(Target("start"), (), performance.now_us)
    performance.settle()
    return performance


@pytest.mark.parametrize("bound", ["frozen", "heard"])
def test_what_was_frozen_or_heard_of_one_codec_does_not_bind_a_model_of_another(
    joined: Performance, bound: str
) -> None:
    session = joined.session
    # In the middle of bars: nothing is being decoded when the model is swapped.
    joined.run_until(1_000_000 + 8 * BAR_US + BAR_US // 2)
    for model, codec in ((StubDecoder(), MELODY), (Drummer(), DRUMS), (StubDecoder(), MELODY)):
        if bound == "frozen":
            session.set(Target("freeze", "drums"), (1, 2, 20), joined.now_us)
        else:
            session.act(Target("back", "drums"), (2,), joined.now_us)
        joined.run_until(joined.now_us + 4 * BAR_US)
        setup = PartSetup("drums", 10, latent_space(model.manifest), 2, codec=codec)
        joined.decoders["drums"] = model
        session.swap_model(setup, None, joined.now_us)
        joined.run_until(joined.now_us + 8 * BAR_US)
        assert session.get(Target("freeze", "drums")) == (0,)
        assert [len(steps.extras) for steps in session.loop_steps("drums")] == [len(codec.extras)] * 2


def test_a_model_is_heard_although_the_loop_of_before_was_brought_back(joined: Performance) -> None:
    joined.run_until(1_000_000 + 8 * BAR_US + BAR_US // 2)
    joined.session.act(Target("back", "drums"), (2,), joined.now_us)
    joined.run_until(joined.now_us + 4 * BAR_US)
    setup = PartSetup("drums", 10, latent_space(Drummer().manifest), 2, codec=DRUMS)
    joined.session.swap_model(setup, [2.0, 0.0, 0.0, 0.0], joined.now_us)
    joined.run_until(joined.now_us + 4 * BAR_US)
    assert joined.session.loop_steps("drums")[0].extras[0].min() > 0.5


def bars(joined: Performance) -> dict[int, Frozen]:
    return {m.song_bar: m for m in joined.heard if isinstance(m, Frozen)}


def onsets(joined: Performance) -> list[tuple[int, int, int]]:
    return [(e.at_us, e.number, e.velocity) for e in joined.events if e.kind == Kind.ON]


def test_the_player_is_told_how_early_drums_can_be(joined: Performance) -> None:
    assert joined.session._parts["drums"].route() == SetPart("drums", 10, 2, early_ub=STEP_UB // 2)


def test_velocity_and_microtiming_reach_the_events(joined: Performance) -> None:
    joined.run_until(joined.now_us + 4 * BAR_US)
    heard = onsets(joined)
    assert {(number, velocity) for _, number, velocity in heard} == {(36, 64), (42, 64)}
    line_us = next(e.at_us for e in joined.events if e.kind == Kind.BAR and e.number == 2)
    early_us = round(EARLY * STEP_US / 2)
    wanted = [line_us - early_us + step * STEP_US for step in range(16)]
    of_bar = [at_us for at_us, number, _ in heard if number == 36 and wanted[0] <= at_us <= wanted[-1]]
    assert of_bar == wanted
    assert joined.session.misses == 0


def test_every_hit_has_its_end_before_the_next_of_its_voice(joined: Performance) -> None:
    joined.run_until(joined.now_us + 3 * BAR_US)
    joined.session.act(Target("stop"), (), joined.now_us)
    joined.run_until(joined.now_us + BAR_US)
    ons, offs = ([e for e in joined.events if e.kind == kind] for kind in (Kind.ON, Kind.OFF))
    assert len(ons) == len(offs)


def test_transposing_leaves_drums_alone(joined: Performance) -> None:
    joined.session.set(Target("transpose", "drums"), (5,), joined.now_us)
    joined.settle()
    joined.run_until(joined.now_us + 4 * BAR_US)
    assert {number for _, number, _ in onsets(joined)} == {36, 42}


@pytest.mark.parametrize("step", [1, 7, 15])
def test_fire_now_strikes_every_step_once(joined: Performance, step: int) -> None:
    joined.run_until(joined.now_us + BAR_US)
    line_us = next(e.at_us for e in joined.events if e.kind == Kind.BAR and e.number == 1) + 2 * BAR_US
    joined.run_until(line_us + step * STEP_US - 40_000)
    joined.session.act(Target("fire", "drums"), ("new", "now"), joined.now_us)
    joined.settle()
    joined.run_until(line_us + 2 * BAR_US)
    kicks = [at_us - line_us for at_us, number, _ in onsets(joined) if number == 36]
    in_bar = [at_us for at_us in kicks if -STEP_US // 2 <= at_us < BAR_US - STEP_US // 2]
    assert any(m.origin == "splice" for m in joined.heard if isinstance(m, Frozen))
    steps = [round(at_us / STEP_US) for at_us in in_bar]
    assert sorted(set(steps)) == list(range(16))
    assert len(steps) <= 17


def test_the_bars_of_the_record_have_the_notes_that_were_heard(joined: Performance) -> None:
    joined.run_until(joined.now_us + 4 * BAR_US)
    notes = bars(joined)[1].bar.notes
    assert len(notes) == 32
    assert notes[0].start_ub == -round(EARLY * STEP_UB / 2)
    assert all(note.start_ub + note.duration_ub <= BAR_UB for note in notes)
