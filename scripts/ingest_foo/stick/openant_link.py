"""openant's driver, node and threads, made safe to run for weeks.

What of openant 1.3.4 must not reach our users (notes 7), and what stands here instead:

- its driver takes the first stick it finds: `StickDriver` opens the one it is given;
- its reader asserts good frames, and its thread ends silently on a bad one: `StickAnt.read_message` reads with our own
  framer, and a thread that ends says why;
- it drops a broadcast that equals the last message, looks at no extended data and keeps no time: data messages leave
  for our own callback in `read_message`, stamped, before openant sees them;
- it waits up to 10 s for an answer, matched by message id alone: `StickNode` waits for the answer of that channel, and
  says that the stick is silent;
- channel events pile up in memory: they leave for a callback.

openant offers no seam for this, so the constructors of `Ant` and `Node` are written anew; a test compares their
attributes with openant's own, and the version is pinned.
"""

import collections
import contextlib
import queue
import threading
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import usb.core
import usb.util
from openant.base.ant import Ant
from openant.base.driver import USBDriver
from openant.base.message import Message
from openant.easy.channel import Channel
from openant.easy.node import Node

from scripts.ingest_foo.ant.frames import Frame, Framer
from scripts.ingest_foo.ant.messages import Code, MessageId, decode_capabilities
from scripts.ingest_foo.stick.errors import DISTURBED, StickError, Trouble, trouble_of
from scripts.ingest_foo.stick.usb_stick import UsbStick, holder

READ_TIMEOUT_MS = 250
"""How long a read waits for data: how soon the reader notices that it is to end."""

WRITE_TIMEOUT_MS = 500
ANSWER_TIMEOUT_S = 1.0
RESET_TRIES = 3
_READ_BYTES = 4096
_RESET_ZEROS = 16
_DISTURBED_READS = 5
"""So many disturbed reads in a row are no accident."""

_KEPT_ANSWERS = 64
_OPENANT_OWN_EVENTS = 1000
"""openant numbers its own events from here; below are those of the channels."""

_SHORTEST: dict[int, int] = {MessageId.RESPONSE: 3, MessageId.CHANNEL_STATUS: 2, MessageId.CAPABILITIES: 4}
"""Contents shorter than this are damaged, and would end openant's thread."""

OnData = Callable[[bytes, int], None]
"""Takes the content of a data message, and the steady clock's reading (ns) at its arrival."""

OnEvent = Callable[[int, int], None]
"""Takes a channel's number and the code of its event."""

OnFailure = Callable[[BaseException], None]
"""Takes what ended a thread."""


class StickDriver(USBDriver):  # type: ignore[misc] # openant has no type information
    """openant's USB driver, for one certain stick."""

    def __init__(self, stick: UsbStick) -> None:
        super().__init__()
        self.stick = stick

    def open(self) -> None:
        """Claim the stick. Raises `StickError`."""
        self.dev = self.stick.device
        try:
            try:
                if self.dev.is_kernel_driver_active(0):
                    self.dev.detach_kernel_driver(0)
            except NotImplementedError:
                pass
            self.dev.set_configuration()
            interface = self.dev.get_active_configuration()[(0, 0)]
            usb.util.claim_interface(self.dev, interface)
        except usb.core.USBError as error:
            usb.util.dispose_resources(self.dev)
            raise usb_trouble(self.stick, error) from error

        def endpoint(direction: int) -> Any:
            return usb.util.find_descriptor(
                interface, custom_match=lambda e: usb.util.endpoint_direction(e.bEndpointAddress) == direction
            )

        self._in, self._out = endpoint(usb.util.ENDPOINT_IN), endpoint(usb.util.ENDPOINT_OUT)
        if self._in is None or self._out is None:
            raise StickError(Trouble.USB, f"{self.stick.name} has no bulk endpoints; is it an ANT stick?")

    def close(self) -> None:
        """Let go of the stick, whatever state it is in."""
        try:
            usb.util.dispose_resources(self.dev)
        except usb.core.USBError:
            return  # it is gone

    def read(self) -> "array[int]":
        """What has come; raises `usb.core.USBTimeoutError` where nothing has."""
        data: array[int] = self._in.read(_READ_BYTES, READ_TIMEOUT_MS)
        return data

    def write(self, data: Sequence[int]) -> None:
        """Send to the stick."""
        self._out.write(data, WRITE_TIMEOUT_MS)


