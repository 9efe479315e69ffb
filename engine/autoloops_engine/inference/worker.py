"""The thread that runs the models: one pending request per part, the latest wins; searches while no bar waits."""

import dataclasses
import logging
import threading
from collections.abc import Callable, Generator

from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.inference.decoder import Decoder
from autoloops_engine.inference.levers import Found, Levers, SearchRequest
from autoloops_engine.inference.requests import Decoded, DecodeRequest, Failed, decode
from autoloops_engine.inference.search import search

log = logging.getLogger(__name__)


class InferenceWorker:
    """Runs requests one after the other on a thread of its own.

    A request replaces the one of its part that still waits and keeps its place in the queue, so that no
    part starves another. Searches run while no bar waits, a run of the model at a time. Answers go to
    ``on_answer`` and ``on_found`` on the worker's thread: whatever goes wrong in a model arrives there as a
    :class:`Failed`, or as a :class:`Found` with nothing.
    """

    def __init__(
        self,
        on_answer: Callable[[Decoded | Failed], None],
        clock_us: Callable[[], int],
        on_found: Callable[[Found], None] = lambda found: None,
    ) -> None:
        """Prepares the worker; :meth:`start` starts its thread.

        Args:
            on_answer: Called once for each request that was not replaced; must not block.
            clock_us: Microseconds of a monotonic clock.
            on_found: The same for searches.
        """
        self._on_found = on_found
        self._on_answer = on_answer
        self._clock_us = clock_us
        self._wake = threading.Condition()
        self._pending: dict[str, DecodeRequest] = {}
        self._searches: dict[str, SearchRequest] = {}
        self._running: _Running | None = None
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

    def search(self, request: SearchRequest) -> None:
        """Asks to make faders honest; replaces what the part still waits for. Thread: any. Blocks: no."""
        with self._wake:
            self._searches[request.part] = request
            self._wake.notify()

    def release(self, part: str) -> None:
        """Forgets a part that is gone, and what it still waits for. Thread: any. Blocks: no."""
        self.withdraw(part)
        with self._wake:
            self._decoders.pop(part, None)

    def withdraw(self, part: str) -> None:
        """Drops the requests of a part that still wait. Thread: any. Blocks: no."""
        with self._wake:
            self._pending.pop(part, None)
            self._searches.pop(part, None)

    def _serve(self) -> None:
        while True:
            with self._wake:
                while not (self._pending or self._searches or self._running or self._stopping):
                    self._wake.wait()
                if self._stopping:
                    return
                request = self._pending.pop(next(iter(self._pending))) if self._pending else None
                decoder = None if request is None else self._decoders.get(request.part)
                if request is None and self._running is None:
                    self._begin(self._searches.pop(next(iter(self._searches))))
            found = self._run_search() if request is None else None
            try:
                if request is not None:
                    self._on_answer(self._answer(decoder, request))
                elif found is not None:
                    self._on_found(found)
            except Exception:
                log.exception("The receiver of decoded bars failed; this bar is lost.")

    def _begin(self, request: SearchRequest) -> None:
        decoder = self._decoders.get(request.part)
        self._running = _Running(request, None if decoder is None else search(decoder, request))

    def _run_search(self) -> Found | None:
        """One run of the model for the search that is under way; its answer when it is through."""
        running = self._running
        if running is None:
            return None
        levers, began_us = None, self._clock_us()
        try:
            if running.steps is not None:
                next(running.steps)
                running.longest_us = max(running.longest_us, self._clock_us() - began_us)
                return None
        except StopIteration as done:
            levers = done.value
        except Exception:
            # The music goes on with the open-loop offsets; a model that fails is heard of when it decodes a bar.
            log.exception("The search for the faders of %s failed", running.request.part)
        self._running = None
        return Found(running.request, levers, max(running.longest_us, self._clock_us() - began_us))

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


@dataclasses.dataclass(slots=True, eq=False)
class _Running:
    """A search that is under way; without steps where the part has no model."""

    request: SearchRequest
    steps: Generator[None, None, Levers] | None
    longest_us: int = 0
