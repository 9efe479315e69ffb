"""What the doctor makes of what the probes see: one small check for each finding. Pure but for the probes."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from autoloops_bridges.bench.wakeups import Wakeups
from autoloops_bridges.doctor.clocks import check_latencies, check_midi_clock
from autoloops_bridges.doctor.finding import Finding, fail, ok, warn
from autoloops_bridges.doctor.probes import Probes
from autoloops_bridges.doctor.rigs import check_rig
from autoloops_bridges.doctor.sync import check_link, check_transport
from autoloops_bridges.midi.apis import JACK, api_title, rtmidi_missing
from autoloops_bridges.midi.ports import PortList
from autoloops_engine.errors import AutoLoopsError, BundleError, PortError
from autoloops_engine.messages import LATE_BOUNDS_US
from autoloops_engine.units import US_PER_MS

OLDEST_PYTHON: Final = (3, 11)
# python-rtmidi has wheels up to here; from the next one on MIDI is an extra.
LAST_WITH_WHEELS: Final = (3, 12)
GOOD_P99_US: Final = 2 * US_PER_MS
BEARABLE_P99_US: Final = 10 * US_PER_MS


def check_python(probes: Probes) -> Finding:
    """The interpreter is new enough."""
    version = ".".join(str(number) for number in probes.python)
    oldest = ".".join(str(number) for number in OLDEST_PYTHON)
    if probes.python < OLDEST_PYTHON:
        return fail("Python", f"This is Python {version}.", f"Install Python {oldest} or later and AutoLoops into it.")
    return ok("Python", f"This is Python {version}.")


def check_onnxruntime(probes: Probes) -> Finding:
    """What runs the models can be loaded."""
    try:
        probes.load_module("onnxruntime")
    except (ImportError, OSError) as error:
        todo = "Run `pip install --force-reinstall onnxruntime`"
        todo += "; on Windows install Microsoft's Visual C++ runtime too." if probes.platform == "win32" else "."
        return fail("onnxruntime", f"It cannot be loaded ({_short(error)}).", todo)
    return ok("onnxruntime", f"Version {probes.version('onnxruntime') or 'unknown'}.")


def check_rtmidi(probes: Probes) -> Finding:
    """MIDI ports can be opened by RtMidi."""
    try:
        probes.load_module("rtmidi")
    except ImportError as error:
        judge = fail if probes.python <= LAST_WITH_WHEELS else warn
        return judge("python-rtmidi", f"It cannot be loaded ({_short(error)}).", rtmidi_missing(error, probes.platform))
    except OSError as error:
        todo = "Reinstall it with `pip install --force-reinstall python-rtmidi`."
        return fail("python-rtmidi", f"It cannot be loaded ({_short(error)}).", todo)
    return ok("python-rtmidi", f"Version {probes.version('python-rtmidi') or 'unknown'}.")


def check_jack_client(probes: Probes, listed: Sequence[PortList]) -> Finding:
    """Notes through JACK can be accurate to the sample."""
    try:
        probes.load_module("jack")
    except (ImportError, OSError) as error:
        if any(each.api == JACK and not each.remark for each in listed):
            todo = "Run `pip install 'autoloops[jack]'`, and notes through JACK are accurate to the sample."
            return warn("JACK-Client", f"It cannot be loaded ({_short(error)}).", todo)
        return ok("JACK-Client", "Not installed; only JACK needs it (extra `jack`).")
    return ok("JACK-Client", f"Version {probes.version('JACK-Client') or 'unknown'}.")


def check_midi(listed: Sequence[PortList]) -> list[Finding]:
    """Which MIDI systems there are, and that there is one at all."""
    findings = []
    for each in listed:
        name = f"{api_title(each.api)} ports"
        if each.remark:
            if any(not other.remark for other in listed):
                findings.append(ok(name, f"Not in use: {each.remark}"))
            else:
                findings.append(warn(name, "There are none.", each.remark))
            continue
        says = f"To play to: {_names(each.outputs)}. To be controlled from: {_names(each.inputs)}."
        findings.append(ok(name, says))
    if all(each.remark for each in listed):
        todo = "Start one of the systems above, or play over OSC only (--midi-out none --midi-in none)."
        findings.append(fail("MIDI", "No MIDI system is running.", todo))
    return findings


def check_realtime(probes: Probes) -> Finding:
    """The timing thread comes before everything else."""
    found = probes.realtime()
    if found.granted:
        return ok("real-time rights", found.remark)
    return warn("real-time rights", "The system grants no real-time priority.", found.remark)


def check_clock(probes: Probes) -> Finding:
    """The machine wakes a waiting thread in time."""
    try:
        found = probes.wakeups()
    except OSError as error:
        return warn("clock", f"It could not be measured ({_short(error)}).", "Report this.")
    late = ", ".join(
        f"{name} {each_us / US_PER_MS:.2f} ms"
        for name, each_us in (("p50", found.p50_us), ("p99", found.p99_us), ("max", found.max_us))
    )
    says = f"Wake-ups are late by {late} ({found.count} in all). {_histogram(found)}"
    if found.p99_us <= GOOD_P99_US:
        return ok("clock", says)
    todo = (
        "Get real-time rights (above), end what else is busy, and set the processor to performance, not power saving."
    )
    return (warn if found.p99_us <= BEARABLE_P99_US else fail)("clock", says, todo)


def check_bundles(probes: Probes) -> list[Finding]:
    """Every installed model is whole and of this version."""
    bundles = probes.bundles()
    if not bundles:
        todo = "Run `pip install --force-reinstall autoloops`, or name a model with --model PART=BUNDLE."
        return [fail("models", "No model is installed.", todo)]
    findings = []
    for name, path in bundles.items():
        try:
            manifest = probes.load_bundle(path)
        except BundleError as error:
            findings.append(fail(f"model {name}", *_cut(error)))
        else:
            parts = ", ".join(output.part for output in manifest.outputs)
            findings.append(ok(f"model {name}", f"Whole; it plays {parts}, {manifest.bars} bars."))
    return findings


def check_osc_port(probes: Probes, host: str, port: int) -> Finding:
    """OSC can be heard, or an engine hears it already."""
    name = f"OSC port {port}"
    try:
        probes.bind(host, port)
    except PortError as error:
        if probes.answers(host, port):
            return ok(name, "AutoLoops plays there already.")
        return fail(name, *_cut(error))
    return ok(name, f"Free on {host}.")


def check_folders(probes: Probes) -> list[Finding]:
    """What is kept from one performance to the next can be written."""
    findings = []
    for name, folder in probes.folders.items():
        try:
            probes.write(folder)
        except OSError as error:
            todo = "It plays all the same; make the folder writable to keep sessions, timings and the log."
            findings.append(warn(f"{name} folder", f"{folder} cannot be written ({_short(error)}).", todo))
        else:
            findings.append(ok(f"{name} folder", str(folder)))
    return findings


def check_training(probes: Probes) -> Finding:
    """Whether models can be trained here."""
    torch = probes.version("torch")
    says = (
        f"PyTorch {torch}." if torch else "Not installed (extra `export`); only training and exporting models need it."
    )
    return ok("training", says)


def examine(
    probes: Probes, host: str, port: int, *, rig_path: Path | None = None, parts: Collection[str] = ()
) -> list[Finding]:
    """All findings.

    Args:
        probes: How to look.
        host: Address of OSC.
        port: UDP port of OSC.
        rig_path: A rig file to check too.
        parts: The parts that play; empty: those of the rig file, else the usual ones.
    """
    listed = probes.list_ports()
    findings = [check_python(probes), check_onnxruntime(probes), check_rtmidi(probes)]
    findings += [check_jack_client(probes, listed), *check_midi(listed)]
    findings += [check_realtime(probes), check_clock(probes)]
    findings += [*check_bundles(probes), check_osc_port(probes, host, port), *check_folders(probes)]
    if rig_path is not None:
        findings.append(check_rig(probes, rig_path, parts))
    findings += [check_midi_clock(probes, listed), check_link(probes), check_transport(probes)]
    return [*findings, check_latencies(probes), check_training(probes)]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _histogram(found: Wakeups) -> str:
    """The classes of lateness that occurred, in per cent."""
    total = max(1, found.count)
    labels = [*(f"< {bound_us / US_PER_MS:g} ms" for bound_us in LATE_BOUNDS_US), "more"]
    shares = zip(labels, found.histogram, strict=True)
    return "; ".join(f"{label}: {100 * count / total:.1f} %" for label, count in shares if count)


def _cut(error: AutoLoopsError) -> tuple[str, str]:
    """What happened and what to do, which our errors join by a semicolon."""
    says, _, todo = str(error).partition("; ")
    return says.rstrip(".") + ".", todo[:1].upper() + todo[1:]


def _short(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rstrip(".")
