"""Hand-made packets: a strap on page 0 whose beats are chosen by the test."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.heartrate.encoder import CommonFields, encode_default

Record = dict[str, Any]


def packet(
    device_id: str, number: int, beat: int, at: datetime, rate: int | None = 120, interval_ms: int = 500, **fields: Any
) -> Record:
    """The packet that shows beat `beat` of a strap whose intervals are all alike."""
    common = CommonFields(beat * interval_ms * 1024 // 1000, beat, rate)
    payload = encode_default(common, toggle=bool(number // 4 % 2))
    return {
        "device_id": device_id,
        "packet_count": number,
        "ant_hr_packet": payload.hex(),
        "received_at": rfc3339(at),
        "receiver_id": "test-1",
        **fields,
    }


def beats(device_id: str, start: datetime, count: int, rate: int = 120, interval_ms: int = 500) -> list[Record]:
    """A packet for each of so many beats, the first at `start`."""
    return [
        packet(device_id, i, i, start + timedelta(milliseconds=i * interval_ms), rate, interval_ms)
        for i in range(count)
    ]


def heart(device_id: str, start: datetime, told: list[tuple[float, int]]) -> list[Record]:
    """A packet for each beat, told as seconds after the start and heart rate; gaps of under a minute."""
    return [
        {
            "device_id": device_id,
            "packet_count": number,
            "ant_hr_packet": encode_default(
                CommonFields(round(after_s * 1024), number, rate), toggle=bool(number // 4 % 2)
            ).hex(),
            "received_at": rfc3339(start + timedelta(seconds=after_s)),
            "receiver_id": "test-1",
        }
        for number, (after_s, rate) in enumerate(told)
    ]


def rfc3339(moment: datetime) -> str:
    """As the contract writes moments."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
