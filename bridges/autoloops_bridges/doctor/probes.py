"""How the doctor looks: everything that touches the machine, each a function that a test can replace."""

import contextlib
import importlib
import importlib.metadata
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

from autoloops_bridges.bench.wakeups import Wakeups, measure
from autoloops_bridges.commands.send import converse
from autoloops_bridges.doctor.clocks import HeardClock, midi_clocks
from autoloops_bridges.doctor.sync import jack_transport, link_session
from autoloops_bridges.midi.latency import kept_latencies
from autoloops_bridges.midi.ports import PortList, list_ports
from autoloops_bridges.processes.eventlog import default_log_path
from autoloops_bridges.processes.launcher import bind_osc
from autoloops_bridges.processes.realtime import RealTime, claim_realtime
from autoloops_engine.bundle.installed import installed_bundles
from autoloops_engine.bundle.load import load_bundle
from autoloops_engine.bundle.manifest import Manifest
from autoloops_engine.bundle.reference import Referenced, look_up
from autoloops_engine.errors import PortError
from autoloops_engine.sync.jack import JackState
from autoloops_engine.sync.link import LinkState

CLOCK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """What the checks look through.

    Attributes:
        platform: ``sys.platform``.
        python: Version of the interpreter, as (major, minor).
        load_module: Imports a module; raises ImportError or OSError.
        version: Version of an installed distribution, or None.
        list_ports: The MIDI systems and their ports.
        link_session: The Link session of the network; raises PortError.
        jack_transport: The transport of the JACK server, or None.
        midi_clocks: Listens for MIDI clocks at the inputs of these systems.
        latencies_ms: How late ports are known to sound, in milliseconds.
        realtime: Asks for real-time priority on a thread that ends at once.
        wakeups: Measures how late the player would be woken; raises OSError.
        bundles: Installed bundles by name.
        load_bundle: Loads and checks one; raises BundleError.
        look_up: Answers what a name or path of a bundle means; raises BundleError.
        bind: Tries an OSC address; raises PortError.
        answers: Whether AutoLoops answers at an OSC address.
        folders: What is kept where.
        write: Tries to write into a folder; raises OSError.
        read_text: Reads a file of the user's; raises OSError or UnicodeDecodeError.
    """

    platform: str
    python: tuple[int, int]
    load_module: Callable[[str], object]
    version: Callable[[str], str | None]
    list_ports: Callable[[], Sequence[PortList]]
    link_session: Callable[[], LinkState]
    jack_transport: Callable[[], JackState | None]
    midi_clocks: Callable[[Sequence[PortList]], Sequence[HeardClock]]
    latencies_ms: Callable[[], Mapping[str, float]]
    realtime: Callable[[], RealTime]
    wakeups: Callable[[], Wakeups]
    bundles: Callable[[], Mapping[str, Path]]
    load_bundle: Callable[[Path], Manifest]
    look_up: Callable[[str], Referenced]
    bind: Callable[[str, int], None]
    answers: Callable[[str, int], bool]
    folders: Mapping[str, Path]
    write: Callable[[Path], None]
    read_text: Callable[[Path], str]


def this_machine() -> Probes:
    """Probes of the machine as it is."""
    return Probes(
        platform=sys.platform,
        python=sys.version_info[:2],
        load_module=importlib.import_module,
        version=_version,
        list_ports=list_ports,
        link_session=link_session,
        jack_transport=jack_transport,
        midi_clocks=midi_clocks,
        latencies_ms=lambda: kept_latencies().ports,
        realtime=_try_realtime,
        wakeups=lambda: measure(CLOCK_S),
        bundles=installed_bundles,
        load_bundle=lambda path: load_bundle(path).manifest,
        look_up=look_up,
        bind=lambda host, port: bind_osc(host, port).close(),
        answers=_answers,
        folders={
            "state": user_state_path("autoloops"),
            "cache": user_cache_path("autoloops"),
            "log": default_log_path().parent,
        },
        write=try_writing,
        read_text=lambda path: path.read_text(encoding="utf-8"),
    )


def _version(distribution: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(distribution)
    return None


def _try_realtime() -> RealTime:
    found: list[RealTime] = []
    thread = threading.Thread(target=lambda: found.append(claim_realtime()))
    thread.start()
    thread.join()
    return found[0]


def _answers(host: str, port: int) -> bool:
    try:
        list(converse(host, port, "/al/playing", ()))
    except PortError:
        return False
    return True


def try_writing(folder: Path) -> None:
    """Write a byte into a folder, which is made if need be, and take it away again.

    Raises:
        OSError: that is not possible.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as scratch:
        scratch.write(b".")
        scratch.flush()
