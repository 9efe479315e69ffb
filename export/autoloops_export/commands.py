"""The entry point of the group ``autoloops.commands``: adds this package's commands to the command line.

torch and symusic are imported inside the commands, so that help and completion stay quick.
"""

import typer

from autoloops_export.cli import data, export, train


def register(app: typer.Typer) -> None:
    """Add the commands of the model workshop to ``app``."""
    data.add(app)
    train.add(app)
    export.add(app)
