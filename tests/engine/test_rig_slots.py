"""A slot of the whole rig brings back what it keeps to, who is heard and how points move, at the launch point."""

import msgspec
import numpy as np
import pytest

from autoloops_engine.errors import UsageError
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Frozen, SyncState
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target, Values
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 120.0
BAR_US = 2_000_000
NAMES = ("melody", "bass")
SPACE = latent_space(StubDecoder().manifest, family="tiny")
RIG = [Target(name) for name in ("scale", "chords", "swing", "tempo")]
RIG += [Target(name, part) for name in ("mute", "swing", "corners", "pad", "walk", "orbit") for part in NAMES]
SET_A: list[tuple[Target, Values]] = [
    (Target("scale"), ("a", "minor")),
    (Target("chords"), ("Am7 | G7",)),
    (Target("swing"), (62.0, 8)),
    (Target("swing", "bass"), (55.0, 16)),
    (Target("tempo"), (100.0,)),
    (Target("mute", "bass"), (1,)),
    (Target("corners", "melody"), (1, 2)),
    (Target("pad", "melody"), (0.25,)),
    (Target("orbit", "bass"), (0.5, 4.0)),
]
SET_B: list[tuple[Target, Values]] = [
    (Target("scale"), ("off",)),
    (Target("chords"), ("off",)),
    (Target("swing"), (50.0, 16)),
    (Target("swing", "bass"), (0.0,)),
    (Target("tempo"), (140.0,)),
    (Target("mute", "bass"), (0,)),
    (Target("mute", "melody"), (1,)),
    (Target("corners", "melody"), (0,)),
    (Target("orbit", "bass"), (0.0, 8.0)),
]


def performance() -> Performance:
    decoder = StubDecoder()
    setups = [PartSetup(name, i + 1, SPACE, 2) for i, name in enumerate(NAMES)]
    joined = Performance(Session(setups, 7, TEMPO_BPM), dict.fromkeys(NAMES, decoder), TEMPO_BPM)
    for slot in (1, 2):
        joined.session.act(Target("fire", "melody"), ("new",), 0)
        joined.session.act(Target("store", "melody", slot), (), 0)
    return joined


def started(joined: Performance) -> Performance:
    joined.session.act(Target("start"), (), joined.now_us)
    beats_on(joined, 2)
    return joined


def beats_on(joined: Performance, beats: float) -> None:
    """Until so many beats of the song have gone by, at whatever tempo."""
    position = Target("position")
    joined.session.advance(joined.now_us)
    until = float(joined.session.get(position)[0]) + beats
    while float(joined.session.get(position)[0]) < until:
        joined.run_until(joined.now_us + 10_000)
        joined.session.advance(joined.now_us)


def told(joined: Performance, changes: list[tuple[Target, Values]]) -> None:
    for target, values in changes:
        joined.session.set(target, values, joined.now_us)
    joined.settle()


def rig(session: Session) -> dict[Target, Values]:
    return {target: session.get(target) for target in RIG}


def stored() -> tuple[Performance, dict[Target, Values]]:
    """A rig that was stored in slot 7 and is another by now, and what it was."""
    joined = started(performance())
    told(joined, SET_A)
    beats_on(joined, 8)
    joined.session.act(Target("store", "", 7), (), joined.now_us)
    kept = rig(joined.session)
    told(joined, SET_B)
    assert {target for target, value in rig(joined.session).items() if value == kept[target]} <= {
        Target("pad", "melody"),
        Target("pad", "bass"),
        Target("walk", "melody"),
        Target("walk", "bass"),
        Target("corners", "bass"),
        Target("orbit", "melody"),
    }
    # Behind a fourth bar line.
    beats_on(joined, 7)
    return joined, kept


@pytest.mark.parametrize("when", ["now", "bar", "4bars"])
def test_the_rig_stands_as_it_was_stored_from_the_launch_point_on(when: str) -> None:
    joined, kept = stored()
    other = rig(joined.session)
    joined.session.act(Target("slot", "", 7), (when,), joined.now_us)
    if when == "4bars":
        beats_on(joined, 0.5)
        assert rig(joined.session) == other, "nothing moves before"
    beats_on(joined, 17)
    assert rig(joined.session) == kept


def test_while_nothing_plays_it_stands_so_at_once_and_undo_takes_all_of_it_back() -> None:
    joined, kept = stored()
    session = joined.session
    session.act(Target("stop"), (), joined.now_us)
    joined.settle()
    before = {target: session.get(target) for target in session.targets() if target.name != "position"}
    session.touched()
    session.act(Target("slot", "", 7), (), joined.now_us)
    joined.settle()
    assert rig(session) == kept
    changed = {target for target, value in before.items() if session.get(target) != value}
    # A part without a swing of its own plays with that of the rig, which is told.
    assert (changed & set(RIG)) - {Target("swing", "melody")} <= set(session.touched())
    session.act(Target("undo"), (), joined.now_us)
    joined.settle()
    assert {target: session.get(target) for target in before} == before


def test_undo_calls_off_what_waits_for_its_place() -> None:
    joined, _ = stored()
    before = rig(joined.session)
    joined.session.act(Target("slot", "", 7), ("4bars",), joined.now_us)
    joined.session.act(Target("undo"), (), joined.now_us)
    beats_on(joined, 24)
    assert rig(joined.session) == before


