"""``autoloops ports``: the MIDI ports to play to and to be controlled from."""

import typer


def ports() -> None:
    """List the MIDI ports of this machine."""
    from autoloops_bridges.midi.apis import api_title
    from autoloops_bridges.midi.ports import list_ports

    for listed in list_ports():
        title = api_title(listed.api)
        if listed.remark:
            typer.echo(f"{title}: {listed.remark}")
            continue
        for direction, option, names in (("out", "--midi-out", listed.outputs), ("in", "--midi-in", listed.inputs)):
            if not names:
                typer.echo(f"{title} {direction}: none")
            for name in names:
                typer.echo(f"{title} {direction}: {name}    ({option} {_quoted(name)})")


def _quoted(name: str) -> str:
    """The name as a shell takes it."""
    return f'"{name}"' if set(name) & set(" ()&;:'") else name
