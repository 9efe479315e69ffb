"""The counters of a performance: added up over players, told in one packet."""

from autoloops_bridges.osc import codec
from autoloops_bridges.processes.stats import Stats, flat, late_us, percentile
from autoloops_engine.messages import LATE_BOUNDS_US, PlayerStats


def player_stats(events: int, late_max_us: int, **classes: int) -> PlayerStats:
    counts = [0] * (len(LATE_BOUNDS_US) + 1)
    for place, count in classes.items():
        counts[int(place.removeprefix("at"))] = count
    return PlayerStats(events, late_max_us, tuple(counts), fallbacks=1, dropped=2, bars=3)


def test_percentiles_of_lateness_are_the_upper_ends_of_their_classes() -> None:
    stats = player_stats(100, 7_000, at0=98, at1=1, at6=1)
    assert late_us(stats, 98) == 50
    assert late_us(stats, 99) == 100
    assert late_us(stats, 99.9) == 5_000
    assert late_us(player_stats(1, 30, at0=1), 99) == 30


def test_before_the_first_event_nothing_is_late() -> None:
    assert late_us(player_stats(0, 0), 99) == 0
    assert late_us(player_stats(1, -40, at0=1), 99) == 0


def test_a_player_that_starts_anew_adds_to_what_the_former_one_counted() -> None:
    stats = Stats(0)
    stats.played(player_stats(10, 900, at0=10))
    stats.played(player_stats(20, 900, at0=20))
    stats.played(player_stats(5, 100, at0=4, at1=1))
    assert stats.player.events == 25
    assert stats.player.late_max_us == 900
    assert stats.player.late_histogram[:2] == (24, 1)
    assert stats.player.bars == 6


def test_percentile_of_nothing_is_nothing() -> None:
    assert percentile([], 99) == 0
    assert percentile([5], 99) == 5
    assert percentile(range(1, 101), 50) == 51
    assert percentile(range(1, 101), 99) == 100


def test_figures_are_flat_and_fit_a_client_that_reads_32_bits() -> None:
    stats = Stats(1_000_000)
    stats.decoded(12_000)
    figures = dict(stats.figures(8_500_000))
    assert figures["uptime_s"] == 7
    assert figures["decode_p99_ms"] == 12.0
    values = flat([("osc_packets", 2**40), ("late_max_ms", 0.5)])
    assert values == ("osc_packets", 2**31 - 1, "late_max_ms", 0.5)
    message = codec.parse(codec.encode("/al/stats", values))
    assert isinstance(message, codec.Message)
    assert message.arguments == values
