"""What ingest-foo does for a packet between the stick and the disk: frame, decode, time, account for, spool."""

import os
import tempfile
import time
from pathlib import Path
from random import Random

from scripts.ingest_foo.ant.frames import Framer, encode_frame
from scripts.ingest_foo.ant.messages import MessageId, decode_data
from scripts.ingest_foo.clock import StickClock
from scripts.ingest_foo.spool import Spool
from scripts.ingest_foo.stick.receiver import Packet
from scripts.ingest_foo.straps import Straps

PACKETS, STRAPS = 40_000, 60
SLOT_US = 246_277
RECORD_BYTES = 190
START_US = 1_790_000_000_000_000


def run() -> dict[str, float]:
    """Microseconds a packet, and for reference those of one bare write of as many bytes."""
    random = Random(1)
    chunks = [
        encode_frame(
            MessageId.BROADCAST,
            b"\0"
            + random.randbytes(8)
            + bytes((0xE0, number % STRAPS, 7, 0x78, 0x11, 0x20, 0xC4, 0x80))
            + (number * SLOT_US // STRAPS * 32_768 // 1_000_000 % 65_536).to_bytes(2, "little"),
        )
        for number in range(PACKETS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool", 1_000_000_000)
        straps, framer, clock = Straps(spool.append), Framer(), StickClock()
        began = time.perf_counter()
        for number, chunk in enumerate(chunks):
            for frame in framer.push(chunk):
                heard = decode_data(frame.content)
                if heard is None or heard.device_number is None:
                    raise ValueError(frame)
                at_us = clock.received_us(heard.stamp, START_US + number * SLOT_US // STRAPS)
                straps.hear(Packet(heard.device_number, heard.payload, at_us, heard.rssi_dbm, "bench"))
        packet_s = (time.perf_counter() - began) / PACKETS
        spool.close()
        file = os.open(Path(folder) / "reference", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        data = bytes(RECORD_BYTES)
        began = time.perf_counter()
        for _ in range(PACKETS):
            os.write(file, data)
        write_s = (time.perf_counter() - began) / PACKETS
        os.close(file)
    return {
        "ingest: stick to disk, us a packet": packet_s * 1e6,
        "ingest: reference, one bare write of a record, us": write_s * 1e6,
        "ingest: ratio to the reference": packet_s / write_s,
        "ingest: straps of 4.06 Hz that one core could take": 1 / packet_s / 4.06,
    }
