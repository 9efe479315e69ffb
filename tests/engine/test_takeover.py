"""When the player or the main process is replaced, the music goes on and nothing set is lost."""

import msgspec
import numpy as np

from autoloops_engine.codecs.registry import MELODY
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Ask, Frozen, Hello, TransportState
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Kind
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder, tiny_manifest
from autoloops_engine.units import ns_per_beat

TEMPO_BPM = 120.0
BAR_US = 2_000_000
DECODE_US = 4_000


def setups() -> list[PartSetup]:
    space = latent_space(StubDecoder().manifest)
    return [PartSetup("melody", 1, space, 2), PartSetup("bass", 2, space, 2)]


def performance(session: Session) -> Performance:
    decoder = StubDecoder()
    return Performance(session, {"melody": decoder, "bass": decoder}, TEMPO_BPM, decode_us=lambda _: DECODE_US)


def playing() -> tuple[Performance, int]:
    joined = performance(Session(setups(), 7, TEMPO_BPM))
    joined.session.set(Target("knob", "melody", 3), (0.8,), 0)
    joined.session.set(Target("transpose", "bass"), (-12,), 0)
    joined.run_until(500_000)
    joined.session.act(Target("start"), (), joined.now_us)
    joined.run_until(600_000)
    start_us = next(m.time_us for m in joined.heard if isinstance(m, TransportState) and m.playing)
    return joined, start_us


def onsets(joined: Performance, from_us: int, until_us: int) -> set[tuple[int, str, int]]:
    events = [e for e in joined.events if e.kind == Kind.ON and from_us <= e.at_us < until_us]
    return {(event.at_us - from_us, event.part, event.number) for event in events}


def test_a_new_player_plays_on_from_where_the_old_one_died() -> None:
    joined, start_us = playing()
    died_us = start_us + 4 * BAR_US + BAR_US // 2 + 1_000
    joined.run_until(died_us)
    joined.now_us = died_us + 150_000
    joined.player = Player(TEMPO_BPM, joined.now_us, generation=1)
    joined.player.attach("out", 0, joined.now_us)
    joined.run_until(start_us + 8 * BAR_US)
    whole = onsets(joined, start_us + 2 * BAR_US, start_us + 3 * BAR_US)
    rest = {onset for onset in whole if onset[0] >= BAR_US // 2 + 151_000}
    assert onsets(joined, start_us + 4 * BAR_US, start_us + 5 * BAR_US) >= rest
    for bar in (5, 6, 7):
        now_us, before_us = start_us + bar * BAR_US, start_us + (bar - 4) * BAR_US
        assert onsets(joined, now_us, now_us + BAR_US) == onsets(joined, before_us, before_us + BAR_US)


def test_a_new_player_keeps_mutes_and_waits_when_nothing_played() -> None:
    joined, start_us = playing()
    joined.session.set(Target("mute", "bass"), (1,), joined.now_us)
    joined.run_until(start_us + 3 * BAR_US)
    joined.session.act(Target("stop"), (), joined.now_us)
    joined.settle()
    joined.player = Player(TEMPO_BPM, joined.now_us, generation=1)
    joined.player.attach("out", 0, joined.now_us)
    joined.run_until(start_us + 5 * BAR_US)
    assert not joined.player.state(joined.now_us).playing
    joined.session.act(Target("start"), (), joined.now_us)
    again_us = joined.now_us
    joined.run_until(again_us + 2 * BAR_US)
    assert {event.part for event in joined.events if event.kind == Kind.ON and event.at_us > again_us} == {"melody"}


def test_a_new_session_takes_up_what_was_set_and_no_bar_is_silent_or_changed() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 4 * BAR_US + BAR_US // 3)
    left = joined.session.state()
    # For half a bar nobody is there; the player goes on by itself.
    joined.session = Session(setups(), 99, TEMPO_BPM, generation=1)
    joined.session.restore(left)
    joined.run_until(start_us + 10 * BAR_US)
    assert joined.session.state() == left
    assert joined.session.get(Target("knob", "melody", 3)) == (0.8,)
    for bar in range(4, 10):
        now_us, before_us = start_us + bar * BAR_US, start_us + (bar - 4) * BAR_US
        if bar >= 6:
            assert onsets(joined, now_us, now_us + BAR_US) == onsets(joined, before_us, before_us + BAR_US)
        assert onsets(joined, now_us, now_us + BAR_US)
    fresh = [m for m in joined.heard if isinstance(m, Frozen) and m.origin == "fresh" and m.song_bar >= 6]
    assert fresh


def test_when_both_are_replaced_time_and_settings_go_on() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 4 * BAR_US + BAR_US // 3)
    left = joined.session.state()
    joined.now_us += 400_000
    joined.session = Session(setups(), 99, TEMPO_BPM, generation=1)
    joined.session.restore(left)
    joined.player = Player(TEMPO_BPM, joined.now_us, generation=1)
    joined.player.attach("out", 0, joined.now_us)
    joined.run_until(start_us + 9 * BAR_US)
    for bar in (7, 8):
        now_us, before_us = start_us + bar * BAR_US, start_us + (2 + bar % 2) * BAR_US
        assert onsets(joined, now_us, now_us + BAR_US) == onsets(joined, before_us, before_us + BAR_US)


def test_without_a_main_process_the_player_repeats_its_loop_for_ever() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 4 * BAR_US)
    alone = joined.player
    events = [event for _, event in alone.advance(joined.now_us)]
    while (deadline_us := alone.next_deadline_us()) is not None and deadline_us < start_us + 12 * BAR_US:
        events += [event for _, event in alone.advance(deadline_us)]
    for bar in range(6, 12):
        at_us = start_us + bar * BAR_US
        now = {(e.at_us - at_us, e.number) for e in events if e.kind == Kind.ON and at_us <= e.at_us < at_us + BAR_US}
        assert now == {
            (o, p) for o, _, p in onsets(joined, start_us + (bar % 2 + 2) * BAR_US, start_us + (bar % 2 + 3) * BAR_US)
        }


