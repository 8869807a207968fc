"""One opened stick, listening: to every strap at once where it can, else on its channels."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from openant.devices import ANTPLUS_NETWORK_KEY

from app.heartrate.profile import CHANNEL_PERIOD, DEVICE_TYPE
from scripts.ingest_foo.ant.messages import RF_FREQUENCY, Extended, Heard, MessageId, decode_data
from scripts.ingest_foo.clock import ReceiverClock, StickClock
from scripts.ingest_foo.stick.channels import SLAVE, TrackingChannels
from scripts.ingest_foo.stick.errors import StickError, Trouble
from scripts.ingest_foo.stick.openant_link import StickNode
from scripts.ingest_foo.stick.usb_stick import UsbStick

QUIET_S = 2.0
"""After so long without a message the stick is asked whether it still lives."""

_WATCH_EVERY_S = 0.2
_CHANNEL_STATE, _UNASSIGNED = 0b11, 0
"""Of a channel's status: what it is after a reset (AMP)."""

_EXTENDED_CHOICES = (
    Extended.CHANNEL_ID | Extended.RSSI | Extended.STAMP,
    Extended.CHANNEL_ID | Extended.STAMP,
    Extended.CHANNEL_ID,
)
"""Not every firmware sends all (notes 5)."""


class Packet(NamedTuple):
    """A packet of a heart-rate strap, as a stick heard it."""

    device_number: int
    """20 bits."""
    payload: bytes
    received_us: int
    """UTC, µs since 1970; never before the packet heard before it."""
    rssi_dbm: int | None
    receiver_id: str


class Receiver:
    """A stick in use. Make it, then `listen`, then `close`.

    Args:
        stick: Which one.
        receiver_id: What its packets name as their receiver.
        clock: Where their times come from.
        on_packet: Takes each packet, on the reader's thread: it must be quick.

    Raises:
        StickError: It cannot be used.
    """

    def __init__(
        self, stick: UsbStick, receiver_id: str, clock: ReceiverClock, on_packet: Callable[[Packet], None]
    ) -> None:
        self._stick = stick
        self._receiver_id = receiver_id
        self._clock = clock
        self._stick_clock = StickClock()
        self._on_packet = on_packet
        self._failure: BaseException | None = None
        self._heard_at = time.monotonic()
        self._channels: TrackingChannels | None = None
        self.damaged = 0
        """Data messages that ended before what their flags announce."""
        self._node = StickNode(stick, self._take, self._event, self._fail, clock.steady_ns)
        try:
            self._configure()
        except BaseException:
            self._node.stop()
            raise

    @property
    def how(self) -> str:
        """How it listens, for people."""
        if self._channels is None:
            return "in scan mode: every strap at once"
        return f"on {self._channels.count} channels: no scan mode, so at most {self._channels.count} straps"

    @property
    def skipped_bytes(self) -> int:
        """Bytes from the stick that belonged to no message."""
        return self._node.ant.framer.skipped_bytes

    def listen(self, stopping: threading.Event) -> None:
        """Listen until `stopping` is set. Raises `StickError` when the stick fails."""
        while not stopping.wait(_WATCH_EVERY_S):
            if isinstance(self._failure, StickError):
                raise self._failure
            if self._failure is not None:
                raise StickError(
                    Trouble.USB, f"{self._stick.name}: {type(self._failure).__name__}: {self._failure}"
                ) from self._failure
            if self._channels is not None:
                self._channels.tend()
            if time.monotonic() - self._heard_at > QUIET_S:
                self._node.ant.request_message(0, MessageId.CHANNEL_STATUS)
                _, _, content = self._node.await_answer(MessageId.CHANNEL_STATUS, is_code=False)
                if content[0] & _CHANNEL_STATE == _UNASSIGNED:
                    raise StickError(Trouble.SILENT, f"{self._stick.name} has restarted by itself")
                self._heard_at = time.monotonic()

    def close(self) -> None:
        """Let go of the stick."""
        self._node.stop()

    def _configure(self) -> None:
        node = self._node
        node.set_network_key(0, ANTPLUS_NETWORK_KEY)
        self._enable_extended()
        if not node.capabilities.scan_mode:
            self._channels = TrackingChannels(node)
            return
        channel = node.new_channel(SLAVE)
        channel.set_id(0, DEVICE_TYPE, 0)
        channel.set_period(CHANNEL_PERIOD)
        channel.set_rf_freq(RF_FREQUENCY)
        channel.open_rx_scan_mode()

    def _enable_extended(self) -> None:
        for flags in _EXTENDED_CHOICES:
            try:
                self._node.command(MessageId.LIB_CONFIG, [0, flags])
            except StickError as error:
                if error.trouble is not Trouble.REFUSED:
                    raise
            else:
                return
        # Firmware from before the library configuration.
        self._node.command(MessageId.ENABLE_EXTENDED, [0, 1])

    def _take(self, content: bytes, arrived_ns: int) -> None:
        self._heard_at = time.monotonic()
        heard = decode_data(content)
        if heard is None:
            self.damaged += 1
        elif heard.is_heart_rate and heard.device_number and self._is_new(heard):
            received_us = self._stick_clock.received_us(heard.stamp, self._clock.utc_us(arrived_ns))
            self._on_packet(Packet(heard.device_number, heard.payload, received_us, heard.rssi_dbm, self._receiver_id))

    def _is_new(self, heard: Heard) -> bool:
        return self._channels is None or self._channels.heard(heard)

    def _event(self, channel: int, code: int) -> None:
        if self._channels is not None:
            self._channels.event(channel, code)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
