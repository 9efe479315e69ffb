"""The command line as the tests run it."""

from typing import Protocol


class Run(Protocol):
    """Runs a command line in this process; answers exit status, standard output, standard error."""

    def __call__(self, *words: str) -> tuple[object, str, str]: ...