class StickAnt(Ant):  # type: ignore[misc] # openant has no type information
    """openant's reader thread and writer."""

    def __init__(
        self, driver: StickDriver, on_data: OnData, on_failure: OnFailure, steady_ns: Callable[[], int]
    ) -> None:
        self._driver = driver
        self._message_queue_cond = threading.Condition()
        self._message_queue: collections.deque[Message] = collections.deque()
        self._events: queue.Queue[Any] = queue.Queue()
        self._buffer = array("B", [])
        self._burst_data = array("B", [])
        self._last_data = array("B", [])
        self._running = True
        self.framer = Framer()
        self._frames: collections.deque[Frame] = collections.deque()
        self._on_data = on_data
        self._steady_ns = steady_ns
        self._started_up = threading.Event()
        self._driver.open()
        self._worker_thread = _thread("openant.base", self._worker, on_failure)
        try:
            self.reset_system()
        except StickError:
            self.stop()
            raise

    def reset_system(self) -> None:
        """Reset the stick and wait for its start-up message. Raises `StickError`."""
        for _ in range(RESET_TRIES):
            self._started_up.clear()
            # Zeros first: a stick that was left within a message takes them for its rest.
            self._write(bytes(_RESET_ZEROS))
            self.write_message(Message(Message.ID.RESET_SYSTEM, [0]))
            if self._started_up.wait(ANSWER_TIMEOUT_S / 2):
                return
        raise StickError(Trouble.SILENT, f"{self._driver.stick.name} does not answer")

    def write_message(self, message: Message) -> None:
        """Send a message. Raises `StickError`."""
        self._write(message.get())

    def read_message(self) -> Message | None:
        """The next message that is not data; None: the link is to end. Raises `StickError`."""
        disturbed = 0
        while self._running:
            if self._frames:
                message_id, content = self._frames.popleft()
                if message_id == MessageId.STARTUP:
                    self._started_up.set()
                return Message(message_id, array("B", content))
            try:
                data = bytes(self._driver.read())
            except usb.core.USBTimeoutError:
                continue
            except usb.core.USBError as error:
                disturbed += 1
                if error.errno in DISTURBED and disturbed < _DISTURBED_READS:
                    continue
                raise usb_trouble(self._driver.stick, error) from error
            arrived_ns, disturbed = self._steady_ns(), 0
            for frame in self.framer.push(data):
                if frame.message_id in (MessageId.BROADCAST, MessageId.ACKNOWLEDGED):
                    self._on_data(frame.content, arrived_ns)
                elif len(frame.content) >= _SHORTEST.get(frame.message_id, 1):
                    self._frames.append(frame)
        return None

    def stop(self) -> None:
        """End the thread and let go of the stick."""
        self._running = False
        if self._worker_thread is not threading.current_thread():
            self._worker_thread.join()
        self._driver.close()

    def _write(self, data: Sequence[int]) -> None:
        try:
            self._driver.write(data)
        except usb.core.USBTimeoutError as error:
            raise StickError(Trouble.SILENT, f"{self._driver.stick.name} takes no commands") from error
        except usb.core.USBError as error:
            raise usb_trouble(self._driver.stick, error) from error


class StickChannel(Channel):  # type: ignore[misc] # openant has no type information
    """openant's channel; every setter waits for the stick's answer and raises `StickError` without a good one."""

    def wait_for_response(self, event_id: int) -> Any:
        """The answer to a command of this channel."""
        return self._node.await_answer(event_id, self.id)

    def wait_for_special(self, event_id: int) -> Any:
        """The answer to a request of this channel."""
        return self._node.await_answer(event_id, self.id, is_code=False)


