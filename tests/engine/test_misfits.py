"""What a performer stored may not fit any more: whoever plays by itself says so once and plays on."""

import math

import msgspec
import pytest

from autoloops_engine.latent import latent_space
from autoloops_engine.session.core import Session
from autoloops_engine.session.offline import Performance
from autoloops_engine.session.settings import PartSetup
from autoloops_engine.session.slots import Slots
from autoloops_engine.session.state import SessionState
from autoloops_engine.session.surface import Target
from autoloops_engine.testing import StubDecoder, tiny_manifest

TEMPO_BPM = 120.0
BAR_US = 2_000_000


def setup_of(decoder: StubDecoder, family: str = "first training") -> PartSetup:
    return PartSetup("melody", 1, latent_space(decoder.manifest, family=family), 2, model="tiny")


def performance(family: str = "first training", slots: Slots | None = None, latent_size: int = 4) -> Performance:
    decoder = StubDecoder(tiny_manifest(latent_size=latent_size))
    session = Session([setup_of(decoder, family)], 7, TEMPO_BPM)
    session.restore_slots(slots or {})
    joined = Performance(session, {"melody": decoder}, TEMPO_BPM)
    session.act(Target("start"), (), 0)
    joined.run_until(BAR_US // 2)
    return joined


def bars_on(joined: Performance, bars: float) -> None:
    joined.run_until(joined.now_us + round(bars * BAR_US))


def stored(family: str, latent_size: int, *numbers: int) -> Slots:
    joined = performance(family, latent_size=latent_size)
    for number in numbers:
        joined.session.act(Target("fire", "melody"), ("new", "now"), joined.now_us)
        bars_on(joined, 1)
        joined.session.act(Target("store", "melody", number), (), joined.now_us)
    slots = joined.session.take_slots()
    assert slots is not None
    return msgspec.json.decode(msgspec.json.encode(slots), type=Slots)


@pytest.mark.parametrize("action", ["next", "random"])
def test_a_follow_action_passes_slots_of_another_size_over_and_says_so_once(action: str) -> None:
    slots = stored("first training", 8, 1, 3) | stored("first training", 4, 2, 4)
    joined = performance(slots=slots)
    joined.session.set(Target("follow", "melody"), (action, 1), joined.now_us)
    seen = []
    for _ in range(24):
        bars_on(joined, 1)
        seen.append(joined.session.get(Target("z", "melody")))
    assert len(set(seen[4:])) == 2, "the two that fit take turns"
    told = joined.session.take_failures()
    assert sorted(address for address, _ in told) == ["/al/melody/slot/1", "/al/melody/slot/3"]
    assert all("does not fit melody" in reason for _, reason in told)
    bars_on(joined, 8)
    assert joined.session.take_failures() == []


def test_where_no_slot_fits_the_loop_plays_on() -> None:
    joined = performance(slots=stored("first training", 8, 1))
    before = joined.session.get(Target("z", "melody"))
    joined.session.set(Target("follow", "melody"), ("next", 1), joined.now_us)
    bars_on(joined, 6)
    assert joined.session.get(Target("z", "melody")) == before
    assert len(joined.session.take_failures()) == 1


def test_a_slot_of_another_training_is_played_and_the_performer_told_once() -> None:
    slots = stored("first training", 4, 1)
    joined = performance("second training", slots)
    for _ in range(3):
        joined.session.act(Target("slot", "melody", 1), ("now",), joined.now_us)
        bars_on(joined, 1)
    ((address, reason),) = joined.session.take_failures()
    assert address == "/al/melody/slot/1"
    assert "another training of tiny" in reason


def test_slots_of_the_same_training_or_of_one_that_nobody_knows_are_no_matter() -> None:
    slots = stored("first training", 4, 1)
    plain = msgspec.json.decode(msgspec.json.encode(slots))
    del plain["1"]["melody"]["family"]
    for held in (slots, msgspec.json.decode(msgspec.json.encode(plain), type=Slots)):
        joined = performance(slots=held)
        joined.session.act(Target("slot", "melody", 1), ("now",), joined.now_us)
        bars_on(joined, 1)
        assert joined.session.take_failures() == []


@pytest.mark.parametrize(("name", "values"), [("walk", (0.5,)), ("orbit", (0.5, 4.0))])
def test_motion_goes_on_in_the_space_of_a_model_that_was_swapped(name: str, values: tuple[float, ...]) -> None:
    joined = performance()
    joined.session.set(Target(name, "melody"), values, joined.now_us)
    bars_on(joined, 2)
    larger = StubDecoder(tiny_manifest(latent_size=8))
    joined.decoders["melody"] = larger
    joined.session.swap_model(setup_of(larger, "larger"), None, joined.now_us)
    seen = []
    for _ in range(4):
        bars_on(joined, 1)
        seen.append(joined.session.get(Target("z", "melody")))
    assert [len(z) for z in seen] == [8] * 4
    assert len(set(seen)) == 4


def test_a_glide_ends_with_the_model_that_it_was_for() -> None:
    joined = performance(slots=stored("first training", 4, 1))
    joined.session.act(Target("glide", "melody", 1), (8,), joined.now_us)
    bars_on(joined, 2)
    larger = StubDecoder(tiny_manifest(latent_size=8))
    joined.decoders["melody"] = larger
    joined.session.swap_model(setup_of(larger, "larger"), [0.5] * 8, joined.now_us)
    bars_on(joined, 4)
    assert joined.session.get(Target("z", "melody")) == (0.5,) * 8


def test_a_part_that_begins_anew_at_a_takeover_takes_no_motion_of_the_old_model_along() -> None:
    joined = performance()
    joined.session.set(Target("walk", "melody"), (0.5,), joined.now_us)
    bars_on(joined, 2)
    state = msgspec.json.decode(msgspec.json.encode(joined.session.state()), type=SessionState)
    larger = StubDecoder(tiny_manifest(latent_size=8))
    joined.session = Session([setup_of(larger, "larger")], 1, TEMPO_BPM, 1)
    joined.decoders["melody"] = larger
    joined.session.restore(state)
    bars_on(joined, 3)
    assert joined.session.get(Target("walk", "melody")) == (0.0,)
    ((address, reason),) = joined.session.take_failures()
    assert (address, "begins anew" in reason) == ("/al/melody/model", True)


def test_what_follows_far_out_stays_within_reach() -> None:
    joined = performance()
    joined.session.set(Target("z", "melody"), (100.0, -100.0, 100.0, 100.0), joined.now_us)
    for knob in range(1, 5):
        joined.session.set(Target("knob", "melody", knob), (1.0,), joined.now_us)
    joined.session.set(Target("walk", "melody"), (1.0,), joined.now_us)
    joined.session.set(Target("orbit", "melody"), (1.0,), joined.now_us)
    joined.session.set(Target("follow", "melody"), ("vary", 1), joined.now_us)
    bars_on(joined, 16)
    joined.session.act(Target("store", "melody", 1), (), joined.now_us)
    joined.session.act(Target("slot", "melody", 1), ("now",), joined.now_us)
    bars_on(joined, 1)
    assert all(math.isfinite(float(x)) for x in joined.session.get(Target("z", "melody")))
    assert joined.session.take_failures() == []


@pytest.mark.parametrize(
    "limits",
    [
        {"rests": [16]},
        {"rests": [-1]},
        {"frozen": [-1]},
        {"frozen_voices": [9]},
        {"muted_voices": [-1]},
        {"muted_voices": [1_000_000_000]},
    ],
)
def test_a_slot_with_steps_and_voices_that_there_are_not_is_none(limits: dict[str, object]) -> None:
    plain = msgspec.json.decode(msgspec.json.encode(stored("first training", 4, 1)))
    plain["1"]["melody"]["settings"]["limits"] = limits
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(plain), type=Slots)
