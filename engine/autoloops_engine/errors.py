"""What can go wrong, by who has to act.

::

    AutoLoopsError
    ├── UsageError     the caller asked for something that makes no sense
    ├── BundleError    a model bundle is missing, damaged, too new or unsafe
    ├── ModelError     a model could not be run
    ├── MusicError     a MIDI file holds nothing that can be encoded
    └── PortError      a MIDI, JACK or network port cannot be had

Each message is one sentence that says what happened and what to do.
"""


class AutoLoopsError(Exception):
    """The root of everything AutoLoops raises on purpose."""


class UsageError(AutoLoopsError):
    """The caller asked for something that makes no sense."""


class BundleError(AutoLoopsError):
    """A model bundle is missing, damaged, too new or unsafe."""


class ModelError(AutoLoopsError):
    """A model could not be run."""


class MusicError(AutoLoopsError):
    """A MIDI file holds nothing that can be encoded."""


class PortError(AutoLoopsError):
    """A MIDI, JACK or network port cannot be had."""
