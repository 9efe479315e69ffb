"""The measurements measure what they say: figures against known ones, clocks against each other, on loopback only."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autoloops_bridges import cli
from autoloops_bridges.bench import decoding, knobs, lateness, stage
from autoloops_bridges.bench.flood import ADDRESS, LAST, flood
from autoloops_bridges.bench.hour import simulate
from autoloops_bridges.bench.tables import race, spread, with_ratios
from autoloops_bridges.osc import codec
from autoloops_bridges.osc.ntp import NtpClock
from autoloops_engine.bundle.installed import installed_bundles
from autoloops_engine.bundle.load import read_file

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


@pytest.fixture
def bundle() -> Path:
    return next(iter(installed_bundles().values()))


def test_spread_tells_the_middle_and_the_tails() -> None:
    figures = spread([float(sample) for sample in range(1_001)])
    expected = {"count": 1_001.0, "p50": 500.0, "p99": 990.0, "p99.9": 999.0, "max": 1_000.0}
    assert figures == pytest.approx(expected)
    assert spread([]) == {"count": 0.0}


def test_contestants_take_turns_and_are_compared_with_one_of_them() -> None:
    turns: list[str] = []
    clock = iter(range(0, 10**9, 1_000_000))
    contestants = {name: (lambda name=name: turns.append(name)) for name in ("a", "b")}
    taken_ms = race(contestants, 3, lambda: next(clock))
    assert turns == ["a", "b"] * 3
    assert taken_ms == {"a": [1.0] * 3, "b": [1.0] * 3}
    rows = with_ratios({"a": {"p50": 3.0, "p99": 8.0}, "b": {"p50": 2.0}}, "b")
    assert rows["a"]["p50 / b"] == 1.5
    assert rows["a"]["p99 / b"] == ""


def test_time_tags_are_read_as_they_are_written() -> None:
    clock = NtpClock(1_000, 1_700_000_000_123_456)
    assert abs(stage.unix_us(clock.tag_at(51_000)) - 1_700_000_000_173_456) <= 1


def test_the_weights_of_the_bare_loop_are_those_of_the_bundle(bundle: Path) -> None:
    tensors = decoding._tensors(read_file(bundle, decoding.WEIGHTS))
    matrices = [each for name, each in tensors.items() if name.startswith(decoding._STEP_MATRICES)]
    assert len(matrices) >= 3
    assert all(matrix.ndim == 2 and matrix.dtype == np.float32 and matrix.any() for matrix in matrices)
    decoding.products_of(bundle)()


def test_both_points_begin_with_a_note_of_their_own(bundle: Path) -> None:
    one, other = knobs.two_points(bundle)
    assert one.first != other.first
    assert {21 <= point.first <= 108 for point in (one, other)} == {True}


def test_a_control_that_waits_for_another_bar_was_not_heard_at_once() -> None:
    assert knobs.Try(before_us=20_000, after_us=20_000).heard_at_once
    assert not knobs.Try(before_us=20_000, after_us=20_000 + knobs.BAR_US).heard_at_once


def test_of_one_instant_the_last_packet_counts() -> None:
    late_us: dict[int, int] = {}
    for due_us, came_us in ((1_000, 1_100), (1_000, 1_250), (0, 5_000), (2_000, 2_080)):
        lateness._take(stage.Heard(due_us, came_us, "/al/melody/note", ()), late_us)
    assert late_us == {1_000: 250, 2_000: 80}


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        ours.bind(("127.0.0.1", 0))
        ours.setblocking(False)
        yield ours


def test_the_flood_has_its_rate_and_ends_with_the_last_value(receiver: socket.socket) -> None:
    sent = flood(receiver.getsockname()[1], rate=1_000, seconds=0.2)
    received = [codec.parse(receiver.recv(1_000)) for _ in range(sent)]
    assert 150 <= sent <= 202
    assert received[-1] == codec.Message(ADDRESS, (LAST,))


@on_linux
def test_a_simulated_minute_has_its_bars_and_tells_its_memory(capsys: pytest.CaptureFixture[str]) -> None:
    simulate("melody-2bar", 1)
    minute, bars, resident_mb, pss_mb, own_mb = capsys.readouterr().out.split()
    assert (int(minute), int(bars)) == (1, 31)
    assert 0 < float(pss_mb) <= float(resident_mb)
    assert 0 < float(own_mb) <= float(resident_mb)


@on_linux
@pytest.mark.timeout(90)
def test_a_client_hears_the_engine_and_asks_its_counters() -> None:
    with stage.engine("--parts", "melody", "--tempo", "480", "--seed", "5") as playing:
        first = playing.client.hear_one("/al/bar")
        assert first.due_us > playing.began_us
        # Stamped by the kernel on its way in, whenever it is read.
        assert abs(first.came_us - first.due_us) < 5_000_000
        assert playing.client.stats()["restarts"] == 0
        assert len(playing.pids()) == 3
        pids = playing.pids()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids if pid != os.getpid())


def test_an_unknown_measurement_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["bench", "nonsense"])
    assert end.value.code == 2
    assert "lateness" in capsys.readouterr().err
