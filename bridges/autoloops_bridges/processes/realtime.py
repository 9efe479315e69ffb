"""Real-time priority for the thread that keeps time, as far as the system grants it.

Linux: SCHED_FIFO, so that no ordinary work delays a note (sched(7)), with a limit on how long the process may keep a
processor without ever waiting (RLIMIT_RTTIME, getrlimit(2)), so that a mistake cannot freeze the machine; memory is
locked as it is touched (mlockall(2)), and timers are not rounded (PR_SET_TIMERSLACK, prctl(2)). macOS: the
time-constraint policy, which withdraws itself from a thread that overruns (mach/thread_policy.h). Windows: the
Multimedia Class Scheduler's task "Pro Audio" and a timer of 1 ms (avrt.h, timeapi.h).

What cannot be had is no reason to stop: nothing here raises.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NamedTuple

# Below JACK's own threads, which have 60 and more by default, and above everything that is not audio.
PRIORITY: Final = 50
# Longest stretch without waiting: then back to normal priority, and if that changes nothing, the end of the process.
LONGEST_US: Final = 500_000
FATAL_US: Final = 2_000_000

_PR_SET_TIMERSLACK: Final = 29
_SLACK_NS: Final = 1
_MCL_CURRENT_FUTURE_ONFAULT: Final = 1 | 2 | 4
# Period, computation and constraint of the time-constraint policy.
_PERIOD_MS: Final = 5
_COMPUTATION_MS: Final = 1
_CONSTRAINT_MS: Final = 2
_TIME_CONSTRAINT_POLICY: Final = 2
_TIME_CONSTRAINT_COUNT: Final = 4
_AVRT_PRIORITY_CRITICAL: Final = 2

_HOW_ON_LINUX: Final = (
    "put `@audio - rtprio 95` and `@audio - memlock unlimited` into /etc/security/limits.d/audio.conf, "
    "run `sudo usermod -aG audio $USER` and log in again"
)
_HOW_AS_ROOT: Final = "in a container, start it with `--cap-add sys_nice --ulimit rtprio=95`"

Load = Callable[[str], Any]


class RealTime(NamedTuple):
    """What the timing thread got.

    Attributes:
        granted: Whether it runs before all ordinary work.
        remark: One sentence that says what it got and how to get more.
    """

    granted: bool
    remark: str


def claim_realtime(platform: str = sys.platform, load: Load = ctypes.CDLL) -> RealTime:
    """Ask the system to run the calling thread in real time; its later threads and children run as usual.

    Thread: the one that keeps time, which should be the process's main one. Blocks: no.

    Args:
        platform: ``sys.platform``.
        load: Loads a system library by its name.
    """
    try:
        if platform == "win32":
            return _on_windows(load)
        if platform == "darwin":
            return _on_macos(load)
        if platform.startswith("linux"):
            return _on_linux(load)
    except (OSError, AttributeError, ValueError, ImportError) as error:
        return RealTime(False, f"Timing thread: normal priority; asking for more failed ({error}).")
    return RealTime(False, f"Timing thread: normal priority; nothing better is known for {platform}.")


# -- Linux -----------------------------------------------------------------------------------------------------------


def _on_linux(load: Load) -> RealTime:
    library = load("libc.so.6")
    library.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_SLACK_NS), *[ctypes.c_ulong(0)] * 3)
    priority = _claim_fifo()
    if not priority:
        how = _HOW_AS_ROOT if os.geteuid() == 0 else _HOW_ON_LINUX
        return RealTime(False, f"Timing thread: normal priority, notes may be some ms late under load; {how}.")
    locked = library.mlockall(_MCL_CURRENT_FUTURE_ONFAULT) == 0
    memory = "memory locked" if locked else f"memory not locked; for that, {_HOW_ON_LINUX}"
    return RealTime(True, f"Timing thread: real-time priority (SCHED_FIFO {priority}), {memory}.")


def _claim_fifo() -> int:
    """The real-time priority that the thread has now: 50, or the most that the limits allow, or 0."""
    if sys.platform != "linux":
        return 0
    import resource

    _limit_stretches()
    _, most = resource.getrlimit(resource.RLIMIT_RTPRIO)
    for priority in dict.fromkeys((PRIORITY, min(PRIORITY, most))):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
            return priority
    return 0


def _limit_stretches() -> None:
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    fatal = FATAL_US if hard == resource.RLIM_INFINITY else min(FATAL_US, hard)
    resource.setrlimit(resource.RLIMIT_RTTIME, (min(LONGEST_US, fatal), fatal))
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGXCPU, _back_to_normal)


def _back_to_normal(number: int, frame: FrameType | None) -> None:
    """Give real-time priority back after a stretch that was too long: late notes are better than a frozen machine."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


# -- macOS -----------------------------------------------------------------------------------------------------------


class _Timebase(ctypes.Structure):
    _fields_ = (("numer", ctypes.c_uint32), ("denom", ctypes.c_uint32))


def _on_macos(load: Load) -> RealTime:
    library = load("/usr/lib/libSystem.B.dylib")
    timebase = _Timebase(1, 1)
    library.mach_timebase_info(ctypes.byref(timebase))
    ticks_per_ms = 1_000_000 * timebase.denom // timebase.numer
    times_ms = (_PERIOD_MS, _COMPUTATION_MS, _CONSTRAINT_MS)
    policy = (ctypes.c_uint32 * _TIME_CONSTRAINT_COUNT)(*(ticks_per_ms * time_ms for time_ms in times_ms), 1)
    library.pthread_self.restype = ctypes.c_void_p
    library.pthread_mach_thread_np.argtypes = (ctypes.c_void_p,)
    library.pthread_mach_thread_np.restype = ctypes.c_uint32
    thread = library.pthread_mach_thread_np(library.pthread_self())
    status = library.thread_policy_set(thread, _TIME_CONSTRAINT_POLICY, ctypes.byref(policy), _TIME_CONSTRAINT_COUNT)
    if status != 0:
        return RealTime(False, f"Timing thread: normal priority; macOS refused the time-constraint policy ({status}).")
    return RealTime(True, "Timing thread: real-time priority (time-constraint policy).")


# -- Windows ---------------------------------------------------------------------------------------------------------


def _on_windows(load: Load) -> RealTime:
    timer = load("winmm").timeBeginPeriod(1) == 0
    scheduler = load("avrt")
    scheduler.AvSetMmThreadCharacteristicsW.restype = ctypes.c_void_p
    scheduler.AvSetMmThreadCharacteristicsW.argtypes = (ctypes.c_wchar_p, ctypes.POINTER(ctypes.c_uint32))
    scheduler.AvSetMmThreadPriority.argtypes = (ctypes.c_void_p, ctypes.c_int)
    task = ctypes.c_uint32(0)
    handle = scheduler.AvSetMmThreadCharacteristicsW("Pro Audio", ctypes.byref(task))
    precision = "a timer of 1 ms" if timer else "the system's coarse timer"
    if not handle:
        return RealTime(
            False,
            f"Timing thread: normal priority and {precision}; "
            "start the service Multimedia Class Scheduler (MMCSS) to get more.",
        )
    scheduler.AvSetMmThreadPriority(handle, _AVRT_PRIORITY_CRITICAL)
    return RealTime(True, f"Timing thread: real-time priority (MMCSS Pro Audio) and {precision}.")
