"""Loads another model for a part while the music plays, on a thread of its own."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from autoloops_bridges.processes.parts import LoadedPart, load_part
from autoloops_engine.bundle.installed import find_bundle, split_reference
from autoloops_engine.codecs.registry import Codec, LoopSteps
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.inference.decoder import Floats
from autoloops_engine.inference.requests import encode
from autoloops_engine.inference.views import join_features
from autoloops_engine.latent import point_at


class PartLoop(NamedTuple):
    """A part's loop as it last sounded.

    Attributes:
        codec: What the steps mean.
        steps: Bar after bar, as far as they are known.
    """

    codec: Codec
    steps: list[LoopSteps]


class Wish(NamedTuple):
    """A model for a part, and what is played at the moment.

    Attributes:
        part: Name of the part.
        channel: Its MIDI channel.
        bundle: Name or path of the bundle, and after ``#`` the output that is to play.
        loops: The loops of all parts; one that is not among them is to join in.
        loaded: The parts whose models can be shared.
        port: The port of the rig file that one is to play to that joins in.
    """

    part: str
    channel: int
    bundle: str
    loops: Mapping[str, PartLoop]
    loaded: Sequence[LoadedPart] = ()
    port: str = ""


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
        last: LoadedPart | None = None
        while True:
            wish = self._wishes.get()
            # What was granted a moment ago may be on its way: a bundle that several parts ask for is loaded once.
            loaded = (*wish.loaded, last) if last is not None else wish.loaded
            answer = _grant(wish._replace(loaded=loaded))
            last = answer.part if isinstance(answer, Granted) else last
            self._answers.append(answer)
            self._wake()


def _grant(wish: Wish) -> Granted | Denied:
    try:
        bundle, output = split_reference(wish.bundle)
        reference = f"{find_bundle(bundle)}#{output}" if output else str(find_bundle(bundle))
        own = wish.loops.get(wish.part)
        codec = None if own is None else own.codec
        part = load_part(wish.part, wish.channel, reference, codec=codec, loaded=wish.loaded, port=wish.port)
        if own is None or part.setup.codec.name != own.codec.name or not own.steps:
            return Granted(part, None)
        z = encode(part.model, loop_features(part, wish.part, wish.loops))
        # What no latent point can be is found here and not where the music is made.
        point_at(part.setup.space, z)
        return Granted(part, z)
    except AutoLoopsError as error:
        return Denied(wish.part, str(error))
    except Exception as error:
        # A bundle from elsewhere may break a library in any way; what plays plays on.
        left = "the old model plays on" if wish.part in wish.loops else f"{wish.part} does not join in"
        return Denied(wish.part, f"The bundle {wish.bundle} cannot be used ({error!r}); {left}.")


def loop_features(part: LoadedPart, name: str, loops: Mapping[str, PartLoop]) -> Floats:
    """What the encoder reads: the loop of the part called ``name``, beside those of the model's other parts."""
    manifest = part.model.manifest
    played_by = {output.part: output.part for output in manifest.outputs}
    played_by[part.setup.space.output or manifest.outputs[0].part] = name
    known: dict[str, Floats] = {}
    for output in manifest.outputs:
        loop = loops.get(played_by[output.part])
        if loop is not None and loop.steps and loop.codec.name == output.codec:
            features = np.concatenate([loop.codec.features(steps) for steps in loop.steps])
            size = (1, manifest.bars * manifest.steps_per_bar, features.shape[1])
            known[output.part] = np.resize(features, size).astype(np.float32)
    looped: Floats = join_features(manifest, known)[0]
    return looped
