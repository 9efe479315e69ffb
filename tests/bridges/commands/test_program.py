"""The program ``autoloops`` around its commands: help, plug-ins, what is missing, and how it leaves."""

import subprocess
import sys
from importlib.metadata import EntryPoint, version

import pytest
import typer
from tests.bridges.commands.running import Run

from autoloops_bridges import cli


def test_help_names_every_command(autoloops: Run) -> None:
    status, out, err = autoloops("--help")
    assert (status, err) == (0, "")
    for command in (*cli.COMMANDS, "data", "train"):
        assert f"  {command} " in out


def test_says_its_version(autoloops: Run) -> None:
    assert autoloops("--version") == (0, version("autoloops") + "\n", "")


def test_an_unknown_command_is_wrong_usage(autoloops: Run) -> None:
    status, _, err = autoloops("pley")
    assert status == 2
    assert "No such command 'pley'" in err


def test_a_broken_plug_in_is_a_remark(autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("x", "no_such_package:register", cli.ENTRY_POINT_GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken])
    status, out, err = autoloops("--help")
    assert status == 0
    assert "  play " in out
    assert err.count("\n") == 1
    assert "no_such_package:register are left out" in err


def test_our_commands_load_no_plug_in(autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(group: str) -> list[EntryPoint]:
        raise AssertionError(f"looked for {group}")

    monkeypatch.setattr("importlib.metadata.entry_points", refuse)
    monkeypatch.setattr("autoloops_engine.bundle.installed.installed_bundles", dict)
    assert autoloops("models")[0] == 0


def test_a_missing_extra_is_one_sentence(autoloops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(app: typer.Typer) -> None:
        @app.command()
        def train() -> None:
            raise ModuleNotFoundError("No module named 'torch'", name="torch.nn")

    monkeypatch.setattr(EntryPoint, "load", lambda self: register)
    status, _, err = autoloops("train")
    assert (status, err) == (
        1,
        "autoloops: This needs torch, which is not installed: run pip install 'autoloops[export]'.\n",
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied", "/etc/x"),
            "Cannot use /etc/x (Permission denied): choose another place.",
        ),
        (
            OSError(28, "No space left on device"),
            "The system refuses to go on (No space left on device): make room, or try again.",
        ),
    ],
)
def test_what_the_system_refuses_is_one_sentence(
    autoloops: Run, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def register(app: typer.Typer) -> None:
        @app.command()
        def train() -> None:
            raise error

    monkeypatch.setattr(EntryPoint, "load", lambda self: register)
    assert autoloops("train")[::2] == (1, f"autoloops: {said}\n")


def test_a_reader_that_goes_away_makes_no_noise() -> None:
    command = [sys.executable, "-m", "autoloops_bridges", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 1
