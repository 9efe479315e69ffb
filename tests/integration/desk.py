"""A MIDI controller on a JACK server, in a process of its own: it sends what it is told to and prints what it hears.

Run as a script, it reads a line of hexadecimal bytes from standard input for each message to send; ``leave`` and
``come`` unplug it and plug it in again.
"""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable

import jack

SCRIPT = __file__
NAME = "desk"


class Plugged:
    """The controller as long as it is plugged in."""

    def __init__(self) -> None:
        self._client = jack.Client(NAME, no_start_server=True)
        self._out = self._client.midi_outports.register("out")
        self._in = self._client.midi_inports.register("in")
        self.to_send: deque[bytes] = deque()
        self._client.set_process_callback(self._process)
        self._client.activate()

    def _process(self, length: int) -> None:
        self._out.clear_buffer()
        if self.to_send:
            self._out.write_midi_event(0, self.to_send.popleft())
        for _, data in self._in.incoming_midi_events():
            sys.stdout.write(bytes(data).hex() + "\n")
            sys.stdout.flush()

    def leave(self) -> None:
        self._client.deactivate()
        self._client.close()


def main() -> None:
    """Serve until standard input ends."""
    sys.setswitchinterval(0.0005)
    plugged = Plugged()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        match line.strip():
            case "leave":
                plugged.leave()
                sys.stdout.write("left\n")
                sys.stdout.flush()
            case "come":
                plugged = Plugged()
            case words:
                plugged.to_send.append(bytes.fromhex(words))
    plugged.leave()


class Desk:
    """The other process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "ready"
        self.heard: list[bytes] = []
        self.left = threading.Event()
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def send(self, *messages: bytes) -> None:
        """Send messages, one a cycle."""
        for message in messages:
            self._say(message.hex())

    def unplug(self) -> None:
        """Leave the server."""
        self.left.clear()
        self._say("leave")
        assert self.left.wait(10)

    def plug_in(self) -> None:
        """Come back; what was heard before is forgotten."""
        self.forget()
        self._say("come")

    def forget(self) -> None:
        """What was heard until now does not count any more."""
        with self._news:
            self.heard.clear()

    def hears(self, message: bytes, within_s: float = 10.0) -> bool:
        """Whether this message comes, or came."""
        return self.hears_some(lambda heard: heard == message, within_s)

    def hears_some(self, wanted: Callable[[bytes], bool], within_s: float = 10.0) -> bool:
        """Whether a message of this kind comes, or came."""
        with self._news:
            return self._news.wait_for(lambda: any(wanted(message) for message in self.heard), within_s)

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line.strip() == "left":
                self.left.set()
                continue
            with self._news:
                self.heard.append(bytes.fromhex(line))
                self._news.notify_all()


if __name__ == "__main__":
    main()
