"""The doctor finds each staged fault, says what to do, and lets a healthy machine go."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoloops_bridges.bench.wakeups import sample, summary
from autoloops_bridges.doctor.checks import examine
from autoloops_bridges.doctor.clocks import HeardClock, heard_clock
from autoloops_bridges.doctor.finding import Finding, Verdict, exit_status
from autoloops_bridges.doctor.probes import Probes, try_writing
from autoloops_bridges.doctor.testbar import PITCHES, send_test_bar
from autoloops_bridges.midi.ports import OpenedOutput, PortList, list_ports
from autoloops_bridges.processes.launcher import bind_osc
from autoloops_bridges.processes.realtime import RealTime
from autoloops_engine.bundle.installed import installed_bundles
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.bundle.reference import look_up
from autoloops_engine.errors import PortError
from autoloops_engine.messages import MidiIn
from autoloops_engine.player.events import Event, Kind
from autoloops_engine.sync.jack import JackState
from autoloops_engine.sync.link import LinkState
from autoloops_engine.testing import tiny_manifest

HOST, PORT = "127.0.0.1", 7400


def free(host: str, port: int) -> None:
    pass


def healthy(tmp_path: Path) -> Probes:
    """A machine on which nothing is wrong."""
    return Probes(
        platform="linux",
        python=(3, 12),
        load_module=lambda name: name,
        version=lambda name: None if name in {"aalink", "LinkPython-extern", "torch"} else "1.0",
        list_ports=lambda: [PortList("alsa", ("Synth",), ("Keys",), ""), PortList("jack", ("fluid",), (), "")],
        link_session=lambda: LinkState(0, 500_000_000, 0, 0, playing=False, playing_at_us=0),
        jack_transport=lambda: None,
        midi_clocks=lambda listed: (),
        latencies_ms=dict,
        realtime=lambda: RealTime(True, "Timing thread: real-time priority."),
        wakeups=lambda: summary("", [40] * 99 + [90]),
        bundles=lambda: {"tiny": tmp_path},
        load_bundle=lambda path: tiny_manifest(),
        look_up=look_up,
        bind=free,
        answers=lambda host, port: False,
        folders={"log": tmp_path / "log"},
        write=try_writing,
        read_text=lambda path: path.read_text(encoding="utf-8"),
    )


def examined(
    probes: Probes, port: int = PORT, rig_path: Path | None = None, parts: tuple[str, ...] = ("melody",)
) -> list[Finding]:
    return examine(probes, HOST, port, rig_path=rig_path, parts=parts)


def the_one(findings: Sequence[Finding], verdict: Verdict) -> Finding:
    """The only finding that is not well; it says what to do."""
    [found] = [finding for finding in findings if finding.verdict is not Verdict.OK]
    assert found.verdict is verdict
    assert found.todo
    return found


def raising(error: Exception, *names: str) -> Callable[[str], object]:
    def load(name: str) -> object:
        if name in names:
            raise error
        return name

    return load


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder of installed models that is a copy of the one that comes along."""
    folder = tmp_path / "models"
    name, path = next(iter(installed_bundles().items()))
    shutil.copytree(path, folder / name)
    return folder / name


def with_models(tmp_path: Path, folder: Path) -> Probes:
    return replace(
        healthy(tmp_path),
        bundles=lambda: installed_bundles(folder),
        load_bundle=lambda path: load_bundle(path).manifest,
    )


def test_a_healthy_machine_has_nothing_to_do(tmp_path: Path) -> None:
    findings = examined(healthy(tmp_path))
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert exit_status(findings) == 0
    assert len({finding.name for finding in findings}) == len(findings)


def test_finds_missing_rtmidi(tmp_path: Path) -> None:
    missing = raising(ModuleNotFoundError("No module named 'rtmidi'"), "rtmidi")
    found = the_one(examined(replace(healthy(tmp_path), load_module=missing)), Verdict.FAIL)
    assert found.name == "python-rtmidi"
    assert "pip install" in found.todo
    newer = replace(healthy(tmp_path), load_module=missing, python=(3, 13))
    assert the_one(examined(newer), Verdict.WARN).name == "python-rtmidi"


def test_finds_a_library_that_onnxruntime_lacks(tmp_path: Path) -> None:
    broken = replace(healthy(tmp_path), load_module=raising(ImportError("libfoo.so: not found"), "onnxruntime"))
    found = the_one(examined(broken), Verdict.FAIL)
    assert "libfoo.so" in found.says


