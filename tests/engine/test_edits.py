"""The change limiter: never above its bound, and a greater bound changes all that a smaller one does."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.codecs.registry import DRUMS, MELODY, Codec, LoopSteps
from autoloops_engine.constraints.bias import FORBIDDEN
from autoloops_engine.constraints.edits import limited
from autoloops_engine.inference.onnx_decoder import open_decoder
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target

TEMPO_BPM = 120.0
BAR_US = 2_000_000
BARS_OF_STEPS = st.lists(st.integers(0, 89), min_size=16, max_size=16).map(tuple)


def steps(tokens: tuple[int, ...]) -> LoopSteps:
    return LoopSteps(tokens, (np.array(tokens, dtype=np.float32)[:, None],))


def edits_between(new: LoopSteps, old: LoopSteps) -> set[int]:
    return {at for at, (a, b) in enumerate(zip(new.tokens, old.tokens, strict=True)) if a != b}


@given(BARS_OF_STEPS, BARS_OF_STEPS, st.integers(0, 2**32 - 1))
def test_it_is_never_above_its_bound_and_monotone(new: tuple[int, ...], old: tuple[int, ...], seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(16, 90)).astype(np.float32)
    before: set[int] = set()
    for edits in range(17):
        out = limited(steps(new), steps(old), logits, None, edits)
        changed = edits_between(out, steps(old))
        assert len(changed) <= edits
        assert before <= changed
        assert len(changed) == min(edits, len(edits_between(steps(new), steps(old))))
        # Velocity and timing go with the class they belong to.
        assert out.extras[0][:, 0].tolist() == [float(token) for token in out.tokens]
        before = changed


@given(BARS_OF_STEPS, BARS_OF_STEPS, st.integers(0, 16), st.integers(0, 15))
def test_what_is_forbidden_goes_first_and_whatever_the_bound(
    new: tuple[int, ...], old: tuple[int, ...], edits: int, step: int
) -> None:
    bias = np.zeros((16, 90), dtype=np.float32)
    bias[step, old[step]] = FORBIDDEN
    out = limited(steps(new), steps(old), np.zeros((16, 90), dtype=np.float32), bias, edits)
    assert out.tokens[step] == new[step]
    assert len(edits_between(out, steps(old))) <= max(edits, 1)


@pytest.mark.parametrize(("model", "codec"), [("melody-2bar", MELODY), ("drums-2bar", DRUMS)])
def test_however_z_moves_a_pass_differs_from_the_last_by_no_more_than_the_bound(model: str, codec: Codec) -> None:
    decoder = open_decoder(find_bundle(model))
    session = Session([PartSetup("part", 1, latent_space(decoder.manifest), 2, 1.0, codec)], 5, TEMPO_BPM)
    joined = Performance(session, {"part": decoder}, TEMPO_BPM)
    session.act(Target("start"), (), 0)
    joined.run_until(5 * BAR_US)
    session.set(Target("edits", "part"), (3,), joined.now_us)
    joined.run_until(9 * BAR_US)
    rng = np.random.default_rng(3)
    passes: list[list[LoopSteps]] = []
    for turn in range(60):
        session.set(Target("z", "part"), tuple(rng.normal(size=decoder.manifest.latent_size)), joined.now_us)
        joined.run_until(joined.now_us + BAR_US // 3)
        if turn % 12 == 11:
            session.act(Target("fire", "part"), ("new", "now"), joined.now_us)
        passes.append(session.loop_steps("part"))
    differ = 0
    for old, new in pairwise(passes):
        for bar_old, bar_new in zip(old, new, strict=True):
            assert len(edits_between(bar_new, bar_old)) <= 3
            differ += bar_new.tokens != bar_old.tokens
    assert differ > 10
    assert sum(isinstance(message, Frozen) for message in joined.heard) > 20
