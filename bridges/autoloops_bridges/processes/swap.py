"""Loads another model for a part while the music plays, on a thread of its own."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from autoloops_bridges.processes.parts import LoadedPart, load_part
from autoloops_engine.bundle.installed import find_bundle
from autoloops_engine.codecs.registry import Codec, LoopSteps
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.inference.requests import encode
from autoloops_engine.latent import point_at


class Wish(NamedTuple):
    """A part's new model and what it plays now.

    Attributes:
        part: Name of the part.
        channel: Its MIDI channel.
        bundle: Name or path of the bundle.
        codec: What the steps mean.
        steps: Its loop as it last sounded, bar after bar.
    """

    part: str
    channel: int
    bundle: str
    codec: Codec
    steps: list[LoopSteps]


class Granted(NamedTuple):
    """The model is ready.

    Attributes:
        part: The part with it.
        z: The loop as it encodes it; None when it speaks of other things than the old one.
    """

    part: LoadedPart
    z: list[float] | None


class Denied(NamedTuple):
    """The model cannot be had; the part keeps its old one."""

    part: str
    reason: str


class ModelLoader:
    """Answers wishes one after the other.

    Thread: ``wish`` and ``take`` are the owner's; ``wake`` is called from the loader's.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._wishes: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._answers: deque[Granted | Denied] = deque()
        threading.Thread(target=self._serve, name="models", daemon=True).start()

    def wish(self, wish: Wish) -> None:
        """Ask for a model. Blocks: no."""
        self._wishes.put(wish)

    def take(self) -> list[Granted | Denied]:
        """What became of the wishes since the last call. Blocks: no."""
        taken = []
        while self._answers:
            taken.append(self._answers.popleft())
        return taken

    def _serve(self) -> None:
        while True:
            self._answers.append(_grant(self._wishes.get()))
            self._wake()


def _grant(wish: Wish) -> Granted | Denied:
    try:
        part = load_part(wish.part, wish.channel, str(find_bundle(wish.bundle)))
        if part.setup.codec.name != wish.codec.name or not wish.steps:
            return Granted(part, None)
        features = np.concatenate([wish.codec.features(steps) for steps in wish.steps])
        wanted = part.decoder.manifest.bars * part.decoder.manifest.steps_per_bar
        looped = np.resize(features, (wanted, features.shape[1]))
        z = encode(part.decoder, looped)
        # What no latent point can be is found here and not where the music is made.
        point_at(part.setup.space, z)
        return Granted(part, z)
    except AutoLoopsError as error:
        return Denied(wish.part, str(error))
    except Exception as error:
        # A bundle from elsewhere may break a library in any way; the old model plays on.
        return Denied(wish.part, f"The bundle {wish.bundle} cannot be used ({error!r}); the old model plays on.")
