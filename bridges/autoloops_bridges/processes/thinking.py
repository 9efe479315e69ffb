"""What main thinks with: the models of the parts, the threads that run, load and encode, and the decode budget."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from autoloops_bridges.clock import monotonic_us
from autoloops_bridges.processes.encoding import Encoded, PhraseEncoder
from autoloops_bridges.processes.parts import LoadedPart, decode_budget, keep_budget
from autoloops_bridges.processes.swap import Denied, Granted, ModelLoader, PartLoop, Wish
from autoloops_bridges.record.archive import recorded
from autoloops_bridges.record.lines import Done, Joined, Searched, Swapped, TakenUp
from autoloops_engine.errors import AutoLoopsError
from autoloops_engine.inference.levers import Found
from autoloops_engine.inference.requests import Decoded, Failed
from autoloops_engine.inference.worker import InferenceWorker
from autoloops_engine.session.core import Session


class Reports(NamedTuple):
    """What becomes of thoughts.

    Attributes:
        decoded: Called with the microseconds that a decode took.
        failed: Called with the address that asked and a sentence; an empty address: nobody asked for it.
        told: Called with a sentence for the performer.
        joined: Called with the name of a part that joined in, and when it did.
        done: Called with what was done to the session, for the record.
    """

    decoded: Callable[[int], None]
    failed: Callable[[str, str], None]
    told: Callable[[str], None]
    joined: Callable[[str, int], None]
    done: Callable[[Done], None]


class Thinking:
    """Carries requests from the session to the threads, and their answers back.

    Thread: the owner's only; the threads only leave answers and call ``wake``. Blocks: only ``stop``.

    Attributes:
        parts: The parts with their models.
        budget: The decode budget.
    """

    def __init__(self, session: Session, parts: list[LoadedPart], reports: Reports, wake: Callable[[], None]) -> None:
        self.parts = parts
        self.budget = decode_budget(parts)
        self._session = session
        self._cast = session.cast()
        self._loaded = list(parts)
        self._employed = {part.setup.name: part for part in parts}
        self._reports = reports
        self._wake = wake
        self._answers: deque[Decoded | Failed | Found] = deque()
        self._worker = InferenceWorker(self._on_answer, monotonic_us, self._on_answer)
        self._loader = ModelLoader(wake)
        self._encoder = PhraseEncoder(wake)

    def start(self) -> None:
        """Let the worker run."""
        for part in self.parts:
            self._worker.use(part.setup.name, part.decoder)
        self._worker.start()
        self._session.set_budget(self.budget.total_us)

    def stop(self) -> None:
        """End the worker, and keep what was learnt about this machine."""
        self._worker.stop()
        keep_budget(self.parts, self.budget)

    def take(self, now_us: int) -> None:
        """Hand the session what was answered since the last call."""
        while self._answers:
            self._take_answer(self._answers.popleft(), now_us)
        for encoded in self._encoder.take():
            self._take_phrase(encoded, now_us)
        for granted in self._loader.take():
            self._take_model(granted, now_us)

    def carry(self, now_us: int) -> None:
        """Take from the session what it wants thought."""
        self._follow_cast()
        for address, reason in self._session.take_failures():
            self._reports.failed(address, reason)
        for name, bundle in self._session.take_wishes().items():
            self._loader.wish(Wish(name, self._part(name).setup.channel, bundle, self._loops(), tuple(self._loaded)))
        for name, bundle, channel, port in self._session.take_arrivals():
            self._loader.wish(Wish(name, channel, bundle, self._loops(), tuple(self._loaded), port))
        for phrase in self._session.take_phrases():
            self._encoder.submit(phrase, self._part(phrase.part), self._loops())
        for request in self._session.take_requests(now_us):
            self._worker.submit(request)
        for search in self._session.take_searches(now_us):
            self._worker.search(search)

    def _on_answer(self, answer: Decoded | Failed | Found) -> None:
        self._answers.append(answer)
        self._wake()

    def _take_answer(self, answer: Decoded | Failed | Found, now_us: int) -> None:
        if isinstance(answer, Found):
            self.budget.wait_behind(answer.longest_us)
            self._session.set_budget(self.budget.total_us)
            self._session.on_found(answer)
            self._reports.done(Searched(now_us, answer.request.part))
            return
        if isinstance(answer, Decoded):
            self.budget.observe(answer.request.part, answer.decode_us)
            self._reports.decoded(answer.decode_us)
            self._session.set_budget(self.budget.total_us)
        else:
            self._reports.failed("", answer.reason)
        self._session.on_answer(answer, now_us)

    def _take_phrase(self, encoded: Encoded, now_us: int) -> None:
        phrase, reason = encoded.phrase, encoded.reason
        name, budget_us = phrase.part, self.budget.total_us
        if not reason:
            try:
                self._session.take_up(phrase, encoded.z, now_us)
            except AutoLoopsError as error:
                reason = str(error)
            else:
                z = tuple(encoded.z)
                self._reports.done(TakenUp(now_us, name, phrase.amount, phrase.when, z, budget_us))
        if reason:
            self._reports.failed(f"/al/{name}/{'load' if phrase.path else 'capture'}", reason)

    def _take_model(self, answer: Granted | Denied, now_us: int) -> None:
        if isinstance(answer, Denied):
            address = "/al/parts/add" if self._session.awaits(answer.part) else f"/al/{answer.part}/model"
            self._session.deny(answer.part)
            self._reports.failed(address, answer.reason)
            return
        loaded, name = answer.part, answer.part.setup.name
        joins = self._session.awaits(name)
        if not joins and name not in self._session.parts():
            # It left while its other model was loaded.
            return
        self._loaded.append(loaded)
        self._employ(loaded)
        if joins:
            self._session.join(loaded.setup, now_us)
            self._reports.done(Joined(now_us, recorded(loaded), self.budget.total_us))
            self._reports.joined(name, now_us)
            self._reports.told(f"{name} joins in with {loaded.setup.model} on channel {loaded.setup.channel}.")
        else:
            self._session.swap_model(loaded.setup, answer.z, now_us)
            z = None if answer.z is None else tuple(answer.z)
            self._reports.done(Swapped(now_us, recorded(loaded), z, self.budget.total_us))
            self._reports.told(f"{name} plays {loaded.setup.model} from the next bar on.")
        self._follow_cast()

    def _employ(self, loaded: LoadedPart) -> None:
        """Let the worker play a part by this model."""
        name = loaded.setup.name
        self._employed[name] = loaded
        self.budget.add(name, cached_us=loaded.cached_us, warm_up_us=loaded.warm_up_us)
        self._worker.withdraw(name)
        self._worker.use(name, loaded.decoder)
        self._session.set_budget(self.budget.total_us)

    def _follow_cast(self) -> None:
        """Parts come and go, by undo and redo too: keep their models as long as the session remembers them."""
        cast = self._session.cast()
        if cast == self._cast:
            return
        loaded = {id(part.setup): part for part in self._loaded}
        left = {setup.name for setup in self._cast} - {setup.name for setup in cast}
        self._cast, self.parts = cast, [loaded[id(setup)] for setup in cast]
        for part in self.parts:
            if self._employed.get(part.setup.name) is not part:
                self._employ(part)
        for name in sorted(left):
            del self._employed[name]
            self._worker.release(name)
            self.budget.forget(name)
            self._reports.told(f"{name} has left.")
        self._session.set_budget(self.budget.total_us)
        remembered = {id(setup) for setup in (*cast, *self._session.remembered())}
        self._loaded = [part for part in self._loaded if id(part.setup) in remembered]

    def _part(self, name: str) -> LoadedPart:
        return next(part for part in self.parts if part.setup.name == name)

    def _loops(self) -> dict[str, PartLoop]:
        """What every part plays."""
        setups = [part.setup for part in self.parts]
        return {setup.name: PartLoop(setup.codec, self._session.loop_steps(setup.name)) for setup in setups}
