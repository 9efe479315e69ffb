"""Real-time priority: what each system grants is claimed and said, and what it refuses stops nobody."""

import ctypes
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from autoloops_bridges.processes.realtime import claim_realtime

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")

CLAIM = """
import ctypes, json, os, resource, sys, threading
from autoloops_bridges.processes.realtime import claim_realtime
{before}
claimed = claim_realtime()
policies = []
def look(): policies.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
look()
other = threading.Thread(target=look)
other.start()
other.join()
print(json.dumps([claimed.granted, claimed.remark, *policies, resource.getrlimit(resource.RLIMIT_RTTIME)]))
{after}
"""
AS_NOBODY = "os.setgroups([]); os.setgid(65534); os.setuid(65534)"


def claimed_in_child(before: str = "", after: str = "") -> tuple[list[Any], int]:
    """What a process of its own got, and its exit status."""
    code = CLAIM.format(before=before, after=after)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def rights_or_skip() -> list[Any]:
    found, _ = claimed_in_child()
    if not found[0]:
        pytest.skip(f"This machine grants no real-time priority: {found[1]}")
    return found


@on_linux
def test_the_thread_gets_fifo_and_its_later_threads_do_not() -> None:
    granted, remark, own, later, limits = rights_or_skip()
    assert granted
    assert own == os.SCHED_FIFO
    assert later == os.SCHED_OTHER
    assert "SCHED_FIFO 50" in remark
    assert 0 < limits[0] < limits[1] <= 2_000_000


@on_linux
def test_without_rights_it_says_how_to_get_them_and_goes_on() -> None:
    before = "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
    before += AS_NOBODY if os.geteuid() == 0 else ""
    (granted, remark, own, _, _), status = claimed_in_child(before)
    assert status == 0
    assert not granted
    assert own == os.SCHED_OTHER
    assert "limits.d" in remark
    assert "rtprio" in remark


@on_linux
def test_a_lower_limit_is_used_to_the_full(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    asked = []

    def set_scheduler(pid: int, policy: int, param: os.sched_param) -> None:
        asked.append(param.sched_priority)
        if param.sched_priority > 20:
            raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", set_scheduler)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (0, 20))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: None)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    claimed = claim_realtime(load=lambda name: FakeLibrary(mlockall=-1))
    assert claimed.granted
    assert asked == [50, 20]
    assert "SCHED_FIFO 20" in claimed.remark
    assert "memory not locked" in claimed.remark


@on_linux
def test_a_loop_that_never_waits_loses_the_priority_before_it_can_freeze_the_machine() -> None:
    rights_or_skip()
    spin = "while os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO: pass"
    _, status = claimed_in_child(after=spin)
    assert status == 0


class FakeLibrary:
    """Answers every call with what is given for it, 0 otherwise, and remembers the calls."""

    def __init__(self, **answers: int) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._answers = answers
        self._functions: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in self._functions:

            class Function(SimpleNamespace):
                def __call__(function, *arguments: Any) -> int:
                    self.calls.append((name, arguments))
                    return self._answers.get(name, 0)

            self._functions[name] = Function()
        return self._functions[name]


def test_macos_gets_the_time_constraint_policy() -> None:
    library = FakeLibrary(pthread_mach_thread_np=7)
    claimed = claim_realtime("darwin", lambda name: library)
    assert claimed.granted
    assert "time-constraint" in claimed.remark
    (thread, flavour, _, count) = dict(library.calls)["thread_policy_set"]
    assert (thread, flavour, count) == (7, 2, 4)


def test_macos_refusing_is_said() -> None:
    claimed = claim_realtime("darwin", lambda name: FakeLibrary(thread_policy_set=46))
    assert not claimed.granted
    assert "46" in claimed.remark


@pytest.mark.parametrize("handle", [0, 99])
def test_windows_asks_for_pro_audio_and_a_fine_timer(handle: int) -> None:
    libraries = {"winmm": FakeLibrary(), "avrt": FakeLibrary(AvSetMmThreadCharacteristicsW=handle)}
    claimed = claim_realtime("win32", lambda name: libraries[name])
    assert claimed.granted == bool(handle)
    assert "1 ms" in claimed.remark
    assert ("timeBeginPeriod", (1,)) in libraries["winmm"].calls
    asked = [arguments[0] for name, arguments in libraries["avrt"].calls if name == "AvSetMmThreadCharacteristicsW"]
    assert asked == ["Pro Audio"]
    assert bool(handle) == any(name == "AvSetMmThreadPriority" for name, _ in libraries["avrt"].calls)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "freebsd14"])
def test_a_system_without_the_library_is_no_reason_to_stop(platform: str) -> None:
    def load(name: str) -> ctypes.CDLL:
        raise OSError(f"{name} is not there")

    claimed = claim_realtime(platform, load)
    assert not claimed.granted
    assert claimed.remark.startswith("Timing thread: normal priority")
