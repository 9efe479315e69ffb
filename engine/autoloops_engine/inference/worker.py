"""The thread that runs the models: one pending request per part, the latest wins."""

import dataclasses
import logging
import threading
from collections.abc import Callable

from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.requests import Decoded, DecodeRequest, Failed, decode

log = logging.getLogger(__name__)


class InferenceWorker:
    """Runs requests one after the other on a thread of its own.

    A request replaces the one of its part that still waits and keeps its place in the queue, so that no
    part starves another. Answers go to ``on_answer`` on the worker's thread: whatever goes wrong in a
    model arrives there as a :class:`Failed`.
    """

    def __init__(self, on_answer: Callable[[Decoded | Failed], None], clock_us: Callable[[], int]) -> None:
        """Prepares the worker; :meth:`start` starts its thread.

        Args:
            on_answer: Called once for each request that was not replaced; must not block.
            clock_us: Microseconds of a monotonic clock.
        """
        self._on_answer = on_answer
        self._clock_us = clock_us
        self._wake = threading.Condition()
        self._pending: dict[str, DecodeRequest] = {}
        self._decoders: dict[str, Decoder] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="inference", daemon=True)

    def start(self) -> None:
        """Starts the thread. Thread: any. Blocks: no."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the request that runs, if any; those that wait are dropped.

        Thread: any but the worker's. Blocks: for one decode.
        """
        with self._wake:
            self._stopping = True
            self._pending.clear()
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def use(self, part: str, decoder: Decoder) -> None:
        """Gives a part its model, from the next request on. Thread: any. Blocks: no."""
        with self._wake:
            self._decoders[part] = decoder

    def submit(self, request: DecodeRequest) -> None:
        """Asks for a bar. Thread: any. Blocks: no."""
        with self._wake:
            self._pending[request.part] = request
            self._wake.notify()

    def withdraw(self, part: str) -> None:
        """Drops the request of a part that still waits. Thread: any. Blocks: no."""
        with self._wake:
            self._pending.pop(part, None)

    def _serve(self) -> None:
        while True:
            with self._wake:
                while not self._pending and not self._stopping:
                    self._wake.wait()
                if self._stopping:
                    return
                part = next(iter(self._pending))
                request = self._pending.pop(part)
                decoder = self._decoders.get(part)
            answer = self._answer(decoder, request)
            try:
                self._on_answer(answer)
            except Exception:
                log.exception("The receiver of decoded bars failed; this bar is lost.")

    def _answer(self, decoder: Decoder | None, request: DecodeRequest) -> Decoded | Failed:
        if decoder is None:
            return Failed(request, f"The part {request.part} has no model.")
        began_us = self._clock_us()
        try:
            decoded = decode(decoder, request)
        except AutoLoopsError as error:
            return Failed(request, str(error))
        except Exception as error:
            # A decoder from elsewhere may raise anything; the music must go on.
            log.exception("The model of %s failed", request.part)
            return Failed(request, f"The model of {request.part} failed: {error!r}.")
        return dataclasses.replace(decoded, decode_us=self._clock_us() - began_us)
