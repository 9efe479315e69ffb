"""What the benchmarks share: engines, JACK servers, figures and tables."""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

_PORT = re.compile(r"OSC: listening on [^ ]*:(\d+)\.")


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", default="melody-2bar", help="the melody's bundle, a name or a path")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    return parser


class Engine:
    """A running ``autoloops play``."""

    def __init__(self, process: subprocess.Popen[str], osc_port: int, said: list[str]) -> None:
        self.process = process
        self.osc_port = osc_port
        self.said = said

    def finish(self, timeout_s: float) -> list[str]:
        """Wait for its end; what it printed."""
        out, _ = self.process.communicate(timeout=timeout_s)
        return [*self.said, *out.splitlines()]


@contextmanager
def engine(*options: str, environment: Mapping[str, str] | None = None) -> Iterator[Engine]:
    """``autoloops play`` on a free OSC port, ended with SIGTERM if it still plays."""
    command = [sys.executable, "-m", "autoloops_bridges", "play", "--plain", "--osc-port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(environment or {})}
    )
    assert process.stdout is not None
    said: list[str] = []
    port = None
    try:
        while port is None:
            line = process.stdout.readline()
            if not line:
                raise SystemExit("The engine did not start: " + "".join(said))
            said.append(line.rstrip())
            found = _PORT.search(line)
            port = int(found[1]) if found else None
        yield Engine(process, port, said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
        process.stdout.close()


@contextmanager
def jack_server(frames: int = 128, rate_hz: int = 48_000) -> Iterator[dict[str, str]]:
    """A real-time JACK server with the dummy driver; yields the environment that leads clients to it."""
    if shutil.which("jackd") is None:
        raise SystemExit("This benchmark needs jackd (Debian: jackd2).")
    name = f"autoloops-bench-{os.getpid()}"
    environment = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    os.environ.update(environment)
    command = ["jackd", "-R", "-P", "60", "-n", name, "-p", "256", "-d", "dummy", "-r", str(rate_hz), "-p", str(frames)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        waiting = ["jack_wait", "-s", name, "-w", "-t", "10"]
        if subprocess.run(waiting, check=False, stdout=subprocess.DEVNULL).returncode != 0:
            raise SystemExit("No JACK server can be started in real time here; try jackd by hand, it says why.")
        yield environment
    finally:
        server.terminate()
        server.wait(timeout=10)


def spread(samples: Sequence[float]) -> dict[str, float]:
    """Median, tails and extreme of some samples."""
    array = np.asarray(samples, dtype=np.float64)
    p50, p99, p999 = np.percentile(array, [50, 99, 99.9])
    return {"count": float(array.size), "p50": p50, "p99": p99, "p99.9": p999, "max": float(array.max())}


def show(title: str, rows: Mapping[str, Mapping[str, float | str]], json_path: Path | None) -> None:
    """Print figures as a table, a row each, and write them as JSON if asked to."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    table = Table(title=title)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        cells = [row.get(column, "") for column in columns]
        table.add_row(
            name, *(cell if isinstance(cell, str) else f"{cell:,.3f}".rstrip("0").rstrip(".") for cell in cells)
        )
    Console(width=140).print(table)
    if json_path is not None:
        json_path.write_text(json.dumps({title: rows}, indent=2))
