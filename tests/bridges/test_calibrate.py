"""Calibration: what clicks that came back say, what is wrong with the wiring, and what is kept."""

import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloops_bridges.calibrate import measuring
from autoloops_bridges.calibrate.measuring import (
    Click,
    WiringError,
    loop_clicks,
    measure_loop,
    measure_taps,
    tap_clicks,
)
from autoloops_bridges.calibrate.report import histogram_lines, report_lines
from autoloops_bridges.cli import main
from autoloops_bridges.midi import latency
from autoloops_bridges.midi.latency import KeptLatencies, kept_latencies, port_latency_us, write_latencies
from autoloops_engine.errors import AutoLoopsError

SENT = loop_clicks(40, 1_000_000)


def back(delay_us: int, jitter_us: int = 0, seed: int = 1) -> list[Click]:
    shaken = random.Random(seed)
    return [Click(at_us + delay_us + shaken.randint(-jitter_us, jitter_us), pitch) for at_us, pitch in SENT]


@given(st.integers(0, 250_000), st.integers(0, 3_000), st.integers(0, 100))
def test_a_delay_is_found_to_a_fraction_of_its_jitter(delay_us: int, jitter_us: int, seed: int) -> None:
    found = measure_loop(SENT, back(delay_us, jitter_us, seed))
    assert abs(found.latency_us - delay_us) <= max(1, jitter_us // 2)
    assert found.jitter_us <= jitter_us
    assert found.p99_us <= 2 * jitter_us
    assert len(found.delays_us) == found.sent == 40


def test_clicks_are_irregular_and_no_two_neighbours_are_alike() -> None:
    gaps_us = {later.at_us - earlier.at_us for earlier, later in pairwise(SENT)}
    assert len(gaps_us) > 30
    assert min(gaps_us) > measuring.MAX_LOOP_US
    assert all(earlier.pitch != later.pitch for earlier, later in pairwise(SENT))


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        ([], "Nothing came back"),
        ([*back(5_000), Click(2_000_000, 40)], "Other notes came in \\(number 40\\)"),
        ([*back(5_000), *back(10_000)], "more than once"),
        (back(5_000)[:20], "Only 20 of 40"),
        (back(120_000, 90_000), "wavers"),
        (back(400_000), "Only 0 of 40"),
    ],
)
def test_wrong_wiring_is_refused_with_a_sentence(heard: list[Click], says: str) -> None:
    with pytest.raises(WiringError, match=says):
        measure_loop(SENT, heard)


def test_a_lost_click_or_two_do_no_harm() -> None:
    assert measure_loop(SENT, back(7_000)[2:]).latency_us == 7_000


def test_taps_are_matched_with_the_nearest_click_behind_the_count_in() -> None:
    sent, hand = tap_clicks(20, 0), random.Random(2)
    taps_us = [round(click.at_us + 40_000 + hand.gauss(0, 12_000)) for click in sent[1:]]
    found = measure_taps(sent, sorted([*taps_us[:9], *taps_us[11:]]))
    assert abs(found.latency_us - 40_000) < 8_000
    assert len(found.delays_us) == 18
    for taps, says in (([], "No tap"), (taps_us[:6], "Only 3 of 20")):
        with pytest.raises(WiringError, match=says):
            measure_taps(sent, taps)


def test_the_report_shows_where_the_clicks_fell() -> None:
    lines = report_lines("synth", measure_loop(SENT, back(12_000, 1_000)))
    assert lines[0].startswith("synth: latency 1")
    assert "40 of 40 clicks" in lines[0]
    counts = [int(line.split()[-1]) for line in lines[1:] if line.split()[-1].isdigit()]
    assert sum(counts) == 40
    assert histogram_lines([3_000] * 5) == ["    3.02 ms  " + "█" * 40 + " 5"]


def test_a_port_is_known_by_part_of_its_name_and_the_longest_counts() -> None:
    kept = {"usb": 5.0, "USB MIDI": 12.5, "virtual": -3.0}
    assert port_latency_us(["ALSA USB MIDI 20:0"], kept) == 12_500
    assert port_latency_us(["usb thing"], kept) == 5_000
    assert port_latency_us(["JACK AutoLoops:out", "virtual"], kept) == -3_000
    assert port_latency_us(["something else"], kept) == 0
    # As other programs list it, with the numbers of one plug-in; it is found after the next too.
    assert port_latency_us(["ALSA USB MIDI 24:0"], {"USB MIDI 20:0": 7.5}) == 7_500


@pytest.fixture
def kept_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config" / "latency.json"
    monkeypatch.setattr(latency, "latency_path", lambda: path)
    return path


def test_what_was_written_is_read_and_undone(kept_at: Path) -> None:
    assert kept_latencies() == KeptLatencies()
    with pytest.raises(AutoLoopsError, match="nothing to undo"):
        kept_latencies().undone()
    write_latencies(kept_latencies().changed("synth 20:0", 12.34))
    write_latencies(kept_latencies().changed("other", -2.0))
    assert kept_latencies().ports == {"synth": 12.3, "other": -2.0}
    with pytest.raises(SystemExit) as end:
        main(["calibrate", "--undo"])
    assert end.value.code == 0
    assert kept_latencies().ports == {"synth": 12.3}


@pytest.mark.parametrize("content", [b"{ torn", b'{"ports": {"\xff": 1.0}}', b'{"ports": {"synth": 1e9}}', b"[]"])
def test_a_damaged_file_of_latencies_is_as_good_as_none(kept_at: Path, content: bytes) -> None:
    kept_at.parent.mkdir()
    kept_at.write_bytes(content)
    assert kept_latencies() == KeptLatencies()


@pytest.mark.parametrize("word", ["synth", "synth=", "=5", "synth=fast", "synth=2000", "synth=nan"])
def test_a_latency_that_makes_no_sense_is_wrong_usage(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["play", "--latency", word])
    assert end.value.code == 2
    assert "PORT=MS" in capsys.readouterr().err


def test_a_driver_that_never_answers_is_given_up_with_a_sentence() -> None:
    stuck = (
        "import threading; from autoloops_bridges.commands.calibrate import ended_after\n"
        "with ended_after(60): pass\nwith ended_after(0.05): threading.Event().wait()"
    )
    done = subprocess.run([sys.executable, "-c", stuck], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("try again.")