def test_finds_that_no_jack_server_and_no_other_system_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "autoloops-nobody")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setattr("autoloops_bridges.midi.ports.ALSA_SEQUENCER", str(tmp_path / "seq"))
    findings = examined(replace(healthy(tmp_path), platform="linux", list_ports=list_ports))
    verdicts = {finding.name: finding for finding in findings if finding.verdict is not Verdict.OK}
    assert set(verdicts) == {"ALSA ports", "JACK ports", "MIDI"}
    assert "jackd" in verdicts["JACK ports"].todo
    assert exit_status(findings) == 1


def test_a_missing_system_beside_one_that_runs_is_no_trouble(tmp_path: Path) -> None:
    listed = [PortList("alsa", ("Synth",), (), ""), PortList("jack", (), (), "No JACK server is running; start one.")]
    findings = examined(replace(healthy(tmp_path), list_ports=lambda: listed))
    assert exit_status(findings) == 0
    assert {finding.verdict for finding in findings} == {Verdict.OK}


def test_finds_jack_without_its_accurate_driver(tmp_path: Path) -> None:
    coarse = replace(healthy(tmp_path), load_module=raising(ModuleNotFoundError("No module named 'jack'"), "jack"))
    assert "autoloops[jack]" in the_one(examined(coarse), Verdict.WARN).todo


def test_finds_a_damaged_model(tmp_path: Path, bundle: Path) -> None:
    graph = bundle / "bar.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    found = the_one(examined(with_models(tmp_path, bundle.parent)), Verdict.FAIL)
    assert found.name == f"model {bundle.name}"
    assert "bar.onnx" in found.says
    assert found.todo == "Export or download it again."


def test_finds_a_model_of_a_later_version(tmp_path: Path, bundle: Path) -> None:
    manifest = bundle / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 99}))
    found = the_one(examined(with_models(tmp_path, bundle.parent)), Verdict.FAIL)
    assert "99" in found.says
    assert "pdate autoloops" in found.todo


def test_finds_that_there_is_no_model(tmp_path: Path) -> None:
    found = the_one(examined(with_models(tmp_path, tmp_path / "nothing")), Verdict.FAIL)
    assert found.name == "models"


def test_finds_a_port_in_use_and_knows_its_own_kind(tmp_path: Path) -> None:
    probes = replace(healthy(tmp_path), bind=lambda host, port: bind_osc(host, port).close())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        found = the_one(examined(probes, port), Verdict.FAIL)
        assert found.name == f"OSC port {port}"
        assert "--osc-port" in found.todo
        known = replace(probes, answers=lambda host, port: True)
        assert exit_status(examined(known, port)) == 0


def test_finds_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    found = the_one(examined(replace(healthy(tmp_path), folders={"log": tmp_path / "home" / "log"})), Verdict.WARN)
    assert found.name == "log folder"


def test_finds_missing_rights(tmp_path: Path) -> None:
    refused = RealTime(False, "Timing thread: normal priority; add rtprio to limits.d.")
    found = the_one(examined(replace(healthy(tmp_path), realtime=lambda: refused)), Verdict.WARN)
    assert "limits.d" in found.todo


def test_finds_an_old_python(tmp_path: Path) -> None:
    assert the_one(examined(replace(healthy(tmp_path), python=(3, 10))), Verdict.FAIL).name == "Python"


@pytest.mark.parametrize(("late_us", "verdict"), [(5_000, Verdict.WARN), (30_000, Verdict.FAIL)])
def test_finds_a_clock_that_is_late(tmp_path: Path, late_us: int, verdict: Verdict) -> None:
    slow = replace(healthy(tmp_path), wakeups=lambda: summary("", [late_us] * 100))
    found = the_one(examined(slow), verdict)
    assert found.name == "clock"
    assert f"{late_us / 1000:.2f} ms" in found.says


