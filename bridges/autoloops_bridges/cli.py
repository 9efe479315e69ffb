"""The command line ``autoloops``.

Only what the asked command needs is imported: our commands are modules of :mod:`autoloops_bridges.commands`, found by
name; commands of other packages come in through the entry-point group ``autoloops.commands`` and are loaded only for
help and for words that are not ours. Each such entry point is a function that takes the :class:`typer.Typer` to add to.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from autoloops_bridges.commands.words import repeat_options
from autoloops_engine.errors import AutoLoopsError, UsageError

COMMANDS: Final = (
    "play",
    "render",
    "replay",
    "sessions",
    "slots",
    "sequence",
    "interpolate",
    "encode",
    "send",
    "learn",
    "ports",
    "calibrate",
    "doctor",
    "bench",
    "models",
    "presets",
)
# Options that take several values, behind one another or each with the option's name.
REPEATABLE: Final = ("--channel", "--latency", "--model", "--osc-send")
ENTRY_POINT_GROUP: Final = "autoloops.commands"
# Modules that only an extra installs, by the extra's name.
EXTRA_OF_MODULE: Final = {
    "jack": "jack",
    "link": "link",
    "onnx": "export",
    "onnxscript": "export",
    "rtmidi": "midi",
    "safetensors": "export",
    "symusic": "export",
    "tensorboard": "export",
    "torch": "export",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process.

    Args:
        arguments: The words after the program's name; None takes those of the process.

    Raises:
        SystemExit: always; 0 for success, 2 for wrong usage, 1 for any other failure.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in ("play", "render", "replay"):
        words = repeat_options(words, REPEATABLE)
    status: object = 1
    try:
        build_app(words)(words, prog_name="autoloops")
    except SystemExit as end:
        status = end.code
    except AutoLoopsError as error:
        typer.echo(f"autoloops: {error}", err=True)
        status = 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        typer.echo(f"autoloops: {_explain_missing(error)}", err=True)
    except OSError as error:
        typer.echo(f"autoloops: {_explain_refused(error)}", err=True)
    except KeyboardInterrupt:
        status = 130
    raise SystemExit(status if _flush() else 1)


def build_app(words: Sequence[str] = ()) -> typer.Typer:
    """The application with the commands that ``words`` can ask for; all of them where that is not plain."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    asked = words[0] if words else ""
    for name in [asked] if asked in COMMANDS else COMMANDS:
        command = getattr(importlib.import_module(f"autoloops_bridges.commands.{name}"), name)
        settings = {"ignore_unknown_options": True} if name in ("send", "learn") else {}
        app.command(name, context_settings=settings)(command)
    if asked not in COMMANDS and asked != "--version":
        _add_foreign_commands(app)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("autoloops"))
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """A neural loop player to perform with, over OSC and MIDI."""


def _add_foreign_commands(app: typer.Typer) -> None:
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            entry.load()(app)
        except Exception as error:
            # Whatever a foreign package does, our own commands go on working.
            reason = _explain_missing(error) if isinstance(error, ModuleNotFoundError) else f"{error}"
            typer.echo(f"autoloops: the commands of {entry.value} are left out: {reason}", err=True)


def _explain_missing(error: ModuleNotFoundError) -> str:
    """One sentence on a module that is not there."""
    module = (error.name or "").partition(".")[0]
    if extra := EXTRA_OF_MODULE.get(module):
        return f"This needs {module}, which is not installed: run pip install 'autoloops[{extra}]'."
    return f"The module {module!r} is missing: install autoloops again."


def _explain_refused(error: OSError) -> str:
    """One sentence on what the system would not do."""
    reason = error.strerror or error
    if error.filename is None:
        return f"The system refuses to go on ({reason}): make room, or try again."
    return f"Cannot use {error.filename} ({reason}): choose another place."


def _flush() -> bool:
    """Whether all output could be written; a reader that went away is no reason for noise at exit."""
    try:
        sys.stdout.flush()
        return True
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
