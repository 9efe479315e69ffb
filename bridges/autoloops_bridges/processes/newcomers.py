"""What a performer leaves unsaid about a part that is to join in, and whether it and its port can be had."""

from collections.abc import Callable, Sequence
from typing import Final

from autoloops_bridges.control.rig import RigPart
from autoloops_bridges.control.through import Through
from autoloops_bridges.midi.names import NONE
from autoloops_bridges.processes.options import PortPair, assign_channels
from autoloops_engine.bundle.installed import installed_bundles, usual_bundle
from autoloops_engine.bundle.reference import look_up
from autoloops_engine.errors import UsageError
from autoloops_engine.session.membership import name_taken
from autoloops_engine.session.surface import MIDI_OUT, Surface, Target, Values

ADD: Final = Target("parts/add")


class NewcomerSurface(Through):
    """Hands everything on to ``surface``, who is to join in with all that has to be known, a port only if there is one.

    Thread: the owner's only. Blocks: for a look at the manifest of the bundle.

    Args:
        surface: What is acted on.
        ports: The ports of the rig file.
        written: What the rig file has for parts, by name.
    """

    def __init__(self, surface: Surface, ports: Sequence[PortPair], written: Callable[[], dict[str, RigPart]]) -> None:
        super().__init__(surface)
        self._ports = [port.name for port in ports if port.output != NONE]
        self._written = written

    def act(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``.

        Raises:
            BundleError: there is no such bundle, or it has no such output.
            UsageError: the name is taken, there is no such port, or no bundle is known for the part; or what the
                surface says.
        """
        super().act(target, self._completed(values) if target == ADD else values, now_us)

    def set(self, target: Target, values: Values, now_us: int) -> None:
        """See ``Surface``.

        Raises:
            BundleError: there is no such bundle, or it has no such output.
            UsageError: there is no such port; or what the surface says.
        """
        if target.name == "port" and target.part in self.parts():
            self._port(str(values[0]))
        if target.name == "model" and target.part in self.parts():
            look_up(str(values[0]))
        super().set(target, values, now_us)

    def _completed(self, values: Values) -> Values:
        """Name, bundle, MIDI channel and port of a part, as they are given, else as the rig file has them."""
        name = str(values[0])
        if name in self.parts():
            raise name_taken(name)
        written = self._written().get(name, RigPart())
        bundle = str(values[1]) if len(values) > 1 else written.model
        channel = values[2] if len(values) > 2 else self._channel(name, written.channel)
        port = str(values[3]) if len(values) > 3 else written.output
        return name, _bundle(name, bundle), channel, self._port(port)

    def _channel(self, name: str, written: int | None) -> int:
        taken = {part: int(self.get(Target("channel", part))[0]) for part in self.parts()}
        return assign_channels((*taken, name), taken if written is None else {**taken, name: written})[name]

    def _port(self, port: str) -> str:
        if port in {"", MIDI_OUT}:
            return ""
        if port not in self._ports:
            known = ", ".join(self._ports) or "none"
            raise UsageError(
                f"The rig file has no port {port} with an `out`; those that have one: {known}; {MIDI_OUT} is that of "
                "--midi-out."
            )
        return port


def _bundle(part: str, bundle: str) -> str:
    if bundle:
        look_up(bundle)
        return bundle
    usual, installed = usual_bundle(part), installed_bundles()
    if usual not in installed:
        known = ", ".join(installed) or "none"
        raise UsageError(f"No bundle is known for the part {part}: name one behind it; installed are: {known}.")
    return usual
