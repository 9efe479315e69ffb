"""The session: what a control does and when it is heard, on a clock that only tests move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.errors import ModelError, UsageError
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Tokens
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen, SetPart, SetTempo, TransportState
from autoloops_engine.notes import Bar, Note
from autoloops_engine.player.bars import PartBars
from autoloops_engine.player.events import Kind
from autoloops_engine.player.transport import START_DELAY_US
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance, render
from autoloops_engine.session.recording import Recorder
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.stage import FREEZE_LEAD_US
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder
from autoloops_engine.units import BAR_UB, STEP_UB, ns_per_beat

TEMPO_BPM = 120.0
STEP_US = 125_000
BAR_US = 16 * STEP_US
DECODE_US = 4_000
BUDGET_US = 12_000


class FirstCoordinateDecoder(StubDecoder):
    """Plays, at every step, the pitch that the first latent coordinate names: what is heard tells what was decoded."""

    def bar(
        self, state: Floats, embedding: Floats, previous: Tokens, temperature: Floats, noise: Floats, bias: Floats
    ) -> DecodedSteps:
        steps = super().bar(state, embedding, previous, temperature, noise, bias)
        pitch = np.clip(np.round(embedding[:, :1]), 0, 87).astype(np.int64)
        return steps._replace(tokens=np.broadcast_to(2 + pitch, steps.tokens.shape).copy())


def performance(
    *names: str, decoder: StubDecoder | None = None, decode_us: int = DECODE_US, budget_us: int = BUDGET_US
) -> Performance:
    decoder = decoder or FirstCoordinateDecoder()
    parts = [PartSetup(name, 1 + i, latent_space(decoder.manifest), 2) for i, name in enumerate(names or ("melody",))]
    session = Session(parts, 7, TEMPO_BPM)
    session.set_budget(budget_us)
    joined = Performance(session, {part.name: decoder for part in parts}, TEMPO_BPM, decode_us=lambda _: decode_us)
    joined.run_until(1_000_000)
    session.act(Target("start"), (), joined.now_us)
    joined.settle()
    return joined


def started_us(joined: Performance) -> int:
    return next(m.time_us for m in joined.heard if isinstance(m, TransportState) and m.playing)


def heard(joined: Performance, from_us: int, until_us: int) -> list[int]:
    return [e.number for e in joined.events if e.kind == Kind.ON and from_us <= e.at_us < until_us]


def point(pitch: int) -> tuple[float, ...]:
    return (float(pitch - 21), 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "before_us", [30_000, BUDGET_US + FREEZE_LEAD_US, BAR_US // 2, BAR_US - DECODE_US - FREEZE_LEAD_US]
)
def test_a_point_set_a_budget_before_the_freeze_line_is_heard_in_that_bar(before_us: int) -> None:
    joined = performance()
    joined.run_until(started_us(joined) + 3 * BAR_US - before_us)
    joined.session.set(Target("z", "melody"), point(72), joined.now_us)
    joined.settle()
    line_us = started_us(joined) + 3 * BAR_US
    joined.run_until(line_us + BAR_US - 1)
    assert set(heard(joined, line_us, line_us + BAR_US)) == {72}
    assert joined.session.misses == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4 * BAR_US), st.integers(30, 100)), min_size=1, max_size=25))
def test_every_bar_sounds_as_the_last_point_that_came_in_time_says(moves: list[tuple[int, int]]) -> None:
    joined = performance()
    start_us = started_us(joined)
    for at_us, pitch in sorted(moves):
        joined.run_until(start_us + at_us)
        joined.session.set(Target("z", "melody"), point(pitch), joined.now_us)
        joined.settle()
    joined.run_until(start_us + 6 * BAR_US - 1)
    for bar in range(1, 6):
        line_us = bar * BAR_US
        in_time = [pitch for at_us, pitch in sorted(moves) if at_us <= line_us - BUDGET_US - FREEZE_LEAD_US]
        late = [pitch for at_us, pitch in moves if line_us - BUDGET_US - FREEZE_LEAD_US < at_us <= line_us]
        sounded = set(heard(joined, start_us + line_us, start_us + line_us + BAR_US))
        if in_time:
            assert sounded <= {in_time[-1], *late}
    assert joined.session.misses == 0


def test_a_decoder_that_is_too_slow_is_counted_and_never_heard_as_silence() -> None:
    joined = performance(decode_us=300_000)
    joined.run_until(started_us(joined) + 4 * BAR_US + BAR_US // 2)
    line_us = started_us(joined) + 5 * BAR_US
    joined.run_until(line_us - 200_000)
    joined.session.set(Target("z", "melody"), point(72), joined.now_us)
    joined.settle()
    joined.run_until(line_us + BAR_US - 1)
    assert 72 not in heard(joined, line_us, line_us + BAR_US)
    assert len(heard(joined, line_us, line_us + BAR_US)) == 16
    assert joined.session.misses == 1


@pytest.mark.parametrize("step", range(16))
def test_fire_now_is_heard_within_two_sixteenths(step: int) -> None:
    joined = performance()
    joined.run_until(started_us(joined) + 2 * BAR_US + step * STEP_US + 1)
    asked_us = joined.now_us
    old = heard(joined, asked_us - BAR_US, asked_us)[-1]
    joined.session.act(Target("fire", "melody"), ("new", "now"), asked_us)
    joined.settle()
    joined.run_until(asked_us + BAR_US)
    changed_us = next(e.at_us for e in joined.events if e.kind == Kind.ON and e.at_us > asked_us and e.number != old)
    assert changed_us - asked_us <= 2 * STEP_US


@pytest.mark.parametrize(("when", "bars_later"), [("beat", 0.25), ("bar", 1), ("2bars", 1), ("4bars", 3), ("loop", 1)])
def test_a_launch_falls_where_it_was_asked_for(when: str, bars_later: float) -> None:
    joined = performance()
    base_us = started_us(joined) + 5 * BAR_US
    joined.run_until(base_us + 1_000)
    old = heard(joined, base_us - BAR_US, base_us + 1_000)[-1]
    joined.session.act(Target("fire", "melody"), ("new", when), joined.now_us)
    joined.settle()
    joined.run_until(base_us + 5 * BAR_US)
    changed_us = next(e.at_us for e in joined.events if e.kind == Kind.ON and e.at_us > base_us and e.number != old)
    assert changed_us == base_us + bars_later * BAR_US


def test_a_launch_asked_for_after_the_freeze_line_still_makes_the_bar() -> None:
    joined = performance()
    line_us = started_us(joined) + 3 * BAR_US
    asked_us = line_us - FREEZE_LEAD_US - 3_000
    joined.run_until(line_us - FREEZE_LEAD_US + 500)
    assert any(isinstance(m, Frozen) and m.song_bar == 3 for m in joined.heard)
    old = heard(joined, 0, asked_us)[-1]
    joined.session.act(Target("fire", "melody"), ("new", "beat"), joined.now_us)
    joined.settle()
    joined.run_until(line_us + BAR_US - 1)
    assert old not in heard(joined, line_us + 4 * STEP_US, line_us + BAR_US)
    assert any(isinstance(m, Frozen) and m.origin == "splice" for m in joined.heard)


def test_a_held_loop_repeats_exactly_and_a_varying_one_does_not() -> None:
    joined = performance(decoder=StubDecoder())
    joined.run_until(started_us(joined) + 8 * BAR_US)
    bars = {m.song_bar: m.bar.notes for m in joined.heard if isinstance(m, Frozen)}
    assert bars[2] == bars[4] == bars[6]
    assert bars[3] == bars[5] == bars[7]
    joined.session.set(Target("hold", "melody"), (0,), joined.now_us)
    joined.settle()
    joined.run_until(started_us(joined) + 16 * BAR_US)
    bars = {m.song_bar: m.bar.notes for m in joined.heard if isinstance(m, Frozen)}
    assert len({bars[10], bars[12], bars[14]}) == 3


def test_restart_moves_the_loop_and_fire_does_not() -> None:
    joined = performance(decoder=StubDecoder())
    joined.run_until(started_us(joined) + 4 * BAR_US + BAR_US // 2)
    joined.session.act(Target("restart", "melody"), ("bar",), joined.now_us)
    joined.settle()
    joined.run_until(started_us(joined) + 9 * BAR_US)
    bars = {m.song_bar: m.bar.notes for m in joined.heard if isinstance(m, Frozen)}
    assert bars[5] == bars[4] == bars[2]
    assert bars[6] == bars[3]
    assert SetPart("melody", 1, 2, origin_bar=5) == joined.session._parts["melody"].route()


def test_start_from_bar_one_plays_the_controls_as_they_are_moved_while_stopped() -> None:
    joined = performance()
    joined.run_until(started_us(joined) + BAR_US // 2)
    joined.session.act(Target("stop"), (), joined.now_us)
    joined.run_until(joined.now_us + 100_000)
    joined.session.set(Target("z", "melody"), point(90), joined.now_us)
    joined.settle()
    joined.run_until(joined.now_us + 1_000)
    joined.session.act(Target("start"), (), joined.now_us)
    joined.settle()
    again_us = joined.now_us
    joined.run_until(again_us + BAR_US)
    assert set(heard(joined, again_us, again_us + BAR_US)) == {90}
    first = next(e for e in joined.events if e.kind == Kind.BAR and e.at_us >= again_us)
    assert (first.number, first.at_us - again_us) == (1, DECODE_US - 1_000 + START_DELAY_US)


def test_moving_one_control_moves_no_other() -> None:
    joined = performance(decoder=StubDecoder())
    session = joined.session
    before = {target: session.get(target) for target in session.targets()}
    session.set(Target("knob", "melody", 2), (0.9,), 0)
    after = {target: session.get(target) for target in session.targets()}
    assert {t for t in before if before[t] != after[t]} == {Target("knob", "melody", 2), Target("z", "melody")}
    assert set(session.touched()) >= {Target("knob", "melody", 2), Target("z", "melody")}


def test_transposing_moves_every_note_and_ties_nothing_across_the_seam() -> None:
    joined = performance(decoder=StubDecoder())
    joined.run_until(started_us(joined) + 4 * BAR_US + 1_000)
    joined.session.set(Target("transpose", "melody"), (3,), joined.now_us)
    joined.settle()
    joined.run_until(started_us(joined) + 8 * BAR_US)
    bars = {m.song_bar: m.bar for m in joined.heard if isinstance(m, Frozen)}
    assert [n.pitch + 3 for n in bars[2].notes] == [n.pitch for n in bars[6].notes]
    assert not bars[5].ties


def test_accents_are_as_deep_as_asked_for() -> None:
    joined = performance(decoder=StubDecoder())
    joined.run_until(started_us(joined) + 2 * BAR_US + 1_000)
    accented = {e.velocity for e in joined.events if e.kind == Kind.ON}
    joined.session.set(Target("accent", "melody"), (0.0,), joined.now_us)
    joined.run_until(started_us(joined) + 5 * BAR_US)
    flat = {e.velocity for e in joined.events if e.kind == Kind.ON and e.at_us >= started_us(joined) + 4 * BAR_US}
    assert len(accented) > 1
    assert flat == {80}


@pytest.mark.parametrize(
    ("target", "values"),
    [
        (Target("z", "melody"), (1.0,)),
        (Target("z", "melody", 99), (1.0,)),
        (Target("z", "melody"), (float("nan"),) * 4),
        (Target("knob", "melody", 0), (0.5,)),
        (Target("knob", "melody", 1), (float("inf"),)),
        (Target("temperature", "melody"), (-1.0,)),
        (Target("attr", "melody", "nonsense"), (0.5,)),
        (Target("length", "melody"), (0,)),
        (Target("mute", "bass"), (1,)),
        (Target("tempo"), (5.0,)),
        (Target("tempo"), ("fast",)),
        (Target("nonsense", "melody"), (1,)),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(target: Target, values: tuple[float | str, ...]) -> None:
    session = performance(decoder=StubDecoder()).session
    before = {known: session.get(known) for known in session.targets()}
    with pytest.raises(UsageError):
        session.set(target, values, 0)
    assert {known: session.get(known) for known in session.targets()} == before


def test_a_broken_model_leaves_the_music_playing() -> None:
    joined = performance(decoder=StubDecoder())
    joined.run_until(started_us(joined) + 4 * BAR_US)

    class Broken(StubDecoder):
        def start(self, z: Floats) -> LoopStart:
            raise ModelError("The model is broken.")

    joined.decoders["melody"] = Broken()
    joined.run_until(started_us(joined) + 8 * BAR_US - 1)
    assert len({e.number for e in joined.events if e.kind == Kind.BAR}) == 8
    assert heard(joined, started_us(joined) + 7 * BAR_US, started_us(joined) + 8 * BAR_US)
    assert joined.session.model_failures


def test_rendering_twice_gives_the_same_notes_as_playing() -> None:
    decoder = StubDecoder()
    parts = [PartSetup("melody", 1, latent_space(decoder.manifest), 2)]

    def rendered() -> object:
        return render(parts, {"melody": decoder}, seed=7, tempo_bpm=TEMPO_BPM, bars=8)

    joined = performance(decoder=decoder)
    joined.run_until(started_us(joined) + 8 * BAR_US + BAR_US // 2)
    recorder = Recorder()
    for message in joined.heard:
        if isinstance(message, Frozen) and message.song_bar < 8:
            recorder.add(message)
    assert rendered() == rendered() == recorder.notes()


def test_the_recorder_agrees_with_what_was_heard() -> None:
    joined = performance("melody", "bass", decoder=StubDecoder())
    for step in range(3, 60, 7):
        joined.run_until(started_us(joined) + step * STEP_US + 17)
        joined.session.act(Target("fire", "melody"), ("vary", "now"), joined.now_us)
        joined.settle()
    joined.run_until(started_us(joined) + 6 * BAR_US)
    recorder = Recorder()
    for message in joined.heard:
        if isinstance(message, Frozen):
            recorder.add(message)
    start_us, sounding = started_us(joined), {}
    played = set()
    for event in joined.events:
        position_ub = round((event.at_us - start_us) / STEP_US) * STEP_UB
        if event.kind == Kind.ON:
            sounding[event.part, event.number] = (position_ub, event.velocity)
        elif event.kind == Kind.OFF:
            begun_ub, velocity = sounding.pop((event.part, event.number))
            played.add((event.part, begun_ub, position_ub - begun_ub, event.number, velocity))
    recorded = {tuple(note) for note in recorder.notes() if note.start_ub + note.duration_ub <= 5 * BAR_UB}
    assert recorded <= played
    assert {note for note in played if note[1] + note[2] <= 5 * BAR_UB} <= recorded


def test_a_splice_that_fails_or_never_ends_is_let_go() -> None:
    joined = performance()
    joined.run_until(started_us(joined) + 2 * BAR_US + 1_000)

    class Broken(FirstCoordinateDecoder):
        def start(self, z: Floats) -> LoopStart:
            raise ModelError("The model is broken.")

    joined.decoders["melody"] = Broken()
    joined.session.act(Target("fire", "melody"), ("new", "now"), joined.now_us)
    joined.run_until(started_us(joined) + 5 * BAR_US)
    joined.decoders["melody"] = FirstCoordinateDecoder()
    joined.session.act(Target("fire", "melody"), ("new", "now"), joined.now_us)
    # Knobs that move faster than a bar is decoded must not keep a splice alive for ever.
    for step in range(400):
        joined.run_until(joined.now_us + 3_000)
        joined.session.set(Target("knob", "melody", 1), (step % 100 / 100,), joined.now_us)
    joined.run_until(joined.now_us + 2 * BAR_US)
    assert heard(joined, joined.now_us - BAR_US, joined.now_us)


def test_a_fire_and_a_restart_for_the_same_bar_both_take_effect() -> None:
    for order in ((("fire", ("new", "bar")), ("restart", ("bar",))), (("restart", ("bar",)), ("fire", ("new", "bar")))):
        joined = performance()
        joined.run_until(started_us(joined) + 4 * BAR_US + BAR_US // 2)
        old = heard(joined, 0, joined.now_us)[-1]
        for verb, values in order:
            joined.session.act(Target(verb, "melody"), values, joined.now_us)
        joined.run_until(started_us(joined) + 6 * BAR_US)
        assert old not in heard(joined, started_us(joined) + 5 * BAR_US, started_us(joined) + 6 * BAR_US)
        assert SetPart("melody", 1, 2, origin_bar=5) == joined.session._parts["melody"].route()


def test_a_start_lets_what_is_lined_up_take_effect_from_bar_one_and_resets_the_phase() -> None:
    joined = performance()
    joined.run_until(started_us(joined) + 5 * BAR_US + BAR_US // 2)
    old = heard(joined, 0, joined.now_us)[-1]
    joined.session.act(Target("fire", "melody"), ("new", "4bars"), joined.now_us)
    joined.session.act(Target("restart", "melody"), ("4bars",), joined.now_us)
    joined.settle()
    joined.session.touched()
    joined.session.act(Target("start"), (), joined.now_us)
    again_us = joined.now_us
    joined.run_until(again_us + 3 * BAR_US)
    assert old not in heard(joined, again_us + 10_000, again_us + 3 * BAR_US)
    assert joined.session._parts["melody"].route().origin_bar == 0
    assert Target("z", "melody") in joined.session.touched()


def test_a_splice_that_is_decoded_too_late_leaves_the_next_bar_alone() -> None:
    joined = performance(decode_us=150_000, budget_us=1_000)
    line_us = started_us(joined) + 4 * BAR_US
    joined.run_until(line_us - 140_000)
    joined.session.act(Target("fire", "melody"), ("new", "now"), joined.now_us)
    joined.run_until(line_us + BAR_US - 1)
    assert len(heard(joined, line_us, line_us + BAR_US)) == 16
    assert not any(event.early for event in joined.events if line_us <= event.at_us < line_us + BAR_US)


def test_a_bar_that_was_never_decoded_is_not_remembered_as_silence() -> None:
    joined = performance()
    joined.run_until(started_us(joined) + BAR_US // 2)
    bars = PartBars(SetPart("melody", 1, 2), 0)
    assert bars.freeze(0, 0, 0).origin == "empty"
    sounding = Bar(1, 0, (Note(0, STEP_UB, 60, 80),))
    bars.offer(0, 1, sounding, 0)
    assert [bars.freeze(0, 0, 0).origin for _ in range(3)] == ["fresh", "again", "last"]


def test_a_tempo_fader_at_its_end_leaves_session_and_player_agreed() -> None:
    joined = performance()
    joined.run_until(started_us(joined) + BAR_US)
    for tempo_bpm in (997.0, 998.0, 999.0):
        joined.session.set(Target("tempo"), (tempo_bpm,), joined.now_us)
    first, *rest = [message for message in joined.session.take_messages() if isinstance(message, SetTempo)]
    joined.player.handle(first, joined.now_us)
    for report in joined.player.take_messages():
        joined.session.on_player(report)
    assert joined.session.get(Target("tempo")) == (999.0,)
    for message in rest:
        joined.player.handle(message, joined.now_us)
    joined.settle()
    assert joined.session.get(Target("tempo")) == (999.0,)
    assert joined.player.state(joined.now_us).ns_per_beat == ns_per_beat(999.0)
