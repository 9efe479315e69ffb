"""``autoloops presets``: the mappings of common controllers that come with AutoLoops."""

from typing import Annotated

import typer

from autoloops_bridges.control.preset_files import preset_names, preset_text


def presets(name: Annotated[str, typer.Argument(help="Show this one whole. [default: list them]")] = "") -> None:
    """List the mappings of common controllers, or show one.

    A rig file uses one with a line such as preset = "nanokontrol2" under [ports.NAME].
    """
    if name:
        text = preset_text(name)
        if text is None:
            raise typer.BadParameter(
                f"There is no preset {name!r}; there are {', '.join(preset_names())}.", param_hint="NAME"
            )
        typer.echo(text.rstrip())
        return
    width = max(len(each) for each in preset_names())
    for each in preset_names():
        typer.echo(f"{each:<{width}}  {(preset_text(each) or '').splitlines()[0].lstrip('# ')}")
