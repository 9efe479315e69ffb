"""Encodes what parts are to take up, on a thread of its own: neither the music nor who plays in waits for it."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autoloops_bridges.commands.loops import encode_loop
from autoloops_bridges.processes.parts import LoadedPart
from autoloops_bridges.processes.swap import PartLoop, loop_features
from autoloops_engine.codecs.registry import LoopSteps
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.inference.requests import encode
from autoloops_engine.session.ear import Phrase


class Encoded(NamedTuple):
    """A phrase as the part's model sees it; ``reason``: why it cannot be had."""

    phrase: Phrase
    z: list[float]
    reason: str = ""


class PhraseEncoder:
    """Answers one phrase after the other.

    Thread: ``submit`` and ``take`` are the owner's; ``wake`` is called from the encoder's.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._phrases: queue.SimpleQueue[tuple[Phrase, LoadedPart, Mapping[str, PartLoop]]] = queue.SimpleQueue()
        self._answers: deque[Encoded] = deque()
        threading.Thread(target=self._serve, name="phrases", daemon=True).start()

    def submit(self, phrase: Phrase, part: LoadedPart, loops: Mapping[str, PartLoop]) -> None:
        """Ask for the point of a phrase. Blocks: no.

        Args:
            phrase: What to encode.
            part: The part that is to play it.
            loops: What all parts play now, for models that play several.
        """
        self._phrases.put((phrase, part, loops))

    def take(self) -> list[Encoded]:
        """What became of the phrases since the last call. Blocks: no."""
        taken = []
        while self._answers:
            taken.append(self._answers.popleft())
        return taken

    def _serve(self) -> None:
        while True:
            phrase, part, loops = self._phrases.get()
            try:
                answer = Encoded(phrase, _encode(phrase, part, loops))
            except AutoLoopsError as error:
                answer = Encoded(phrase, [], str(error))
            except Exception as error:
                # A model or a file from elsewhere may break a library in any way.
                answer = Encoded(phrase, [], f"It cannot be encoded ({error!r}); {phrase.part} plays on.")
            self._answers.append(answer)
            self._wake()


def _encode(phrase: Phrase, part: LoadedPart, loops: Mapping[str, PartLoop]) -> list[float]:
    if phrase.path:
        posterior = encode_loop(part.model, Path(phrase.path).expanduser(), part.setup.space.output or phrase.part)
        return [float(x) for x in np.asarray(posterior.mu)]
    own = PartLoop(part.setup.codec, list[LoopSteps](phrase.bars))
    return encode(part.model, loop_features(part, phrase.part, {**loops, phrase.part: own}))
