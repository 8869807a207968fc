"""The command line of generate-data."""

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from app.heartrate.device_number import InvalidDeviceId, parse_device_id
from app.heartrate.moments import to_us
from app.heartrate.sharding import MOST_SHARDS
from scripts.delivery.divided import DividedSink
from scripts.delivery.http import HttpSink
from scripts.delivery.keys import INGEST, KeyFormatError, key
from scripts.delivery.lines import LineSink
from scripts.delivery.records import Record, assignment
from scripts.delivery.sink import ASSIGNMENT, PROFILE, Sink, SinkError
from scripts.generate_data import recordings, replay
from scripts.generate_data.group import synthetic_group
from scripts.generate_data.radio import Air
from scripts.generate_data.sending import Tally, send

EXIT_BAD_INPUT, EXIT_NOT_DELIVERED, EXIT_REJECTED, EXIT_INTERRUPTED = 2, 3, 4, 130
_SHOWN_REASONS = 5

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Send synthetic or recorded hearts to Beatstream.\n\n"
    "[bold]Exit codes[/]: 0 all sent, 2 bad input, 3 not delivered, 4 some records rejected, 130 interrupted.",
)
console = Console(stderr=True, highlight=False)


class Target(StrEnum):
    """Where to send."""

    HTTP = "http"
    KAFKA = "kafka"
    JSONL = "jsonl"
    STDOUT = "-"


class At(StrEnum):
    """Which time a replay has."""

    NOW = "now"
    ORIGINAL = "original"


To = Annotated[
    Target, typer.Option("--to", help="http: the ingest API; kafka: the topics; jsonl: a file; -: standard output.")
]
Url = Annotated[str, typer.Option(help="For --to http: where Moose answers. Its key, if any: BEATSTREAM_INGEST_TOKEN.")]
Broker = Annotated[str, typer.Option(help="For --to kafka.")]
Output = Annotated[Path, typer.Option(help="For --to jsonl.")]
Batch = Annotated[int, typer.Option(min=1, max=20_000, help="Packets in one request at most.")]
RUN_BATCH, REPLAY_BATCH = 1000, 500
"""Moose hands up to 1024 records of a request to its broker at once and waits some 6 ms for it, however few they are.
Where one may be refused they are fewer: Moose keeps the whole request with each record of it as a dead letter."""