def test_a_clock_that_cannot_be_measured_is_told(tmp_path: Path) -> None:
    def broken() -> Any:
        raise OSError("no process")

    assert the_one(examined(replace(healthy(tmp_path), wakeups=broken)), Verdict.WARN).name == "clock"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read"), (b"\xff\xfe\x00", "cannot be read"), (b"[[map]]\nsource = 'laser'\n", "Line 2")],
)
def test_finds_a_bad_rig_file(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "rig.toml"
    if content is not None:
        path.write_bytes(content)
    found = the_one(examined(healthy(tmp_path), rig_path=path), Verdict.FAIL)
    assert found.name == "rig rig.toml"
    assert says in found.says


LATER = """
[parts.melody]
[parts.lead]
model = "nosuch"
waits = true
[parts.bass]
model = "trio-16bar#organ"
[set]
"/al/chords" = "Hm7"
"/al/melody/model" = "nosuch"
"/al/melody/knob/77" = 0.5
[[map]]
source = "note"
number = 3
target = "/al/melody/slot/99"
[[map]]
source = "cc"
number = 1
target = "/al/melody/knob/77"
"""


def test_what_shows_only_when_a_rig_file_meets_its_parts_is_found_before(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(LATER)
    says = the_one(examined(healthy(tmp_path), rig_path=path, parts=()), Verdict.FAIL).says
    expected = {
        4: "There is no bundle nosuch",
        7: "The model trio-16bar has no output organ",
        9: "/al/chords cannot be set: The chord Hm7 cannot be read",
        10: "/al/melody/model cannot be set: There is no bundle nosuch",
        11: "/al/melody/knob/77 cannot be set: The model has knobs 1 to 30, not 77.",
        15: "there is no /al/melody/slot/99: Slots are numbered from 1 to 64",
        19: "nothing has /al/melody/knob/77 at present: The model has knobs 1 to 30, not 77.",
    }
    assert [int(line) for line in re.findall(r"Line (\d+):", says)] == list(expected)
    for line, sentence in expected.items():
        assert f"Line {line}: {sentence}" in says


def test_a_control_for_what_another_model_may_have_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text('[[map]]\nsource = "cc"\ntarget = "/al/melody/attr/densit"\n')
    found = the_one(examined(healthy(tmp_path), rig_path=path), Verdict.WARN)
    assert "Line 3: nothing has /al/melody/attr/densit at present" in found.says


def test_a_good_rig_file_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(
        '[parts.melody]\n[set]\n"/al/scale" = "a minor"\n"/al/melody/corners" = [1, 2]\n'
        '[[map]]\nsource = "cc"\nnumber = 20\ntarget = "/al/melody/knob/3"\n'
    )
    assert exit_status(examined(healthy(tmp_path), rig_path=path)) == 0


def test_link_comes_with_the_word_on_its_licence(tmp_path: Path) -> None:
    with_link = replace(healthy(tmp_path), version=lambda name: "1.3.0")
    [link] = [finding for finding in examined(with_link) if finding.name == "Link"]
    assert "GPL" in link.says
    assert "no peer" in link.says


def test_the_peers_of_a_link_session_are_told(tmp_path: Path) -> None:
    state = LinkState(0, 60_000_000_000 // 133, 0, 2, playing=False, playing_at_us=0)
    with_link = replace(healthy(tmp_path), version=lambda name: "1.3.0", link_session=lambda: state)
    [link] = [finding for finding in examined(with_link) if finding.name == "Link"]
    assert "2 peers at 133.00 BPM" in link.says


def test_finds_a_link_that_cannot_be_loaded(tmp_path: Path) -> None:
    def broken() -> LinkState:
        raise PortError("no such library")

    with_link = replace(healthy(tmp_path), version=lambda name: "1.3.0", link_session=broken)
    assert the_one(examined(with_link), Verdict.WARN).name == "Link"


def test_the_jack_transport_is_told(tmp_path: Path) -> None:
    state = JackState(0, True, 0, 0, 0, 500_000_000, 0, 0, foreign=True)
    [found] = [
        finding
        for finding in examined(replace(healthy(tmp_path), jack_transport=lambda: state))
        if finding.name == "JACK transport"
    ]
    assert found.says == "It is rolling; its timebase master says 120.00 BPM."


class Synth:
    """A port that remembers, and whose clock moves when somebody waits."""

    def __init__(self, lead_us: int = 0) -> None:
        self.name = self.again = "JACK synth"
        self.alive = True
        self.frail = False
        self.cables: tuple[str, ...] = ()
        self.joined = 0
        self.lead_us = lead_us
        self.now_us = 1_000_000
        self.heard: list[tuple[int, Event]] = []
        self.closed = False

    def wait(self, seconds: float) -> None:
        self.now_us += round(seconds * 1e6)

    def send(self, event: Event, now_us: int) -> None:
        self.heard.append((now_us, event))

    def send_raw(self, data: bytes) -> None:
        raise AssertionError("a test bar is music")

    def flush(self, now_us: int) -> None:
        pass

    def look(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("lead_us", [0, 5_333])
def test_the_test_bar_is_played_in_time_and_said(lead_us: int) -> None:
    synth = Synth(lead_us)
    found = send_test_bar(lambda: OpenedOutput(synth, ()), "synth", lambda: synth.now_us, synth.wait)
    assert found.verdict is Verdict.OK
    assert "8 notes went to synth (JACK synth)" in found.says
    assert [event.number for _, event in synth.heard if event.kind is Kind.ON] == list(PITCHES)
    assert sum(event.kind is Kind.OFF for _, event in synth.heard) == len(PITCHES)
    assert all(now_us == event.at_us - lead_us for now_us, event in synth.heard)
    assert synth.closed


def test_a_test_bar_without_its_port_says_why() -> None:
    def refused() -> OpenedOutput:
        raise PortError("There is no such system.")

    for opening in (refused, lambda: OpenedOutput(None, ("JACK has no MIDI port whose name contains 'x'.",))):
        found = send_test_bar(opening, "x", lambda: 0, lambda seconds: None)
        assert found.verdict is Verdict.FAIL
        assert found.todo


def test_the_sampler_counts_every_wakeup_once() -> None:
    late_us = sample(0.05, 5_000)
    assert 0 < len(late_us) <= 10
    assert min(late_us) >= 0
    found = summary("said", late_us)
    assert found.count == sum(found.histogram) == len(late_us)
    assert found.p50_us <= found.p99_us <= found.max_us


def run_doctor(code: str, *words: str) -> tuple[int, list[dict[str, str]]]:
    """``autoloops doctor --json`` in a process of its own, after ``code``."""
    script = f"import sys\n{code}\nfrom autoloops_bridges.cli import main\nmain(['doctor', '--json', *{list(words)!r}])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_command_tells_of_a_real_fault_with_its_exit_status(tmp_path: Path) -> None:
    status, findings = run_doctor(
        "sys.modules['rtmidi'] = sys.modules['link'] = None", "--map", str(tmp_path / "none.toml")
    )
    verdicts = {finding["name"]: finding["verdict"] for finding in findings}
    assert status == 1
    assert verdicts["rig none.toml"] == "fail"
    assert verdicts["python-rtmidi"] == ("fail" if sys.version_info < (3, 13) else "warn")
    assert verdicts["Python"] == "ok"
    assert "clock" in verdicts


@pytest.mark.parametrize(
    ("clocks", "says"),
    [
        ([HeardClock("Digitakt", 121.5, 400.0)], "121.5 BPM at Digitakt, jitter 0.4 ms"),
        ([], "None comes in at 1 input."),
    ],
)
def test_a_midi_clock_that_comes_in_is_told(tmp_path: Path, clocks: list[HeardClock], says: str) -> None:
    found = examined(replace(healthy(tmp_path), midi_clocks=lambda listed: clocks))
    [told] = [finding for finding in found if finding.name == "MIDI clock"]
    assert told.verdict is Verdict.OK
    assert told.says.startswith(says)


@pytest.mark.parametrize("lost", [(), (7,), (3, 20, 21)])
def test_the_tempo_of_a_clock_is_that_of_its_ticks(lost: tuple[int, ...]) -> None:
    ticks = [MidiIn("x", b"\xf8", round(at * 60e6 / 123.45 / 24)) for at in range(60) if at not in lost]
    note = MidiIn("x", b"\x90\x40\x40", 5)
    clock = heard_clock("x", [note, *ticks])
    assert clock is not None
    assert clock.tempo_bpm == pytest.approx(123.45, rel=1e-4)
    assert heard_clock("x", [note, *ticks[:5]]) is None


def test_latencies_that_were_measured_are_told(tmp_path: Path) -> None:
    found = examined(replace(healthy(tmp_path), latencies_ms=lambda: {"USB MIDI": 12.5}))
    assert [finding.says for finding in found if finding.name == "latency"] == ["USB MIDI 12.5 ms."]
