"""A command line in this process, and what it would launch."""

import sys
from types import SimpleNamespace

import pytest
from tests.bridges.commands.running import Run

from autoloops_bridges import cli
from autoloops_bridges.processes.options import PlayOptions


@pytest.fixture
def autoloops(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return run


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[PlayOptions]:
    """What ``play`` would have launched."""
    options: list[PlayOptions] = []

    def launch(asked: PlayOptions) -> int:
        options.append(asked)
        return 0

    monkeypatch.setitem(sys.modules, "autoloops_bridges.processes.launcher", SimpleNamespace(launch=launch))
    return options
