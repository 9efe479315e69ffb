"""What a timebase master says is followed where it makes sense, and is no master where it does not."""

import math
from types import SimpleNamespace

import pytest

from autoloops_engine.units import UB_PER_BEAT

jack_transport = pytest.importorskip("autoloops_bridges.midi.jack_transport")

SAID = {
    "valid": 0x10,
    "bar": 2,
    "beat": 1,
    "tick": 960,
    "beats_per_bar": 4.0,
    "ticks_per_beat": 1920.0,
    "beats_per_minute": 120.0,
    "bbt_offset": 0,
}


def test_a_master_gives_position_and_tempo() -> None:
    told = jack_transport._told(SimpleNamespace(**SAID), 1_000, 48_000)
    assert told == (1_000, 4 * UB_PER_BEAT + UB_PER_BEAT // 2, round(UB_PER_BEAT / 1920), 500_000_000)


@pytest.mark.parametrize("field", ["beats_per_bar", "ticks_per_beat", "beats_per_minute"])
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_master(field: str, odd: float) -> None:
    assert jack_transport._told(SimpleNamespace(**SAID | {field: odd}), 1_000, 48_000) is None


@pytest.mark.parametrize("tempo_bpm", [-120.0, 0.0, 1e12])
def test_what_is_no_tempo_is_no_master(tempo_bpm: float) -> None:
    assert jack_transport._told(SimpleNamespace(**SAID | {"beats_per_minute": tempo_bpm}), 1_000, 48_000) is None