Shards = Annotated[
    int, typer.Option(min=1, max=MOST_SHARDS, envvar="BEATSTREAM_SHARDS", help="Beatstream runs with so many.")
]
Loss = Annotated[float, typer.Option(min=0, max=1, help="Share of the packets that the radio loses.")]
Seed = Annotated[int, typer.Option(help="Same seed and start: same bytes.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
Speed = Annotated[str, typer.Option(help="1: real time; 60: a minute a second; max: as fast as possible.")]
Start = Annotated[str | None, typer.Option(help="When the data begins, RFC 3339 with zone. Default: now.")]
NoRegister = Annotated[
    bool, typer.Option("--no-register", help="Do not say who wears the straps, nor anything of them.")
]


@cli.command()
def run(
    straps: Annotated[int, typer.Option(min=1, max=10_000, help="How many people.")] = 12,
    guests: Annotated[
        int, typer.Option(min=0, max=10_000, help="How many more, whose straps nobody has registered.")
    ] = 0,
    seconds: Annotated[str, typer.Option(help="How long, or: endless.")] = "endless",
    speed: Speed = "1",
    seed: Seed = 1,
    start: Start = None,
    loss: Loss = 0.05,
    perfect: Annotated[bool, typer.Option("--perfect", help="No contact slips, nobody out of range.")] = False,
    no_register: NoRegister = False,
    to: To = Target.HTTP,
    url: Url = "http://localhost:4000",
    broker: Broker = "localhost:19092",
    output: Output = Path("packets.jsonl"),
    shards: Shards = 1,
    batch: Batch = RUN_BATCH,
    quiet: Quiet = False,
) -> None:
    """A class of synthetic people.

    [bold]Examples[/]

    generate-data run --straps 12 [dim]a class of twelve, until Ctrl-C[/]

    generate-data run --straps 60 --seconds 600 --speed max --seed 7 [dim]ten minutes of sixty, at once[/]

    generate-data run --seconds 5 --to - | head [dim]look at the records[/]
    """
    length, pace = _length(seconds), _speed(speed)
    # What is sent at once shall end now, not in the future.
    begin_us = _start(start) if start or pace or length is None else _start(None) - round(length * 1_000_000)
    group = synthetic_group(
        straps, seed=seed, start_us=begin_us, seconds=length, loss=loss, perfect=perfect, guests=guests
    )
    rejected: list[str] = []
    sink = _sink(to, url, broker, output, rejected, shards)
    people = {} if no_register else {ASSIGNMENT: group.assignments, PROFILE: group.profiles}
    _deliver(
        sink,
        rejected,
        people,
        group.records,
        group.air,
        speed=pace,
        batch=batch,
        expected_s=length,
        quiet=quiet,
    )


@cli.command("replay")
def replay_file(
    file: Annotated[
        Path, typer.Argument(help="FIT, TCX, CSV or text of RR intervals, CSV of timestamp and heart_rate, or JSONL.")
    ],
    at: Annotated[At, typer.Option(help="original: at the times recorded; now: shifted to the present.")] = At.NOW,
    device: Annotated[str, typer.Option(help="Device number of the strap that replays.")] = "863436",
    user_id: Annotated[int, typer.Option(min=1, help="Who wears it.")] = 1,
    name: Annotated[str, typer.Option(help="Their name.")] = "Replay",
    speed: Speed = "1",
    seed: Seed = 1,
    start: Start = None,
    loss: Loss = 0.0,
    burst_loss: Annotated[
        bool, typer.Option("--burst-loss", help="Lose packets in bursts, not independently.")
    ] = False,
    drift_ppm: Annotated[float, typer.Option(help="How much faster the strap's crystal runs.")] = 0.0,
    no_register: NoRegister = False,
    to: To = Target.HTTP,
    url: Url = "http://localhost:4000",
    broker: Broker = "localhost:19092",
    output: Output = Path("packets.jsonl"),
    shards: Shards = 1,
    batch: Batch = REPLAY_BATCH,
    quiet: Quiet = False,
) -> None:
    """A recorded heart, as a strap would transmit it.

    [bold]Examples[/]

    generate-data replay ride.fit --speed max --at original [dim]a ride, at its own times[/]

    generate-data replay intervals.txt --name Ada --user-id 7 [dim]RR intervals, beat for beat, live[/]
    """
    pace = _speed(speed)
    try:
        number = parse_device_id(device)
        recording, air = recordings.read(file), Air()
        records, start_us, expected_s = _records(
            recording, at, pace, start, number, air, seed, loss, burst_loss, drift_ppm
        )
        # A recording that cannot be read shows it before anything is sent.
        records = chain([first], records) if (first := next(records, None)) is not None else records
    except (recordings.RecordingError, InvalidDeviceId) as error:
        _fail(str(error), EXIT_BAD_INPUT)
    rejected: list[str] = []
    sink = _sink(to, url, broker, output, rejected, shards)
    people = {} if no_register or start_us is None else {ASSIGNMENT: [assignment(device, user_id, name, start_us)]}
    _deliver(sink, rejected, people, records, air, speed=pace, batch=batch, expected_s=expected_s, quiet=quiet)


def _records(
    recording: recordings.Recording,
    at: At,
    pace: float,
    start: str | None,
    number: int,
    air: Air,
    seed: int,
    loss: float,
    burst_loss: bool,  # noqa: FBT001 (handed on as it is)
    drift_ppm: float,
) -> tuple[Iterator[Record], int | None, float | None]:
    """The records, when the data begins (None: raw packets, whose straps are somebody's already), how long it lasts."""
    if isinstance(recording, recordings.PacketRecording):
        return replay.replayed_packets(recording, None if at is At.ORIGINAL else _start(start)), None, None
    length = replay.span_s(recording)
    # What is sent at once shall end now; what is sent as it beats shall begin now.
    begin_us = _start(start) if start or pace else _start(None) - round(length + 2) * replay.SECOND_US
    if isinstance(recording, recordings.HeartRateRecording):
        first = recording.samples[0][0]
        shift_s = 0 if at is At.ORIGINAL else -(-begin_us // replay.SECOND_US) + 1 - first
        beats = replay.beats_of_seconds(recording, shift_s)
        start_us = (first - 1 + shift_s) * replay.SECOND_US
    else:
        beats, start_us = replay.beats_of_intervals(recording, begin_us), begin_us
    strap = replay.replayed_strap(number, beats, air=air, seed=seed, loss=loss, bursts=burst_loss, drift_ppm=drift_ppm)
    return strap, start_us, length


def _deliver(
    sink: Sink,
    rejected: list[str],
    people: dict[str, list[str]],
    records: Iterator[Record],
    air: Air,
    *,
    speed: float,
    batch: int,
    expected_s: float | None,
    quiet: bool,
) -> None:
    try:
        for destination, told in people.items():
            sink.send(destination, told)
        tally = send(
            records, air, sink, speed=speed, batch_size=batch, expected_s=expected_s, console=console, quiet=quiet
        )
    except KeyboardInterrupt as interrupt:
        if interrupt.args and not quiet:
            _summary(sink, interrupt.args[0], rejected)
        sys.exit(EXIT_INTERRUPTED)
    except (SinkError, recordings.RecordingError) as error:
        _fail(str(error), EXIT_NOT_DELIVERED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has read enough
        sys.exit(0)
    if not quiet:
        _summary(sink, tally, rejected)
    for reason in rejected[:_SHOWN_REASONS]:
        console.print(f"rejected: {reason}", style="red", markup=False)
    if rejected:
        sys.exit(EXIT_REJECTED)


def _summary(sink: Sink, tally: Tally, rejected: list[str]) -> None:
    span = 0.0 if tally.first_us is None or tally.last_us is None else (tally.last_us - tally.first_us) / 1_000_000
    console.print(
        f"sent {tally.sent} packets of {span:.0f} s in {tally.ended - tally.began:.1f} s ({tally.rate:.0f}/s), "
        f"{tally.air.loss:.1%} lost by the radio, "
        f"{len(rejected)} rejected, {sink.retries} retries"
    )


def _sink(to: Target, url: str, broker: str, output: Path, rejected: list[str], shards: int) -> Sink:
    try:
        match to:
            case Target.HTTP:
                http = HttpSink(url, lambda _record, reason: rejected.append(reason), auth=key(INGEST))
                return DividedSink(http, shards)
            case Target.KAFKA:
                from scripts.delivery.kafka import KafkaSink  # noqa: PLC0415 (loaded only where it is asked for)

                return DividedSink(KafkaSink(broker), shards)
            case Target.JSONL:
                return LineSink(output)
            case Target.STDOUT:
                return LineSink(None)
    except (SinkError, KeyFormatError) as error:
        _fail(str(error), EXIT_BAD_INPUT)


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        _fail(f"--speed: {text!r} is neither a number nor max", EXIT_BAD_INPUT)
    return speed


def _length(text: str) -> float | None:
    if text == "endless":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        _fail(f"--seconds: {text!r} is neither a number of seconds nor endless", EXIT_BAD_INPUT)
    return seconds


def _start(text: str | None) -> int:
    if text is None:
        return time.time_ns() // 1000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _fail(f"--start: {text!r} is not RFC 3339", EXIT_BAD_INPUT)
    if moment.tzinfo is None:
        _fail(f"--start: {text!r} has no zone", EXIT_BAD_INPUT)
    return to_us(moment)


def _fail(text: str, code: int) -> NoReturn:
    console.print(text, style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def main() -> None:
    """Run the command line."""
    cli()
