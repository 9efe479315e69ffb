"""``autoloops doctor``: what stands between this machine and a performance, and what to do about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from autoloops_bridges.commands.words import read_parts
from autoloops_bridges.midi.apis import MidiApi
from autoloops_bridges.processes.options import DEFAULT_OSC_PORT

if TYPE_CHECKING:
    from autoloops_bridges.doctor.finding import Finding

_INDENT: Final = " " * 6


def doctor(
    send_test_bar: Annotated[
        str, typer.Option(metavar="PORT", help="Also play a bar of notes to this MIDI port.")
    ] = "",
    midi_api: Annotated[MidiApi | None, typer.Option(help="MIDI system of that port.")] = None,
    osc_host: Annotated[str, typer.Option(help="Address on which play is to listen.")] = "127.0.0.1",
    osc_port: Annotated[int, typer.Option(min=1, max=65_535, help="UDP port.")] = DEFAULT_OSC_PORT,
    rig: Annotated[
        Path | None, typer.Option("--rig", "--map", metavar="FILE", help="Also check this rig file.")
    ] = None,
    parts: Annotated[
        str, typer.Option(help="The parts that play with it. [default: those that it names, else the usual ones]")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for what could go wrong on stage; takes about three seconds.

    Each finding is ok, a warning (it plays, less well than it could) or a failure, with what to do about it.
    Exit status 0 when nothing failed, 1 otherwise.
    """
    names = read_parts(parts) if parts else ()

    from autoloops_bridges.doctor.checks import examine
    from autoloops_bridges.doctor.finding import exit_status
    from autoloops_bridges.doctor.probes import this_machine

    findings = examine(this_machine(), osc_host, osc_port, rig_path=rig, parts=names)
    if send_test_bar:
        findings.append(_test_bar(midi_api, send_test_bar))
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            typer.echo(_shown(finding))
    raise typer.Exit(exit_status(findings))


def _test_bar(midi_api: MidiApi | None, port: str) -> "Finding":
    from autoloops_bridges.clock import monotonic_us
    from autoloops_bridges.doctor import testbar
    from autoloops_bridges.midi.ports import open_output

    return testbar.send_test_bar(lambda: open_output(midi_api, port), port, monotonic_us)


def _shown(finding: "Finding") -> str:
    line = f"{finding.verdict.value:<4}  {finding.name}: {finding.says}"
    return f"{line}\n{_INDENT}{finding.todo}" if finding.todo else line
