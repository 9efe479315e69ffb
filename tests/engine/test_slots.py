"""Slots, morphs and motion, follow actions, solo and choke groups: heard as asked for, and nothing else moves."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from autoloops_engine.errors import UsageError
from autoloops_engine.interpolation import slerp
from autoloops_engine.latent import latent_space
from autoloops_engine.messages import Adopt, Frozen, Hello, Mute, SetPart
from autoloops_engine.player.events import Kind
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder

TEMPO_BPM = 120.0
BAR_US = 2_000_000
Z = 4
A, B, C, D = ((3.0, 0, 0, 0), (0, 3.0, 0, 0), (0, 0, 3.0, 0), (0, 0, 0, 3.0))


def performance(*names: str) -> Performance:
    decoder = StubDecoder()
    setups = [PartSetup(name, i + 1, latent_space(decoder.manifest), 2) for i, name in enumerate(names or ("melody",))]
    joined = Performance(Session(setups, 7, TEMPO_BPM), {setup.name: decoder for setup in setups}, TEMPO_BPM)
    joined.session.act(Target("start"), (), 0)
    joined.run_until(BAR_US // 2)
    return joined


def bars_on(joined: Performance, bars: float) -> None:
    joined.run_until(joined.now_us + round(bars * BAR_US))


def z(joined: Performance, part: str = "melody") -> list[float]:
    return [float(x) for x in joined.session.get(Target("z", part))]


def put(joined: Performance, name: str, *values: float | str, part: str = "melody", key: int | None = None) -> None:
    joined.session.set(Target(name, part, key), values, joined.now_us)
    joined.settle()


def do(joined: Performance, name: str, *values: float | str, part: str = "melody", key: int | None = None) -> None:
    joined.session.act(Target(name, part, key), values, joined.now_us)
    joined.settle()


def stored(joined: Performance, *points: tuple[float, ...]) -> None:
    """Fill slots 1, 2, ... with points."""
    for slot, point in enumerate(points, 1):
        put(joined, "z", *point)
        do(joined, "store", key=slot)


def test_what_is_stored_comes_back_whole_at_the_launch_point() -> None:
    joined = performance()
    put(joined, "knob", 0.75, key=2)
    put(joined, "temperature", 0.5)
    put(joined, "transpose", 7)
    put(joined, "edits", 9)
    do(joined, "store", key=5)
    session = joined.session
    names = ("z", "temperature", "transpose", "edits", "seed")
    kept = {name: session.get(Target(name, "melody")) for name in names}
    do(joined, "fire", "new", "bar")
    put(joined, "temperature", 1.5)
    put(joined, "transpose", 0)
    bars_on(joined, 2)
    assert session.get(Target("z", "melody")) != kept["z"]
    do(joined, "slot", "4bars", key=5)
    bars_on(joined, 0.25)
    assert session.get(Target("transpose", "melody")) == (0,)
    bars_on(joined, 4)
    assert {name: session.get(Target(name, "melody")) for name in kept} == kept
    assert session.get(Target("knob", "melody", 2)) == (0.75,)


def test_the_whole_rig_is_stored_and_recalled_together() -> None:
    joined = performance("melody", "bass")
    before = {part: z(joined, part) for part in ("melody", "bass")}
    do(joined, "store", part="", key=1)
    for part in before:
        do(joined, "fire", "new", "bar", part=part)
    bars_on(joined, 2)
    assert {part: z(joined, part) for part in before} != before
    do(joined, "slot", "bar", part="", key=1)
    bars_on(joined, 2)
    assert {part: z(joined, part) for part in before} == before


@pytest.mark.parametrize(
    ("name", "key", "values", "why"),
    [
        ("slot", 9, (), "empty"),
        ("slot", 0, (), "numbered from 1 to 64"),
        ("store", 65, (), "numbered from 1 to 64"),
        ("glide", 9, (4,), "holds nothing of melody"),
        ("glide", 1, (0,), "from 1 to 256"),
    ],
)
def test_slots_that_are_none_are_refused(name: str, key: int, values: tuple[float, ...], why: str) -> None:
    joined = performance()
    stored(joined, A)
    with pytest.raises(UsageError, match=why):
        do(joined, name, *values, key=key)


def test_which_slots_are_full_is_told_whenever_it_changes() -> None:
    joined = performance("melody", "bass")
    session = joined.session
    full = (Target("slots"), Target("slots", "melody"), Target("slots", "bass"))

    def told(name: str, part: str = "", key: int | None = None) -> tuple[list[tuple[float | str, ...]], set[Target]]:
        session.touched()
        joined.now_us += 1_100_000
        do(joined, name, part=part, key=key)
        touched = set(session.touched()) & set(full)
        return [session.get(target) for target in full], touched

    assert [session.get(target) for target in full] == [(0,), (0,), (0,)]
    assert told("store", "melody", 3) == ([(3,), (3,), (0,)], {full[0], full[1]})
    assert told("store", "melody", 3) == ([(3,), (3,), (0,)], set())
    assert told("store", "bass", 3) == ([(3,), (3,), (3,)], {full[2]})
    assert told("store", "", 1) == ([(1, 3), (1, 3), (1, 3)], set(full))
    assert told("clear", "melody", 3) == ([(1, 3), (1,), (1, 3)], {full[1]})
    assert told("clear", "bass", 3) == ([(1,), (1,), (1,)], {full[0], full[2]})
    assert told("undo") == ([(1, 3), (1,), (1, 3)], {full[0], full[2]})
    assert told("clear", "", 1) == ([(3,), (0,), (3,)], set(full))
    assert told("undo") == ([(1, 3), (1,), (1, 3)], set(full))
    assert told("redo") == ([(3,), (0,), (3,)], set(full))


def test_an_emptied_slot_is_gone_from_the_file_too_and_comes_back_with_undo() -> None:
    joined = performance("melody", "bass")
    do(joined, "store", part="", key=7)
    before = joined.session.take_slots()
    assert before is not None
    held = dict(before[7])
    do(joined, "clear", part="melody", key=7)
    changed = joined.session.take_slots()
    assert changed is not None
    assert list(changed[7]) == ["bass"]
    do(joined, "clear", part="", key=7)
    assert joined.session.take_slots() == {}
    do(joined, "undo", part="")
    do(joined, "undo", part="")
    assert joined.session.take_slots() == {7: held}


@pytest.mark.parametrize(
    ("part", "key", "why"),
    [("", 2, "Slot 2 is empty"), ("melody", 1, "holds nothing of melody"), ("melody", 65, "numbered from 1 to 64")],
)
def test_there_must_be_something_to_clear(part: str, key: int, why: str) -> None:
    joined = performance("melody", "bass")
    do(joined, "store", part="bass", key=1)
    joined.session.take_slots()
    with pytest.raises(UsageError, match=why):
        do(joined, "clear", part=part, key=key)
    assert joined.session.take_slots() is None


def test_a_pad_lies_between_its_corners_and_knobs_add_to_it() -> None:
    joined = performance()
    stored(joined, A, B, C, D)
    put(joined, "corners", 1, 2, 3, 4)
    for x, y in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.25, 0.5)):
        put(joined, "pad", x, y)
        expected = slerp(slerp(A, B, x), slerp(C, D, x), y)
        assert z(joined) == pytest.approx(expected.tolist())
    put(joined, "knob", 1.0, key=1)
    knob = joined.session.get(Target("knob", "melody", 1))
    assert knob == (1.0,)
    assert z(joined) != pytest.approx(expected.tolist())
    put(joined, "knob", 0.5, key=1)
    assert z(joined) == pytest.approx(expected.tolist())
    assert joined.session.get(Target("corners", "melody")) == (1, 2, 3, 4)


@pytest.mark.parametrize("corners", [(1,), (1, 2, 3), (1, 9)])
def test_a_pad_takes_two_or_four_slots_that_hold_something(corners: tuple[int, ...]) -> None:
    joined = performance()
    stored(joined, A, B, C)
    with pytest.raises(UsageError):
        put(joined, "corners", *corners)


def test_a_fire_frees_the_point_from_the_pad() -> None:
    joined = performance()
    stored(joined, A, B)
    put(joined, "corners", 1, 2)
    put(joined, "pad", 0.5)
    do(joined, "fire", "new", "bar")
    bars_on(joined, 3)
    fired = z(joined)
    assert fired != pytest.approx(slerp(A, B, 0.5).tolist())
    assert joined.session.get(Target("corners", "melody")) == (0,)
    bars_on(joined, 2)
    assert z(joined) == fired


@pytest.mark.parametrize(("verb", "key"), [("fire", None), ("slot", 1)])
def test_it_is_freed_from_pad_and_glide_while_it_walks_too(verb: str, key: int | None) -> None:
    for lay in ("corners", "glide"):
        joined = performance()
        stored(joined, A, B)
        put(joined, "corners", 1, 2) if lay == "corners" else do(joined, "glide", 64, key=2)
        put(joined, "walk", 0.3)
        bars_on(joined, 3)
        assert joined.session.get(Target("corners", "melody")) == ((1, 2) if lay == "corners" else (0,))
        put(joined, "z", 0.5, key=4)
        bars_on(joined, 2)
        assert z(joined)[3] == pytest.approx(0.5, abs=2), "a coordinate alone is no other point"
        assert joined.session.get(Target("corners", "melody")) == ((1, 2) if lay == "corners" else (0,))
        do(joined, verb, key=key)
        bars_on(joined, 3)
        base = joined.session.state().parts["melody"].settings.point.base
        put(joined, "walk", 0.0)
        assert z(joined) == pytest.approx(np.frombuffer(base, "<f8").tolist())
        assert joined.session.get(Target("corners", "melody")) == (0,)


def test_a_glide_is_there_after_its_bars_and_stays() -> None:
    joined = performance()
    stored(joined, B, A)
    do(joined, "glide", 4, key=1)
    shares = []
    for _ in range(8):
        here = np.array(z(joined))
        shares.append(float(np.arctan2(here[1], here[0]) / (np.pi / 2)))
        bars_on(joined, 1)
    assert shares[0] == pytest.approx(0.25)
    assert shares == sorted(shares)
    assert shares[3:] == pytest.approx([1.0] * 5)
    put(joined, "z", 0.5, key=1)
    assert z(joined)[0] == pytest.approx(0.5)


def test_a_walk_strays_around_the_base_and_goes_back_when_it_ends() -> None:
    joined = performance()
    stored(joined, A)
    put(joined, "walk", 1.0)
    seen = []
    for _ in range(30):
        bars_on(joined, 1)
        seen.append(np.array(z(joined)) - A)
    assert len({tuple(each) for each in seen}) == 30
    assert max(float(np.abs(each).max()) for each in seen) < 4
    put(joined, "walk", 0.0)
    assert z(joined) == pytest.approx(list(A))


def test_an_orbit_comes_round_at_a_constant_distance() -> None:
    joined = performance()
    stored(joined, A)
    put(joined, "orbit", 0.5, 4)
    offsets = []
    for _ in range(9):
        offsets.append(np.array(z(joined)) - A)
        bars_on(joined, 1)
    assert [float(np.linalg.norm(each)) for each in offsets] == pytest.approx([0.5 * np.sqrt(Z)] * 9)
    np.testing.assert_allclose(offsets[0], offsets[4], atol=1e-9)
    assert np.linalg.norm(offsets[0] - offsets[2]) > 0.5


@pytest.mark.parametrize("action", ["new", "vary", "next", "random"])
def test_a_follow_action_comes_after_its_passes_and_not_before(action: str) -> None:
    joined = performance()
    stored(joined, A, B, C)
    bars_on(joined, 2)
    put(joined, "follow", action, 2)
    seen = []
    for _ in range(16):
        seen.append(tuple(z(joined)))
        bars_on(joined, 1)
    changes = [at for at, (old, new) in enumerate(pairwise(seen)) if old != new]
    assert len(changes) >= 2
    assert all(b - a == 4 for a, b in pairwise(changes))
    put(joined, "follow", "off")
    bars_on(joined, 2)
    last = z(joined)
    bars_on(joined, 8)
    assert z(joined) == last


def muted(joined: Performance) -> dict[str, bool]:
    state: dict[str, bool] = {}
    for message in joined.heard:
        if isinstance(message, Frozen):
            state[message.part] = message.muted
    return state


def test_solo_silences_the_others_and_leaves_their_mutes_alone() -> None:
    joined = performance("melody", "bass", "drums")
    put(joined, "mute", 1, part="bass")
    put(joined, "solo", 1, part="melody")
    bars_on(joined, 1)
    assert muted(joined) == {"melody": False, "bass": True, "drums": True}
    put(joined, "solo", 1, part="bass")
    bars_on(joined, 1)
    assert muted(joined) == {"melody": False, "bass": True, "drums": True}
    put(joined, "solo", 0, part="melody")
    put(joined, "solo", 0, part="bass")
    bars_on(joined, 1)
    assert muted(joined) == {"melody": False, "bass": True, "drums": False}


def test_firing_a_part_chokes_its_group() -> None:
    joined = performance("melody", "bass", "drums")
    for part in ("melody", "bass"):
        put(joined, "choke", 1, part=part)
    do(joined, "fire", "new", "bar", part="bass")
    bars_on(joined, 1)
    assert muted(joined) == {"melody": True, "bass": False, "drums": False}
    do(joined, "fire", "again", "bar", part="melody")
    bars_on(joined, 1)
    assert muted(joined) == {"melody": False, "bass": True, "drums": False}


def test_motion_and_habits_outlive_the_main_process() -> None:
    joined = performance("melody", "bass")
    stored(joined, A, B)
    put(joined, "corners", 1, 2)
    put(joined, "pad", 0.3)
    put(joined, "walk", 0.4)
    put(joined, "follow", "vary", 3)
    put(joined, "solo", 1, part="bass")
    bars_on(joined, 2)
    session = joined.session
    state = msgspec.json.decode(msgspec.json.encode(session.state()), type=SessionState)
    decoder = StubDecoder()
    setups = [PartSetup(name, i + 1, latent_space(decoder.manifest), 2) for i, name in enumerate(session.parts())]
    successor = Session(setups, 1, TEMPO_BPM, generation=1)
    successor.restore(state)
    # They lie in a file of their own.
    successor.restore_slots(session.take_slots() or {})
    for target in set(session.targets()) - {Target("position")}:
        assert successor.get(target) == session.get(target), target
    successor.take_messages()
    successor.set(Target("solo", "bass"), (0,), 0)
    assert [m for m in successor.take_messages() if isinstance(m, Mute)] == [Mute("melody", False)]


def test_a_part_moves_to_another_channel_and_every_note_ends_where_it_began() -> None:
    joined = performance()
    sounding: set[tuple[int, int]] = set()
    channels = set()
    for channel in (5, 9, 16, 1):
        joined.session.set(Target("channel", "melody"), (channel,), joined.now_us)
        bars_on(joined, 1.3)
        for event in joined.events:
            key = (event.channel, event.number)
            if event.kind is Kind.ON:
                sounding.add(key)
                channels.add(event.channel)
            elif event.kind is Kind.OFF:
                sounding.remove(key)
        joined.events.clear()
    assert channels == {1, 5, 9, 16}
    do(joined, "stop", part="")
    for event in joined.events:
        if event.kind is Kind.OFF:
            sounding.remove((event.channel, event.number))
    assert sounding == set()


def test_another_port_reaches_the_player_is_a_step_of_undo_and_outlives_both_processes() -> None:
    joined = performance()
    session, port = joined.session, Target("port", "melody")

    def routed() -> list[str]:
        return [m.port for m in session.take_messages() if isinstance(m, SetPart) and m.part == "melody"]

    session.take_messages()
    session.act(Target("store", key=1), (), joined.now_us)
    assert session.get(port) == ("midi_out",)
    session.set(port, ("moog",), joined.now_us)
    assert (routed(), session.get(port)) == (["moog"], ("moog",))
    assert port in session.touched()
    session.act(Target("undo"), (), joined.now_us)
    assert (routed(), session.get(port)) == ([""], ("midi_out",))
    assert port in session.touched()
    session.act(Target("redo"), (), joined.now_us)
    assert (routed(), session.get(port)) == (["moog"], ("moog",))
    session.act(Target("slot", key=1), ("now",), joined.now_us)
    assert (routed(), session.get(port)) == ([], ("moog",))

    state = msgspec.json.decode(msgspec.json.encode(session.state()), type=SessionState)
    successor = Session(session.cast(), 1, 120.0, 1)
    successor.restore(state)
    assert successor.get(port) == ("moog",)
    # The player never hears of the port of the start again.
    assert [m.port for m in successor.take_messages() if isinstance(m, SetPart) and m.part == "melody"] == ["moog"]
    successor.on_player(Hello(1))
    (adopt,) = [m for m in successor.take_messages() if isinstance(m, Adopt)]
    assert {route.part: route.port for route in adopt.parts}["melody"] == "moog"
    successor.set(port, ("midi_out",), joined.now_us)
    assert successor.get(port) == ("midi_out",)


def mangled(joined: Performance, **changes: object) -> None:
    """Put a stored slot back as a file may hold it that somebody edited."""
    plain = msgspec.json.decode(msgspec.json.encode(joined.session.take_slots()))
    for stored_part in plain["1"].values():
        for name, value in changes.items():
            stored_part["settings"][name] = value
    joined.session.restore_slots(msgspec.json.decode(msgspec.json.encode(plain), type=Slots))


@pytest.mark.parametrize(
    "changes",
    [
        {"as_heard": [[4_000, []]] * 32},
        {"as_heard": [[-1, []]] * 32},
        {"as_heard": [[60, [[0.5]]]] * 32},
        {"limits": {"kept": [[90, []]] * 32, "frozen": [0]}},
    ],
)
def test_a_slot_with_steps_that_no_model_makes_is_refused(changes: dict[str, object]) -> None:
    joined = performance()
    do(joined, "store", key=1)
    mangled(joined, **changes)
    with pytest.raises(UsageError, match="Slot 1 holds steps"):
        do(joined, "slot", "now", key=1)
    bars_on(joined, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": -1},
        {"temperature": 1e300},
        {"transpose": 10**9},
        {"velocity": -3},
        {"edits": -1},
        {"octave": 100},
        {"gate": 0},
        {"seed": -5},
        {"limits": {"low": -4}},
        {"limits": {"high": 128}},
    ],
)
def test_a_slot_with_figures_out_of_range_is_none(changes: dict[str, object]) -> None:
    joined = performance()
    do(joined, "store", key=1)
    with pytest.raises(msgspec.ValidationError):
        mangled(joined, **changes)