def test_the_pad_lies_where_it_lay_and_a_glide_goes_on_where_it_was() -> None:
    joined, _ = stored()
    session = joined.session
    slots = session.take_slots()
    assert slots is not None
    session.act(Target("slot", "", 7), ("now",), joined.now_us)
    beats_on(joined, 1)
    z = session.get(Target("z", "melody"))
    ends = [np.frombuffer(slots[slot]["melody"].settings.point.base, "<f8") for slot in (1, 2)]
    assert z == pytest.approx(SPACE.between(ends, 0.25).tolist())
    session.act(Target("glide", "melody", 2), (8,), joined.now_us)
    beats_on(joined, 12)
    session.act(Target("store", "", 8), (), joined.now_us)
    session.act(Target("fire", "melody"), ("new", "now"), joined.now_us)
    beats_on(joined, 40)
    session.act(Target("slot", "", 8), ("bar",), joined.now_us)
    beats_on(joined, 6)
    assert session.get(Target("z", "melody")) != pytest.approx(ends[1].tolist()), "it is still on its way"
    beats_on(joined, 24)
    assert session.get(Target("z", "melody")) == pytest.approx(ends[1].tolist())


def test_the_first_bar_from_there_on_keeps_to_the_scale() -> None:
    joined, _ = stored()
    joined.session.act(Target("slot", "", 7), ("2bars",), joined.now_us)
    line_bar = int(float(joined.session.get(Target("position"))[0]) // 8 + 1) * 2
    beats_on(joined, 24)
    notes = {
        note.pitch % 12
        for message in joined.heard
        if isinstance(message, Frozen) and message.song_bar >= line_bar
        for note in message.bar.notes
    }
    assert notes
    assert notes <= {9, 11, 0, 2, 4, 5, 7}


def test_who_holds_the_tempo_keeps_it() -> None:
    joined, kept = stored()
    joined.session.on_player(SyncState("midi", 140.0, 0, 0, True, 1, "", True))
    joined.session.act(Target("slot", "", 7), ("now",), joined.now_us)
    beats_on(joined, 4)
    assert rig(joined.session) == {**kept, Target("tempo"): (140.0,)}


def test_a_part_alone_takes_its_settings_and_no_more() -> None:
    joined, _ = stored()
    before = rig(joined.session)
    joined.session.act(Target("slot", "bass", 7), ("now",), joined.now_us)
    beats_on(joined, 8)
    assert rig(joined.session) == before


def test_what_was_stored_part_by_part_or_before_rigs_were_stored_leaves_the_rig_alone() -> None:
    joined, _ = stored()
    session = joined.session
    for name in NAMES:
        session.act(Target("store", name, 7), (), joined.now_us)
    told(joined, SET_A)
    before = rig(session)
    session.act(Target("slot", "", 7), ("now",), joined.now_us)
    beats_on(joined, 8)
    after = rig(session)
    assert {target.name for target in before if before[target] != after[target]} <= {"corners"}


def test_it_outlives_the_main_process_and_the_file() -> None:
    joined, kept = stored()
    session = joined.session
    slots = session.take_slots()
    assert slots is not None
    session.act(Target("slot", "", 7), ("4bars",), joined.now_us)
    state = msgspec.json.decode(msgspec.json.encode(session.state()), type=SessionState)
    joined.session = Session(session.cast(), 1, TEMPO_BPM, 1)
    joined.session.restore(state)
    beats_on(joined, 24)
    assert rig(joined.session) == kept
    told(joined, SET_B)
    joined.session.restore_slots(msgspec.json.decode(msgspec.json.encode(slots), type=Slots))
    joined.session.act(Target("slot", "", 7), ("bar",), joined.now_us)
    beats_on(joined, 9)
    assert rig(joined.session) == kept


def test_parts_that_share_a_point_by_now_go_to_one() -> None:
    joined, _ = stored()
    session = joined.session
    session.set(Target("link", "bass"), ("melody",), joined.now_us)
    session.act(Target("slot", "", 7), ("bar",), joined.now_us)
    beats_on(joined, 12)
    assert session.get(Target("z", "melody")) == session.get(Target("z", "bass"))
    assert session.get(Target("corners", "bass")) == (1, 2)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scale",), "h major"),
        (("chords",), "Q"),
        (("scene", "swing"), [90, 16]),
        (("scene", "own_swing"), [60, 7]),
        (("scene", "base"), "AAAA"),
        (("scene", "moves", "motion", "corners"), [[1.0], [2.0]]),
        (("scene", "moves", "motion", "walked"), [1.0]),
        (("scene", "moves", "motion", "walk"), 3.0),
        (("scene", "moves", "motion", "orbit_bars"), 0.0),
        (("scene", "moves", "motion", "glide_bars"), 0),
    ],
)
def test_a_file_with_what_cannot_be_played_is_refused_and_the_music_plays_on(
    path: tuple[str, ...], value: object
) -> None:
    joined, _ = stored()
    plain = msgspec.json.decode(msgspec.json.encode(joined.session.take_slots()))
    *outer, last = path
    place = plain["7"]["melody"]
    for word in outer:
        place = place[word]
    place[last] = value
    joined.session.restore_slots(msgspec.json.decode(msgspec.json.encode(plain), type=Slots))
    before = rig(joined.session)
    with pytest.raises(UsageError):
        joined.session.act(Target("slot", "", 7), ("now",), joined.now_us)
    beats_on(joined, 4)
    assert rig(joined.session) == before
