"""``autoloops calibrate``: how late a MIDI output sounds, measured and kept."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from autoloops_bridges.commands import option_types as option
from autoloops_bridges.midi.apis import MidiApi
from autoloops_bridges.midi.names import NONE, VIRTUAL

_START_US: Final = 500_000
# Beside the wait for cables: for opening and closing ports, and for each click.
_PATIENCE_S: Final = 20.0
_CLICK_S: Final = 2.0


def calibrate(
    midi_out: Annotated[str, typer.Option(metavar="NAME|virtual", help="Port that plays the clicks.")] = VIRTUAL,
    midi_in: Annotated[
        str, typer.Option(metavar="NAME|virtual|none", help="Port where they come back, or where a pad is tapped.")
    ] = VIRTUAL,
    midi_api: option.MidiApi = None,
    clicks: Annotated[int, typer.Option(min=8, max=500, help="How many clicks.")] = 40,
    tap: Annotated[
        bool, typer.Option("--tap", help="Tap along by ear, on the space bar or a pad, instead of a loop.")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds in which to connect ports of our own first.")
    ] = 10.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure only; write nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last figure that was written back.")] = False,
) -> None:
    """Measure how late a MIDI output sounds, and keep it.

    Clicks go out of one port and come back in at another, by a cable or a device; or you tap along with what you hear.
    "autoloops play" sends that much earlier to this port from then on.
    """
    from autoloops_bridges.midi.latency import kept_latencies, latency_path, write_latencies

    kept = kept_latencies()
    if undo:
        write_latencies(kept.undone())
        typer.echo(f"The last change of {latency_path()} is taken back.")
        return
    with ended_after(_PATIENCE_S + wait + _CLICK_S * clicks):
        port, latency_ms, lines = _measure(midi_out, midi_in, midi_api, clicks, wait, tap=tap)
    for line in lines:
        typer.echo(line)
    if dry_run:
        typer.echo("Nothing was written.")
        return
    write_latencies(kept.changed(port, latency_ms))
    typer.echo(f"Written to {latency_path()}; autoloops calibrate --undo takes it back.")


@contextlib.contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """End the process, with a sentence, when what is done within takes longer: a driver may never answer."""

    def end() -> None:
        sys.stderr.write("autoloops: The MIDI system does not answer; restart it, or just try again.\n")
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _measure(
    midi_out: str, midi_in: str, midi_api: MidiApi | None, clicks: int, wait_s: float, *, tap: bool
) -> tuple[str, float, list[str]]:
    """The port's name, its latency in milliseconds, and the report.

    Raises:
        PortError: a port cannot be opened.
        WiringError: what came back is not what was sent.
    """
    from autoloops_bridges.calibrate import clicking, measuring, report
    from autoloops_bridges.clock import monotonic_us
    from autoloops_bridges.midi.ports import open_input, open_output
    from autoloops_engine.errors import PortError
    from autoloops_engine.units import US_PER_MS

    woken = threading.Event()
    sink, why_not = open_output(midi_api, midi_out, own="calibrate")
    if sink is None:
        raise PortError(" ".join(why_not) or "Clicks need a MIDI output; name one with --midi-out.")
    source, why_not = open_input(midi_api, midi_in, woken.set, own="calibrate")
    try:
        if source is None and midi_in != NONE:
            raise PortError(" ".join(why_not))
        clicker = clicking.Clicker(sink, source, woken)
        clicker.wait_for_cables(wait_s)
        if tap:
            typer.echo("Tap the space bar or a pad with each click; the first four give the tempo.")
            sent = measuring.tap_clicks(clicks, monotonic_us() + _START_US)
            heard, taps_us = clicking.with_keyboard(lambda: clicker.play(sent))
            found = measuring.measure_taps(sent, sorted([*taps_us, *(click.at_us for click in heard)]))
        else:
            sent = measuring.loop_clicks(clicks, monotonic_us() + _START_US)
            found = measuring.measure_loop(sent, clicker.play(sent))
        port = VIRTUAL if midi_out == VIRTUAL else next(iter(sink.cables), sink.again)
        return port, found.latency_us / US_PER_MS, report.report_lines(port, found)
    finally:
        sink.close()
        if source is not None:
            source.close()