class StickNode(Node):  # type: ignore[misc] # openant has no type information
    """openant's node on a certain stick, reset and ready for commands.

    Args:
        stick: Which one.
        on_data: Takes data messages, on the reader's thread.
        on_event: Takes channel events, on the node's thread.
        on_failure: Told why a thread ended that should not.
        steady_ns: The clock for arrivals.

    Raises:
        StickError: It cannot be opened, or does not answer.
    """

    def __init__(
        self, stick: UsbStick, on_data: OnData, on_event: OnEvent, on_failure: OnFailure, steady_ns: Callable[[], int]
    ) -> None:
        self._responses_cond = threading.Condition()
        self._responses: collections.deque[Any] = collections.deque(maxlen=_KEPT_ANSWERS)
        self._event_cond = threading.Condition()
        self._events: collections.deque[Any] = collections.deque(maxlen=_KEPT_ANSWERS)
        self._datas: queue.Queue[Any] = queue.Queue()
        self.serial: int | None = None
        self.ant_version: str | None = None
        self.max_networks = 8
        self.max_channels = 8
        self.channels: list[StickChannel] = []
        self.standard_options: set[Any] = set()
        self.advanced_options: set[Any] = set()
        self.advanced_options_two: set[Any] = set()
        self.advanced_options_three: set[Any] = set()
        self.max_sensorcore_channels = 0
        self.stick = stick
        self._on_event = on_event
        self.ant = StickAnt(StickDriver(stick), on_data, on_failure, steady_ns)
        self._running = True
        # openant's own thread asks for the capabilities first of all.
        self._worker_thread = _thread("openant.easy", self._worker, on_failure)
        try:
            _, _, content = self.await_answer(MessageId.CAPABILITIES, is_code=False)
        except StickError:
            self.stop()
            raise
        self.capabilities = decode_capabilities(bytes(content))

    def new_channel(self, ctype: int, network_number: int = 0, ext_assign: int | None = None) -> StickChannel:
        """Assign the next channel. Raises `StickError`."""
        channel = StickChannel(len(self.channels), self, self.ant)
        channel._assign(ctype, network_number, ext_assign)
        self.channels.append(channel)
        return channel

    def wait_for_response(self, event_id: int) -> Any:
        """The answer to a command."""
        return self.await_answer(event_id)

    def wait_for_special(self, event_id: int) -> Any:
        """The answer to a request."""
        return self.await_answer(event_id, is_code=False)

    def command(self, message_id: int, content: list[int], channel: int | None = None) -> Any:
        """Send a command for which openant has no method, and await its answer. Raises `StickError`."""
        self.ant.write_message(Message(message_id, content))
        return self.await_answer(message_id, channel)

    def await_answer(self, message_id: int, channel: int | None = None, *, is_code: bool = True) -> Any:
        """The answer with this message id, of this channel if one is named.

        Raises:
            StickError: None came in time, or its code is an error.
        """
        found: Any = None

        def arrived() -> bool:
            nonlocal found
            for answer in self._responses:
                if answer[1] == message_id and (channel is None or answer[0] in (None, channel)):
                    found = answer
                    return True
            return False

        with self._responses_cond:
            if not self._responses_cond.wait_for(arrived, ANSWER_TIMEOUT_S):
                raise StickError(Trouble.SILENT, f"{self.stick.name} does not answer")
            self._responses.remove(found)
        if is_code and found[2][0] != Code.NO_ERROR:
            raise StickError(
                Trouble.REFUSED, f"{self.stick.name} answers command {message_id:#04x} with error {found[2][0]:#04x}"
            )
        return found

    def stop(self) -> None:
        """Reset the stick, so that it transmits nothing into an empty room, and let go of it."""
        if not self._running:
            return
        self._running = False
        with contextlib.suppress(StickError):
            self.ant.write_message(Message(Message.ID.RESET_SYSTEM, [0]))
        self.ant.stop()
        if self._worker_thread is not threading.current_thread():
            self._worker_thread.join()

    def _worker_response(self, channel: int | None, event: int, data: Any) -> None:
        try:
            super()._worker_response(channel, event, data)
        except (IndexError, ValueError):  # it reads more than short answers hold
            with self._responses_cond:
                self._responses.append((channel, event, data))
                self._responses_cond.notify_all()

    def _worker_event(self, channel: int, event: int, data: Any) -> None:
        if event < _OPENANT_OWN_EVENTS:
            self._on_event(channel, event)
        else:
            super()._worker_event(channel, event, data)


def _thread(name: str, run: Callable[[], None], on_failure: OnFailure) -> threading.Thread:
    """A started thread whose end by an exception is told."""

    def guarded() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 (whatever ends the thread is told)
            on_failure(error)

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


def usb_trouble(stick: UsbStick, error: usb.core.USBError) -> StickError:
    """What a USB error means for people."""
    trouble = trouble_of(error)
    match trouble:
        case Trouble.NO_PERMISSION:
            text = f"no permission to use {stick.name}; run: sudo ingest-foo udev --install   then plug it in again"
        case Trouble.BUSY:
            text = f"{stick.name} is in use by {holder(stick) or 'another program'}; close that program"
        case Trouble.UNPLUGGED:
            text = f"{stick.name} is unplugged; waiting for it to come back"
        case _:
            text = f"{stick.name}: USB error: {error.strerror or error}"
    return StickError(trouble, text)
