"""How late what is sent to a port sounds: what `autoloops calibrate` measured or the performer says, by port.

This is the only place that knows where these figures are kept.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Struct
from platformdirs import user_config_path

from autoloops_bridges.files import replace_file
from autoloops_bridges.midi.names import stable_name
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.units import US_PER_MS

MIN_LATENCY_MS: Final = -200.0
MAX_LATENCY_MS: Final = 1_000.0

Milliseconds = Annotated[float, msgspec.Meta(ge=MIN_LATENCY_MS, le=MAX_LATENCY_MS)]


class KeptLatencies(Struct, frozen=True):
    """The figures of the ports, and those before the last change.

    Attributes:
        ports: By the port's name, how late it is, in milliseconds.
        before: The same before the last change; None: nothing to go back to.
    """

    ports: dict[str, Milliseconds] = {}
    before: dict[str, Milliseconds] | None = None

    def changed(self, port: str, latency_ms: float) -> "KeptLatencies":
        """With another figure for a port."""
        return KeptLatencies(self.ports | {stable_name(port): round(latency_ms, 1)}, self.ports)

    def undone(self) -> "KeptLatencies":
        """As before the last change; undone again, as after it.

        Raises:
            AutoLoopsError: there was no change.
        """
        if self.before is None:
            raise AutoLoopsError("No latency was ever written: there is nothing to undo.")
        return KeptLatencies(self.before, self.ports)


def latency_path() -> Path:
    """Where the figures are kept."""
    return user_config_path("autoloops") / "latency.json"


def kept_latencies() -> KeptLatencies:
    """What is kept; nothing where there is no file, or none that can be read."""
    try:
        return msgspec.json.decode(latency_path().read_bytes(), type=KeptLatencies)
    except (OSError, ValueError):
        return KeptLatencies()


def write_latencies(kept: KeptLatencies) -> None:
    """Keep it, whole or not at all.

    Raises:
        AutoLoopsError: it cannot be written.
    """
    path = latency_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    except OSError as error:
        raise AutoLoopsError(f"Cannot write {path} ({error.strerror or error}); use --latency instead.") from error


def port_latency_us(names: Iterable[str], latencies_ms: Mapping[str, float]) -> int:
    """How late a port is, in microseconds; 0 where nothing is known of it.

    Args:
        names: What the port is called, and what it is connected to.
        latencies_ms: By a port's name or part of it, its latency; the longest that fits counts.
    """
    called = [stable_name(name).casefold() for name in names]
    fitting = [word for word in latencies_ms if any(stable_name(word).casefold() in name for name in called)]
    return round(latencies_ms[max(fitting, key=len)] * US_PER_MS) if fitting else 0