def test_a_swapped_model_is_heard_from_the_next_bar_line_and_begins_where_the_loop_was() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 4 * BAR_US + BAR_US // 2)
    other = StubDecoder(tiny_manifest("other", latent_size=6, state_size=9))
    steps = joined.session.loop_steps("melody")
    assert len(steps) == 2
    features = np.concatenate([MELODY.features(bar) for bar in steps])
    z = [float(x) for x in other.encode(features[None]).mu[0]]
    joined.decoders["melody"] = other
    setup = PartSetup("melody", 1, latent_space(other.manifest), 2, model="other")
    joined.session.swap_model(setup, z, joined.now_us)
    joined.run_until(start_us + 8 * BAR_US)
    assert joined.session.get(Target("model", "melody")) == ("other",)
    assert joined.session.get(Target("z", "melody")) == tuple(np.array(z, dtype=np.float64))
    assert joined.session.get(Target("knob", "bass", 1)) == (0.5,)
    old = onsets(joined, start_us + 2 * BAR_US, start_us + 3 * BAR_US)
    assert {onset for onset in onsets(joined, start_us + 4 * BAR_US, start_us + 5 * BAR_US)} == old
    swapped = {onset for onset in onsets(joined, start_us + 6 * BAR_US, start_us + 7 * BAR_US) if onset[1] == "melody"}
    assert swapped
    assert not swapped & old
    fresh = [m.origin for m in joined.heard if isinstance(m, Frozen) and m.part == "melody" and m.song_bar >= 5]
    assert set(fresh) == {"fresh"}


def replaced(joined: Performance, generation: int = 1) -> None:
    joined.player = Player(TEMPO_BPM, joined.now_us, generation)
    joined.player.attach("out", 0, joined.now_us)


def test_a_player_that_dies_before_anything_was_reported_is_replaced_by_one_that_plays() -> None:
    decoder = StubDecoder()
    session = Session(setups(), 7, TEMPO_BPM)
    joined = Performance(session, {"melody": decoder, "bass": decoder}, TEMPO_BPM)
    replaced(joined)
    joined.run_until(100_000)
    session.act(Target("start"), (), joined.now_us)
    joined.run_until(200_000 + BAR_US)
    assert joined.player.state(joined.now_us).playing
    assert onsets(joined, 0, joined.now_us)


def test_what_was_asked_for_while_no_player_was_there_holds_for_the_next_one() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 2 * BAR_US)
    joined.session.act(Target("stop"), (), joined.now_us)
    joined.session.set(Target("tempo"), (90.0,), joined.now_us)
    joined.session.take_messages()
    replaced(joined)
    joined.settle()
    state = joined.player.state(joined.now_us)
    assert (state.playing, state.ns_per_beat) == (False, ns_per_beat(90.0))
    assert joined.session.get(Target("tempo")) == (90.0,)
    joined.session.act(Target("continue"), (), joined.now_us)
    joined.session.take_messages()
    replaced(joined, 2)
    joined.settle()
    assert joined.player.state(joined.now_us).playing


def test_a_player_that_still_waits_says_hello_again_to_a_new_main_process() -> None:
    waiting = Player(TEMPO_BPM, 0, 3)
    assert waiting.take_messages() == [Hello(3)]
    waiting.handle(Ask(), 0)
    assert waiting.take_messages() == [Hello(3)]


def test_launches_outlive_the_main_process() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 4 * BAR_US + BAR_US // 2)
    joined.session.act(Target("fire", "melody"), ("new", "4bars"), joined.now_us)
    joined.settle()
    left = msgspec.json.decode(msgspec.json.encode(joined.session.state()), type=SessionState)
    joined.session = Session(setups(), 99, TEMPO_BPM, generation=1)
    joined.session.restore(left)
    joined.run_until(start_us + 10 * BAR_US)
    before = onsets(joined, start_us + 6 * BAR_US, start_us + 7 * BAR_US)
    after = onsets(joined, start_us + 8 * BAR_US, start_us + 9 * BAR_US)
    assert {onset for onset in before if onset[1] == "bass"} == {onset for onset in after if onset[1] == "bass"}
    assert {onset for onset in before if onset[1] == "melody"} != {onset for onset in after if onset[1] == "melody"}
