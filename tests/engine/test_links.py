"""Parts from one latent point: whoever moves it moves it for all; what is a part's own stays its own."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.views import manifest_of, views_of
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen, TransportState
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance, render
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder, TrioStub, tiny_trio_manifest
from autoloops_engine.units import BAR_UB

TEMPO_BPM = 120.0
BAR_US = 2_000_000
DECODE_US = 3_000
PARTS = ("melody", "bass", "drums")


def setup_of(model: TrioStub, part: str, name: str | None = None) -> PartSetup:
    manifest = model.manifest
    codec = codec_named(manifest_of(manifest, part).outputs[0].codec)
    space = latent_space(manifest, part, "digest of the trio")
    return PartSetup(name or part, 1 + PARTS.index(part), space, manifest.bars, codec=codec, model=manifest.name)


def alone(name: str) -> PartSetup:
    manifest = StubDecoder().manifest
    return PartSetup(name, 5, latent_space(manifest, family="digest of the tiny"), manifest.bars, model=manifest.name)


def trio(*more: PartSetup, bars: int = 16) -> Performance:
    model = TrioStub(tiny_trio_manifest(bars=bars))
    session = Session([*(setup_of(model, part) for part in PARTS), *more], 7, TEMPO_BPM)
    session.set_budget(12_000)
    decoders = {**views_of(model), **{setup.name: StubDecoder() for setup in more}}
    return Performance(session, decoders, TEMPO_BPM, decode_us=lambda _: DECODE_US)


def started(joined: Performance) -> int:
    """Starts it; when it began."""
    joined.run_until(500_000)
    joined.session.act(Target("start"), (), joined.now_us)
    joined.run_until(800_000)
    return next(m.time_us for m in joined.heard if isinstance(m, TransportState) and m.playing)


def points(joined: Performance) -> list[tuple[object, ...]]:
    return [joined.session.get(Target("z", part)) for part in PARTS]


def bars_of(joined: Performance, part: str) -> dict[int, Frozen]:
    """What froze last of each bar of the song."""
    return {m.song_bar: m for m in joined.heard if isinstance(m, Frozen) and m.part == part}


def sounds(frozen: Frozen) -> tuple[object, ...]:
    return frozen.bar.notes, frozen.bar.ties


def test_the_parts_of_one_bundle_begin_at_one_point_with_a_seed_of_their_own() -> None:
    joined = trio()
    assert len(set(points(joined))) == 1
    assert len({joined.session.get(Target("seed", part)) for part in PARTS}) == 3
    assert joined.session.get(Target("link", "bass")) == ("melody", "drums")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("target", [("z", None), ("z", 2), ("knob", 3), ("attr", "density")])
def test_whoever_moves_the_point_moves_it_for_all_and_all_are_echoed(
    part: str, target: tuple[str, str | int | None]
) -> None:
    joined = trio()
    before = points(joined)[0]
    joined.session.touched()
    name, key = target
    joined.session.set(Target(name, part, key), (0.9,) if key is not None else (0.5,) * 6, 0)
    assert points(joined)[0] != before
    assert len(set(points(joined))) == 1
    touched = joined.session.touched()
    assert {Target("z", each) for each in PARTS} <= set(touched)
    if name in {"z", "knob"}:
        assert {joined.session.get(Target(name, each, key)) for each in PARTS} == {
            joined.session.get(Target(name, part, key))
        }


def test_a_fader_is_that_of_its_part_and_rests_for_all_with_a_new_point() -> None:
    joined = trio()
    session = joined.session
    assert session.attributes("drums") == ("density", "swing")
    session.set(Target("attr", "bass", "density"), (1.0,), 0)
    session.set(Target("attr", "drums", "swing"), (0.0,), 0)
    assert session.get(Target("attr", "bass", "density")) == (1.0,)
    assert session.get(Target("attr", "melody", "density")) == (0.5,)
    assert Target("attr", "melody", "density") not in session.touched()
    with pytest.raises(UsageError, match="no attribute swing; it has: density, pitch"):
        session.get(Target("attr", "bass", "swing"))
    session.set(Target("z", "melody"), (0.0,) * 6, 0)
    assert session.get(Target("attr", "bass", "density")) == (0.5,)
    assert points(joined) == [(0.0,) * 6] * 3


def test_what_is_a_parts_own_stays_its_own() -> None:
    session = trio().session
    for name, value in (("temperature", 2.0), ("seed", 5), ("hold", 0), ("mute", 1), ("transpose", 3), ("length", 4)):
        session.set(Target(name, "bass"), (value,), 0)
        assert session.get(Target(name, "bass")) == (value,)
        assert session.get(Target(name, "melody")) != (value,)


@pytest.mark.parametrize("when", ["bar", "loop", "beat", "now"])
def test_a_fire_of_one_launches_all_at_the_same_place(when: str) -> None:
    joined = trio()
    start_us = started(joined)
    joined.run_until(start_us + 2 * BAR_US + BAR_US // 3)
    seeds = [joined.session.get(Target("seed", part)) for part in PARTS]
    joined.session.act(Target("fire", "drums"), ("new", when), joined.now_us)
    places = {
        (launch.position_ub, tuple(launch.point.z()))
        for part in PARTS
        for launch in joined.session._parts[part].launches
        if launch.point is not None
    }
    joined.run_until(start_us + 18 * BAR_US)
    assert len(places) == (1 if when in {"bar", "loop"} else 0)
    assert len(set(points(joined))) == 1
    after = [joined.session.get(Target("seed", part)) for part in PARTS]
    assert after[:2] == seeds[:2]
    assert after[2] != seeds[2]
    if when in {"beat", "now"}:
        spliced = [m for m in joined.heard if isinstance(m, Frozen) and m.from_ub]
        assert {m.part for m in spliced} == set(PARTS)
        assert len({(m.song_bar, m.from_ub) for m in spliced}) == 1


def test_fired_again_from_another_part_it_is_the_same_point() -> None:
    joined = trio()
    joined.session.act(Target("fire", "melody"), ("new",), 0)
    fired = points(joined)[0]
    joined.session.set(Target("z", "melody"), (0.1,) * 6, 0)
    joined.session.act(Target("fire", "bass"), ("again",), 0)
    assert points(joined) == [fired] * 3


def test_who_leaves_keeps_the_point_and_who_joins_takes_over_that_of_the_others() -> None:
    joined = trio()
    session = joined.session
    session.set(Target("link", "bass"), ("none",), 0)
    assert set(session.touched()) >= {Target("link", part) for part in PARTS}
    session.set(Target("knob", "melody", 1), (0.9,), 0)
    melody, bass, drums = points(joined)
    assert melody == drums != bass
    assert session.get(Target("link", "bass")) == ("none",)
    assert session.get(Target("link", "melody")) == ("drums",)
    session.set(Target("link", "bass"), ("drums",), 0)
    assert points(joined) == [melody] * 3
    assert session.get(Target("link", "drums")) == ("melody", "bass")


def test_two_parts_with_the_same_model_of_one_part_can_be_linked_and_are_not_at_first() -> None:
    session = Session([alone("melody"), alone("lead")], 7, TEMPO_BPM)
    assert session.get(Target("link", "lead")) == ("none",)
    assert session.get(Target("z", "lead")) != session.get(Target("z", "melody"))
    session.set(Target("link", "lead"), ("melody",), 0)
    session.set(Target("knob", "lead", 2), (0.8,), 0)
    assert session.get(Target("z", "lead")) == session.get(Target("z", "melody"))


def test_parts_of_other_models_share_no_point() -> None:
    session = trio(alone("lead")).session
    with pytest.raises(UsageError, match="only parts of the same model"):
        session.set(Target("link", "lead"), ("melody",), 0)
    with pytest.raises(UsageError, match="no part flute"):
        session.set(Target("link", "lead"), ("flute",), 0)
    assert session.get(Target("link", "melody")) == ("bass", "drums")


def test_a_part_that_is_swapped_away_leaves_and_one_that_is_swapped_in_joins() -> None:
    joined = trio()
    session = joined.session
    session.swap_model(alone("bass"), None, 0)
    assert session.get(Target("link", "melody")) == ("drums",)
    session.set(Target("knob", "melody", 1), (0.2,), 0)
    session.touched()
    session.swap_model(setup_of(TrioStub(), "bass"), [0.0] * 6, 0)
    assert session.get(Target("link", "melody")) == ("bass", "drums")
    assert len(set(points(joined))) == 1
    assert set(session.touched()) >= {Target("link", part) for part in PARTS}


def test_a_launch_that_is_lined_up_when_a_part_joins_is_its_own_too() -> None:
    joined = trio()
    start_us = started(joined)
    session = joined.session
    session.set(Target("link", "bass"), ("none",), joined.now_us)
    session.act(Target("fire", "bass"), ("new", "2bars"), joined.now_us)
    session.act(Target("fire", "melody"), ("new", "4bars"), joined.now_us)
    session.set(Target("link", "bass"), ("melody",), joined.now_us)
    joined.run_until(start_us + 9 * BAR_US)
    assert len(set(points(joined))) == 1


MOVES = st.one_of(
    st.tuples(st.just("z"), st.sampled_from(PARTS), st.floats(-2, 2)),
    st.tuples(st.just("knob"), st.sampled_from(PARTS), st.floats(0, 1)),
    st.tuples(st.just("density"), st.sampled_from(PARTS), st.floats(0, 1)),
    st.tuples(st.just("fire"), st.sampled_from(PARTS), st.sampled_from(["now", "beat", "bar", "2bars", "loop"])),
    st.tuples(st.just("link"), st.sampled_from(PARTS), st.sampled_from([*PARTS, "none"])),
    st.tuples(st.just("wait"), st.just("melody"), st.integers(1, 3 * BAR_US)),
)


@given(st.lists(MOVES, max_size=12))
@settings(max_examples=20, deadline=None)
def test_whatever_is_moved_and_linked_parts_of_a_group_stay_at_one_point(moves: list[tuple[str, str, object]]) -> None:
    joined = trio(bars=2)
    start_us = started(joined)
    session = joined.session
    for what, part, value in moves:
        match what, value:
            case "fire", str(when):
                session.act(Target("fire", part), ("new", when), joined.now_us)
            case "link", str(other):
                session.set(Target("link", part), (other,), joined.now_us)
            case "wait", int(us):
                joined.run_until(joined.now_us + us)
            case "density", float(position):
                session.set(Target("attr", part, "density"), (position,), joined.now_us)
            case name, float(position):
                session.set(Target(name, part, 1), (position,), joined.now_us)
        joined.settle()
    # Long enough for every launch to take effect, in all parts.
    bars = (joined.now_us - start_us) // BAR_US + 5
    joined.run_until(start_us + bars * BAR_US + BAR_US // 2)
    for part in PARTS:
        for other in (str(each) for each in session.get(Target("link", part)) if each != "none"):
            assert session.get(Target("z", other)) == session.get(Target("z", part))
    assert not session.fallbacks


def test_sixteen_bars_hold_again_and_again() -> None:
    joined = trio()
    start_us = started(joined)
    joined.run_until(start_us + 33 * BAR_US)
    for part in PARTS:
        bars = bars_of(joined, part)
        first = [sounds(bars[bar]) for bar in range(16)]
        assert len({repr(bar) for bar in first}) > 8, "a loop of sixteen bars is not one bar sixteen times"
        # What is tied into the first bar of the loop depends on what sounded before, and there was nothing.
        assert [sounds(bars[bar])[0] for bar in range(17, 32)] == [notes for notes, _ in first[1:]]
        assert joined.session._parts[part].route().length_bars == 16


@pytest.mark.parametrize("bar", [3, 9, 15, 16, 29])
def test_a_new_point_is_heard_from_any_bar_line_on_in_all_parts(bar: int) -> None:
    """Exactly what sounds when the point had been there from the beginning, but for what is tied into the bar."""
    z = (1.0, -1.0, 0.5, 0.0, 2.0, -0.5)
    late, early = trio(), trio()
    early.session.set(Target("z", "melody"), z, 0)
    start_us = started(late)
    early_start_us = started(early)
    late.run_until(start_us + (bar - 1) * BAR_US + BAR_US // 2)
    late.session.set(Target("z", "drums"), z, late.now_us)
    late.run_until(start_us + (bar + 2) * BAR_US)
    early.run_until(early_start_us + (bar + 2) * BAR_US)
    was, became = bars_of(late, "drums"), bars_of(early, "drums")
    assert sounds(was[bar - 1]) != sounds(became[bar - 1])
    # Drums have no ties; their bars are linked by the last step alone, which differs once.
    assert sounds(was[bar + 1]) == sounds(became[bar + 1])
    for part in PARTS:
        steps = bars_of(late, part)[bar + 1].bar.notes
        assert steps == bars_of(early, part)[bar + 1].bar.notes


def test_memory_does_not_grow_with_passes_and_moves() -> None:
    joined = trio()
    start_us = started(joined)
    kept = []
    for bar in range(1, 36):
        joined.run_until(start_us + bar * BAR_US)
        for turn in range(3):
            joined.session.set(Target("knob", "bass", 1 + turn), ((bar % 10) / 10,), joined.now_us)
            joined.run_until(joined.now_us + 40_000)
        kept.append(sum(len(joined.session._parts[part]._records) for part in PARTS))
    assert max(kept) <= 3 * (16 + 64 + 4)


def test_a_successor_knows_who_shares_a_point_and_whose_faders_moved() -> None:
    joined = trio(alone("lead"))
    session = joined.session
    session.set(Target("link", "drums"), ("none",), 0)
    session.set(Target("attr", "bass", "pitch"), (0.9,), 0)
    session.set(Target("knob", "melody", 2), (0.1,), 0)
    left = msgspec.json.decode(msgspec.json.encode(session.state()), type=SessionState)
    model = TrioStub()
    next_session = Session([*(setup_of(model, part) for part in PARTS), alone("lead")], 9, TEMPO_BPM, generation=1)
    next_session.restore(left)
    for target in session.targets():
        assert next_session.get(target) == session.get(target)
    next_session.set(Target("knob", "bass", 2), (0.5,), 0)
    assert next_session.get(Target("z", "melody")) == next_session.get(Target("z", "bass"))
    assert next_session.get(Target("z", "drums")) != next_session.get(Target("z", "bass"))


def test_render_writes_what_the_three_parts_play() -> None:
    model = TrioStub()
    notes = render([setup_of(model, part) for part in PARTS], views_of(model), seed=7, tempo_bpm=TEMPO_BPM, bars=16)
    joined = trio()
    start_us = started(joined)
    joined.run_until(start_us + 16 * BAR_US)
    assert {note.part for note in notes} == set(PARTS)
    assert max(note.start_ub for note in notes) // BAR_UB == 15
    for part in PARTS:
        played = {
            (bar * BAR_UB + note.start_ub, note.pitch)
            for bar, frozen in bars_of(joined, part).items()
            if bar < 16
            for note in frozen.bar.notes
        }
        assert {(note.start_ub, note.pitch) for note in notes if note.part == part} == played


def test_a_point_is_the_same_number_for_number_in_every_part() -> None:
    joined = trio()
    for part, name, position in (("drums", "swing", 0.13), ("bass", "pitch", 0.77), ("melody", "density", 0.31)):
        joined.session.set(Target("attr", part, name), (position,), 0)
    joined.session.set(Target("knob", "bass", 4), (0.123,), 0)
    exact = [joined.session._parts[part].settings.point.z() for part in PARTS]
    assert all(np.array_equal(exact[0], z) for z in exact)
