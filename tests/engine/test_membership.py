"""Parts join in and leave while the others play: nothing hangs, nobody else is late, undo brings everything back."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.codecs.registry import codec_named
from autoloops_engine.errors import UsageError
from autoloops_engine.inference.views import manifest_of, views_of
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import AddPart, Frozen, PartGone, RemovePart, TransportState
from autoloops_engine.player.core import Player
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.session.core import Session
from autoloops_engine.session.membership import MAX_PARTS
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder, TrioStub, tiny_trio_manifest

TEMPO_BPM = 120.0
BAR_US = 2_000_000
DECODE_US = 3_000
BUDGET_US = 12_000
DECODER = StubDecoder()
SPACE = latent_space(DECODER.manifest)


def setup(name: str, channel: int = 5) -> PartSetup:
    return PartSetup(name, channel, SPACE, 2, model="tiny")


def playing(*names: str, lead_us: int = 0) -> tuple[Performance, int]:
    session = Session([setup(name, 1 + at) for at, name in enumerate(names or ("melody", "bass"))], 7, TEMPO_BPM)
    session.set_budget(BUDGET_US)
    decoders = dict.fromkeys((*session.parts(), "lead"), DECODER)
    joined = Performance(session, decoders, TEMPO_BPM, decode_us=lambda _: DECODE_US, lead_us=lead_us)
    joined.run_until(500_000)
    session.act(Target("start"), (), joined.now_us)
    joined.run_until(600_000)
    return joined, next(m.time_us for m in joined.heard if isinstance(m, TransportState) and m.playing)


def act(joined: Performance, name: str, *values: float | str, part: str = "") -> None:
    joined.session.act(Target(name, part), values, joined.now_us)
    joined.settle()


def join(joined: Performance, name: str, channel: int = 5) -> None:
    act(joined, "parts/add", name, "tiny", channel, "")
    assert [arrival.part for arrival in joined.session.take_arrivals()] == [name]
    joined.session.join(setup(name, channel), joined.now_us)
    joined.settle()


def bars(joined: Performance, part: str) -> dict[int, str]:
    return {m.song_bar: m.origin for m in joined.heard if isinstance(m, Frozen) and m.part == part}


def notes(events: Iterable[Event], *parts: str) -> list[Event]:
    return [event for event in events if event.part in parts and event.kind in {Kind.ON, Kind.OFF}]


def hanging(events: Iterable[Event]) -> set[tuple[str, int]]:
    sounding: set[tuple[str, int]] = set()
    for event in events:
        if event.kind == Kind.ON:
            sounding.add((event.part, event.number))
        elif event.kind == Kind.OFF:
            sounding.discard((event.part, event.number))
    return sounding


def values(session: Session) -> dict[Target, Values]:
    return {target: session.get(target) for target in session.targets() if target.name != "position"}


@given(at_us=st.integers(0, 3 * BAR_US))
@settings(max_examples=12, deadline=None)
def test_a_part_joins_in_at_the_next_bar_line_with_its_own_bar_and_nobody_else_is_heard_otherwise(at_us: int) -> None:
    joined, start_us = playing()
    joined.run_until(start_us + at_us)
    join(joined, "lead")
    joined.run_until(start_us + 6 * BAR_US)
    alone, _ = playing()
    alone.run_until(start_us + 6 * BAR_US)
    assert notes(joined.events, "melody", "bass") == notes(alone.events, "melody", "bass")
    first_bar = min(bars(joined, "lead"))
    assert first_bar - at_us // BAR_US in {1, 2}
    assert set(bars(joined, "lead").values()) == {"fresh"}
    assert set(bars(joined, "lead")) >= set(range(first_bar, 6))
    # The first bar is decoded before it sounds, and it is the bar of the loop that belongs there.
    assert joined.session.silences == 0
    assert joined.session.loop_bar("lead", first_bar) == first_bar % 2


@given(
    at_us=st.integers(0, 3 * BAR_US), when=st.sampled_from(["now", "beat", "bar", "2bars", "loop"]), lead=st.booleans()
)
@settings(max_examples=20, deadline=None)
def test_a_part_leaves_with_every_note_ended_and_nobody_else_is_heard_otherwise(
    at_us: int, when: str, lead: bool
) -> None:
    lead_us = 50_000 * lead
    joined, start_us = playing(lead_us=lead_us)
    joined.run_until(start_us + at_us)
    act(joined, "remove", when, part="bass")
    joined.run_until(start_us + 6 * BAR_US)
    alone, _ = playing(lead_us=lead_us)
    alone.run_until(start_us + 6 * BAR_US)
    assert notes(joined.events, "melody") == notes(alone.events, "melody")
    assert joined.session.parts() == ("melody",)
    assert not {part for part, _ in hanging(joined.events)} - {"melody"}
    assert [m for m in joined.heard if isinstance(m, PartGone)] == [PartGone("bass")]
    with pytest.raises(UsageError, match="no part bass"):
        joined.session.get(Target("mute", "bass"))


def test_a_part_plays_up_to_the_bar_line_at_which_it_leaves_and_no_further() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + 2 * BAR_US + 700_000)
    act(joined, "remove", part="bass")
    assert joined.session.parts() == ("melody", "bass")
    joined.run_until(start_us + 5 * BAR_US)
    alone, _ = playing()
    alone.run_until(start_us + 5 * BAR_US)
    line_us = start_us + 3 * BAR_US
    struck = [event for event in notes(joined.events, "bass") if event.kind == Kind.ON]
    assert struck == [e for e in notes(alone.events, "bass") if e.kind == Kind.ON and e.at_us < line_us]
    assert max(event.at_us for event in notes(joined.events, "bass")) <= line_us


def test_what_is_removed_while_nothing_plays_is_gone_at_once() -> None:
    joined, _ = playing()
    act(joined, "stop")
    act(joined, "remove", part="bass")
    assert joined.session.parts() == ("melody",)


@pytest.mark.parametrize("verb", ["stop", "start"])
def test_a_stop_and_a_jump_let_a_part_go_that_waits_for_its_bar_line(verb: str) -> None:
    joined, _ = playing()
    act(joined, "remove", "4bars", part="bass")
    assert "bass" in joined.session.parts()
    act(joined, verb)
    joined.run_until(joined.now_us + 200_000)
    assert joined.session.parts() == ("melody",)


def test_the_last_part_may_leave_and_beats_go_on_until_another_joins_in() -> None:
    joined, start_us = playing("melody")
    act(joined, "remove", "now", part="melody")
    assert joined.session.parts() == ()
    with pytest.raises(UsageError, match="there are none"):
        joined.session.get(Target("mute", "melody"))
    joined.run_until(start_us + 2 * BAR_US)
    assert hanging(joined.events) == set()
    assert [e.number for e in joined.events if e.kind == Kind.BAR][-2:] == [2, 3]
    join(joined, "lead")
    joined.run_until(start_us + 4 * BAR_US)
    assert set(bars(joined, "lead").values()) == {"fresh"}


def test_a_part_of_the_same_name_begins_anew_with_numbers_of_its_own() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + BAR_US)
    act(joined, "remove", "now", part="bass")
    join(joined, "bass", 9)
    joined.run_until(start_us + 5 * BAR_US)
    assert joined.session.get(Target("channel", "bass")) == (9,)
    frozen = [m for m in joined.heard if isinstance(m, Frozen) and m.part == "bass"]
    old = {m.bar.id for m in frozen if m.bar.id and m.bar.notes and m.song_bar <= 1}
    new = {m.bar.id for m in frozen if m.song_bar > 2}
    assert old
    assert not old & new
    assert {m.origin for m in frozen if m.song_bar > 2} == {"fresh"}


@pytest.mark.parametrize("when", ["now", "bar", "4bars"])
def test_undo_brings_a_part_back_as_it_was_and_redo_lets_it_go_again(when: str) -> None:
    joined, start_us = playing("melody", "bass", "lead")
    joined.session.set(Target("knob", "bass", 2), (0.8,), joined.now_us)
    joined.run_until(start_us + 2 * BAR_US + 100_000)
    before = values(joined.session)
    act(joined, "remove", when, part="bass")
    joined.run_until(start_us + 3 * BAR_US + 100_000)
    act(joined, "undo")
    assert values(joined.session) == before
    joined.run_until(start_us + 9 * BAR_US)
    assert joined.session.parts() == ("melody", "bass", "lead")
    assert {bars(joined, "bass")[bar] for bar in range(5, 9)} == {"fresh"}
    assert joined.session.silences == 0
    act(joined, "redo")
    joined.run_until(start_us + 10 * BAR_US)
    assert joined.session.parts() == ("melody", "lead")
    assert not {part for part, _ in hanging(joined.events)} & {"bass"}


def test_undo_takes_a_part_back_that_joined_in_and_redo_brings_it_again() -> None:
    joined, start_us = playing()
    joined.run_until(start_us + BAR_US)
    before = values(joined.session)
    join(joined, "lead")
    after = values(joined.session)
    joined.run_until(start_us + 4 * BAR_US)
    act(joined, "undo")
    assert values(joined.session) == before
    assert not {part for part, _ in hanging(joined.events)} & {"lead"}
    act(joined, "redo")
    assert values(joined.session) == after
    assert {each.name for each in joined.session.cast()} == {"melody", "bass", "lead"}
    joined.run_until(start_us + 7 * BAR_US)
    assert bars(joined, "lead")[6] == "fresh"


def test_what_is_set_of_a_part_as_it_joins_in_is_no_step_of_its_own() -> None:
    joined, _ = playing()
    before = values(joined.session)
    join(joined, "lead")
    for name, value in (("temperature", 0.5), ("transpose", 3), ("temperature", 0.7)):
        joined.session.set(Target(name, "lead"), (value,), joined.now_us)
    assert joined.session.get(Target("temperature", "lead")) == (0.7,)
    act(joined, "undo")
    assert values(joined.session) == before


def test_what_undo_can_bring_back_is_remembered_until_a_model_is_swapped() -> None:
    joined, _ = playing()
    gone = joined.session.cast()[1]
    act(joined, "remove", "now", part="bass")
    assert gone in joined.session.remembered()
    joined.session.swap_model(setup("melody", 1), None, joined.now_us)
    assert gone not in joined.session.remembered()


def test_a_part_that_joins_in_beside_a_solo_is_not_heard_and_a_solo_that_leaves_lets_the_others_be_heard() -> None:
    joined, start_us = playing()
    joined.session.set(Target("solo", "bass"), (1,), joined.now_us)
    join(joined, "lead")
    joined.run_until(start_us + 4 * BAR_US)
    assert notes(joined.events, "lead") == []
    act(joined, "remove", "now", part="bass")
    joined.run_until(start_us + 6 * BAR_US)
    assert notes(joined.events, "lead")
    assert [e for e in notes(joined.events, "melody") if e.at_us > start_us + 4 * BAR_US]


def test_names_that_are_taken_and_parts_beyond_all_bounds_are_refused_with_a_sentence() -> None:
    joined, _ = playing()
    act(joined, "parts/add", "lead", "tiny", 3, "")
    for name, reason in (("bass", "already"), ("lead", "being loaded")):
        with pytest.raises(UsageError, match=reason):
            act(joined, "parts/add", name, "tiny", 3, "")
    joined.session.deny("lead")
    for number in range(MAX_PARTS - 2):
        act(joined, "parts/add", f"p{number}", "tiny", 3, "")
    with pytest.raises(UsageError, match=f"{MAX_PARTS} parts"):
        act(joined, "parts/add", "lead", "tiny", 3, "")
    with pytest.raises(UsageError, match="/al/parts/add"):
        joined.session.set(Target("parts"), ("melody",), joined.now_us)


def test_a_player_that_takes_over_knows_who_is_to_leave() -> None:
    joined, start_us = playing()
    join(joined, "lead")
    act(joined, "remove", "4bars", part="bass")
    joined.run_until(start_us + 2 * BAR_US + 300_000)
    joined.player = Player(TEMPO_BPM, joined.now_us, generation=1)
    joined.player.attach("out", 0, joined.now_us)
    joined.run_until(start_us + 3 * BAR_US)
    assert joined.session.parts() == ("melody", "bass", "lead")
    joined.run_until(start_us + 6 * BAR_US)
    assert joined.session.parts() == ("melody", "lead")
    assert {m.part for m in joined.heard if isinstance(m, Frozen) and m.song_bar == 5} == {"melody", "lead"}


@pytest.mark.parametrize("died", ["before it left", "after it left"])
def test_a_main_process_that_takes_over_has_who_joined_in_and_lets_go_who_was_to_leave(died: str) -> None:
    joined, start_us = playing()
    join(joined, "lead")
    act(joined, "remove", "4bars", part="bass")
    joined.run_until(start_us + 2 * BAR_US)
    kept = msgspec.json.decode(msgspec.json.encode(joined.session.state()), type=SessionState)
    if died == "after it left":
        while joined.now_us < start_us + 5 * BAR_US:
            joined.now_us += 20_000
            joined.events += [event for _, event in joined.player.advance(joined.now_us)]
            joined.player.take_messages()
    joined.session = Session([setup(name) for name in ("melody", "bass", "lead")], 1, TEMPO_BPM, 1)
    joined.session.set_budget(BUDGET_US)
    joined.session.restore(kept)
    joined.run_until(start_us + 7 * BAR_US)
    assert joined.session.parts() == ("melody", "lead")
    assert not {part for part, _ in hanging(joined.events)} & {"bass"}
    join(joined, "third")
    assert len({joined.session.get(Target("seed", name)) for name in joined.session.parts()}) == 3


def test_a_part_that_nobody_remembers_is_taken_off_the_player() -> None:
    joined, start_us = playing()
    kept = joined.session.state()
    join(joined, "lead")
    joined.run_until(start_us + 3 * BAR_US)
    joined.session = Session([setup("melody"), setup("bass")], 1, TEMPO_BPM, 1)
    joined.session.restore(kept)
    joined.run_until(start_us + 5 * BAR_US)
    assert PartGone("lead") in joined.heard
    assert {m.part for m in joined.heard if isinstance(m, Frozen) and m.song_bar == 4} == {"melody", "bass"}
    assert not {part for part, _ in hanging(joined.events)} & {"lead"}


def test_the_player_lets_a_part_stay_that_was_to_leave_and_does_not_mind_strangers() -> None:
    joined, start_us = playing()
    route = next(part for part in joined.session._stage.parts.values() if part.name == "bass").route()
    joined.player.handle(RemovePart("bass", joined.session._stage.transport.state.epoch, 10**12), joined.now_us)
    joined.player.handle(AddPart(route, 0, 0), joined.now_us)
    joined.player.handle(RemovePart("stranger"), joined.now_us)
    joined.run_until(start_us + 3 * BAR_US)
    assert [m.part for m in joined.heard if isinstance(m, PartGone)] == ["stranger"]
    assert set(bars(joined, "bass")) >= {0, 1, 2}


def test_a_part_of_a_bundle_that_plays_several_shares_their_point_when_it_joins_in() -> None:
    model = TrioStub(tiny_trio_manifest(bars=4))
    setups = {
        part: PartSetup(
            part,
            channel,
            latent_space(model.manifest, part, "the trio"),
            4,
            codec=codec_named(manifest_of(model.manifest, part).outputs[0].codec),
            model="trio",
        )
        for channel, part in enumerate(("melody", "bass", "drums"), 1)
    }
    session = Session([setups["melody"], setups["bass"]], 7, TEMPO_BPM)
    session.set_budget(BUDGET_US)
    joined = Performance(session, views_of(model), TEMPO_BPM, decode_us=lambda _: DECODE_US)
    session.set(Target("scale"), ("a", "minor"), 0)
    session.act(Target("start"), (), 0)
    joined.run_until(3 * BAR_US)
    # A fire that is lined up is for whoever joins in meanwhile, too.
    act(joined, "fire", "new", "4bars", part="bass")
    session.join(setups["drums"], joined.now_us)
    joined.run_until(9 * BAR_US)
    assert session.get(Target("link", "drums")) == ("melody", "bass")
    assert session.get(Target("z", "drums")) == session.get(Target("z", "melody"))
    assert set(bars(joined, "drums").values()) == {"fresh"}
    act(joined, "remove", "now", part="melody")
    assert session.get(Target("link", "drums")) == ("bass",)
    act(joined, "undo")
    assert session.get(Target("link", "drums")) == ("melody", "bass")
