"""What a part remembers of its bars: all of the loop that sounds, and little else, however fast controls move."""

from collections.abc import Iterator

from autoloops_engine.latent import latent_space
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 240.0
BARS = 4


def stormy(bars: int) -> Iterator[Performance]:
    """a loop of four bars, of which each is decoded some hundred times before it sounds; a step for each bar."""
    decoder = StubDecoder()
    session = Session([PartSetup("melody", 1, latent_space(decoder.manifest), BARS)], 7, TEMPO_BPM)
    performance = Performance(session, {"melody": decoder}, TEMPO_BPM, decode_us=lambda _: 4_000)
    session.set_budget(12_000)
    session.act(Target("start"), (), 0)
    performance.settle()
    moves = 0
    while performance.player.bars < bars:
        performance.run_until(performance.now_us + 5_000)
        moves += 1
        session.set(Target("velocity", "melody"), (moves % 100 / 100,), performance.now_us)
        session.set(Target("z", "melody", 1), (moves % 7 / 7,), performance.now_us)
        if moves % 200 == 0:
            yield performance


def test_the_loop_that_sounds_is_remembered_through_a_storm_of_moves() -> None:
    for performance in stormy(2 * BARS):
        last = performance
    part = last.session._parts["melody"]
    assert len(part.loop_steps()) == BARS
    assert last.session.misses <= 1


def test_what_is_remembered_does_not_grow() -> None:
    kept = [len(performance.session._parts["melody"]._records) for performance in stormy(3 * BARS)]
    assert max(kept) <= 64 + BARS + 4
    assert all(len(performance.session._parts["melody"]._asked) <= 8 for performance in stormy(2))
