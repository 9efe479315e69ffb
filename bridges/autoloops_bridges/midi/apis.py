"""The MIDI systems of each platform, and one sentence for each way in which one is missing. Pure."""

from typing import Final, Literal

from autoloops_engine.errors import UsageError

MidiApi = Literal["alsa", "jack", "coremidi", "winmm"]

ALSA: Final = "alsa"
JACK: Final = "jack"
COREMIDI: Final = "coremidi"
WINMM: Final = "winmm"

ALSA_SEQUENCER: Final = "/dev/snd/seq"

_TITLES: Final = {ALSA: "ALSA", JACK: "JACK", COREMIDI: "CoreMIDI", WINMM: "WinMM"}
_BY_PLATFORM: Final = {"darwin": (COREMIDI, JACK), "win32": (WINMM,)}
_ELSEWHERE: Final = (ALSA, JACK)

QUANTISED: Final = (
    "Notes through JACK start at period boundaries only; `pip install JACK-Client` makes them accurate to the sample."
)


def api_title(api: str) -> str:
    """The name of ``api`` as its makers write it."""
    return _TITLES[api]


def candidates(platform: str, api: str | None) -> tuple[str, ...]:
    """The systems to try, in order.

    Args:
        platform: ``sys.platform``.
        api: The only one wanted; none: all of the platform.

    Raises:
        UsageError: there is no such system.
    """
    if api is None:
        return _BY_PLATFORM.get(platform, _ELSEWHERE)
    if api.lower() not in _TITLES:
        raise UsageError(f"--midi-api must be one of {', '.join(_TITLES)}, not {api!r}.")
    return (api.lower(),)


def rtmidi_missing(error: ImportError, platform: str) -> str:
    """What to install when ``import rtmidi`` failed with ``error``."""
    if "libasound" in str(error):
        return "python-rtmidi lacks ALSA's library; run `sudo apt install libasound2` (libasound2t64 on newer systems)."
    if isinstance(error, ModuleNotFoundError):
        sentence = "MIDI ports need python-rtmidi, which is not installed; run `pip install 'autoloops[midi]'`"
        if platform.startswith("linux"):
            sentence += (
                " (where it has no wheel, after `sudo apt install build-essential libasound2-dev libjack-jackd2-dev`)"
            )
        return sentence + "."
    return f"python-rtmidi cannot be loaded ({error}); reinstall it with `pip install --force-reinstall python-rtmidi`."


def jack_server_files(server: str) -> str:
    """Pattern of the files in shared memory that a JACK server of this name has while it runs."""
    return f"/dev/shm/jack_{server}_*"
