"""`ingest-foo`: the command line."""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, NoReturn

import httpx
import typer
from rich.console import Console

from app.heartrate.device_number import InvalidDeviceId
from app.heartrate.sharding import MOST_SHARDS
from app.heartrate.strap_id import check_strap_id
from scripts.delivery.divided import DividedSink
from scripts.delivery.keys import API, INGEST, KeyFormatError, key, without_password
from scripts.delivery.records import assignment, profile
from scripts.delivery.sink import ASSIGNMENT, PROFILE, Sink, SinkError
from scripts.ingest_foo import doctor
from scripts.ingest_foo.clock import ReceiverClock, kernel_synchronised
from scripts.ingest_foo.display import Display
from scripts.ingest_foo.names import Names
from scripts.ingest_foo.sender import RejectedRecords, Sender, http_sink
from scripts.ingest_foo.service import Intake, Keeper, Service, Source
from scripts.ingest_foo.spool import Spool, SpoolError, cut_torn_line
from scripts.ingest_foo.stick.errors import StickError, Trouble
from scripts.ingest_foo.stick.supervisor import Supervisor
from scripts.ingest_foo.stick.usb_stick import UDEV_RULE, UDEV_RULE_FILE, default_backend
from scripts.ingest_foo.straps import Straps
from scripts.signals import set_on_signals

if TYPE_CHECKING:
    from scripts.ingest_foo.bluetooth import BluetoothSource
    from scripts.ingest_foo.emulator.world import World


class Exit(IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    NO_STICK = 3
    NO_PERMISSION = 4
    BUSY = 5
    SILENT = 6
    NOT_DELIVERED = 7


_EXIT_OF = {
    Trouble.MISSING: Exit.NO_STICK,
    Trouble.UNPLUGGED: Exit.NO_STICK,
    Trouble.NO_LIBUSB: Exit.NO_STICK,
    Trouble.NO_PERMISSION: Exit.NO_PERMISSION,
    Trouble.BUSY: Exit.BUSY,
    Trouble.SILENT: Exit.SILENT,
    Trouble.REFUSED: Exit.SILENT,
    Trouble.USB: Exit.SILENT,
}


class Target(StrEnum):
    """Where to send."""

    HTTP = "http"
    KAFKA = "kafka"


cli = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    help="ANT+ USB stick and Bluetooth straps to Beatstream: started once and forgotten.\n\n"
    "[bold]Examples[/]\n\n"
    "ingest-foo [dim]every strap that the sticks hear, to this machine[/]\n\n"
    "ingest-foo --wait --url http://server:4000 [dim]as a service; a stick may come later[/]\n\n"
    "ingest-foo --emulate 12 [dim]without hardware: twelve synthetic people[/]\n\n"
    "ingest-foo doctor [dim]what is wrong with this machine?[/]\n\n"
    "[bold]Exit codes[/]: 0 ended as asked, all delivered; 1 internal error; 2 bad input; 3 no stick; "
    "4 no permission; 5 stick in use by another program; 6 stick does not answer; "
    "7 ended as asked, records wait in the spool for the next start.",
)
console = Console(stderr=True, highlight=False)


def state_folder() -> Path:
    """Where the spool lives by default: systemd's state directory, else the user's."""
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ingest-foo"


Url = Annotated[
    str,
    typer.Option(
        help="Where Beatstream (Moose) answers. Its keys, if any, in the environment: BEATSTREAM_INGEST_TOKEN, "
        "BEATSTREAM_API_TOKEN.",
        envvar="BEATSTREAM_URL",
    ),
]
SpoolFolder = Annotated[Path | None, typer.Option("--spool", help="Folder for what is not delivered yet.")]


@cli.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    url: Url = "http://localhost:4000",
    to: Annotated[
        Target, typer.Option("--to", help="http: the ingest API; kafka: the topics (needs confluent-kafka).")
    ] = Target.HTTP,
    broker: Annotated[str, typer.Option(help="For --to kafka.")] = "localhost:19092",
    shards: Annotated[
        int, typer.Option(min=1, max=MOST_SHARDS, envvar="BEATSTREAM_SHARDS", help="Beatstream runs with so many.")
    ] = 1,
    stick: Annotated[
        list[str] | None, typer.Option(help="Only the stick with this serial number (several: repeat).")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Without a usable stick: wait for one, do not exit.")] = False,
    ble: Annotated[bool, typer.Option("--ble", help="Also listen to Bluetooth straps.")] = False,
    no_ant: Annotated[bool, typer.Option("--no-ant", help="No ANT+ sticks (with --ble).")] = False,
    only: Annotated[str, typer.Option(help="Only these straps (comma separated).")] = "",
    ignore: Annotated[str, typer.Option(help="Not these straps (comma separated).")] = "",
    receiver_id: Annotated[
        str | None, typer.Option(help="Name of this receiver. Default: usb- and the stick's serial number.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Also write a raw log (.jsonl), which generate-data replay takes. One that is there is continued."
        ),
    ] = None,
    spool: SpoolFolder = None,
    spool_limit: Annotated[int, typer.Option(min=1, help="Megabytes that the spool may take.")] = 1000,
    health: Annotated[Path | None, typer.Option(help="Health file. Default: health.json beside the spool.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    emulate: Annotated[int, typer.Option(min=0, help="So many synthetic people on an emulated stick.")] = 0,
    emulate_ble: Annotated[int, typer.Option(min=0, help="So many on emulated Bluetooth straps.")] = 0,
    emulate_loss: Annotated[float, typer.Option(min=0, max=1, help="Share that the emulated radio loses.")] = 0.03,
    emulate_fault: Annotated[
        list[str] | None,
        typer.Option(help="kind:at:seconds, where kind is unplug, hang, busy, noise or clock (a step)."),
    ] = None,
    emulate_log: Annotated[
        Path | None, typer.Option(help="Where the emulated stick writes what it has sent (.jsonl).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Which synthetic people.")] = 1,
    no_register: Annotated[bool, typer.Option("--no-register", help="Do not register the synthetic people.")] = False,
) -> None:
    """Run the ingest."""
    if context.invoked_subcommand is not None:
        return
    chosen_only, chosen_ignore = _straps("--only", only), _straps("--ignore", ignore)
    _check_url(url)
    if no_ant and not (ble or emulate_ble):
        _fail("--no-ant leaves nothing to listen to; add --ble", Exit.BAD_INPUT)
    folder = spool or state_folder() / "spool"
    stopping = threading.Event()
    with ExitStack() as stack, set_on_signals(stopping):
        kept = _spool(folder, spool_limit)
        raw_log = None if record is None else stack.enter_context(_raw_log(record))
        display = stack.enter_context(Display(console, quiet=quiet))
        world = _world(emulate, emulate_ble, emulate_loss, emulate_fault or [], emulate_log, seed)
        clock = ReceiverClock(
            wall_ns=time.time_ns if world is None else world.wall_ns,
            synchronised=kernel_synchronised if world is None else world.synchronised,
            notice=lambda step_s, follows: display.say(
                f"the system's clock was set by {step_s:+.1f} s; the packets' times "
                + ("follow it" if follows else "go on as before")
            ),
        )
        straps = Straps(Keeper(kept, raw_log, display.say), chosen_only, chosen_ignore)
        intake = Intake(display.say)
        rejected = RejectedRecords(folder / "rejected.jsonl", display.say)
        sender = Sender(kept, display.say, rejected)
        sink = DividedSink(_sink(to, url, broker, rejected, sender), shards)
        try:
            supervisor = None
            sources: list[Source] = []
            if not no_ant and (world is None or world.usb is not None):
                usb = default_backend() if world is None else world.usb
                supervisor = Supervisor(
                    usb,
                    clock,
                    intake.into(straps.hear),
                    display.say,
                    serials=stick or (),
                    receiver_id=receiver_id,
                    patient=wait,
                )
                sources.append(supervisor)
            if ble or emulate_ble:
                sources.append(_bluetooth(world, clock, intake, straps, display, receiver_id))
            if world is not None:
                sources.append(world)
                since_us = world.registered_from_us
                for device_id, person in () if no_register else world.wearers():
                    kept.append(ASSIGNMENT, assignment(device_id, person.user_id, person.name, since_us))
                    kept.append(PROFILE, profile(person.user_id, person.name, since_us, **asdict(person.told)))
            service = Service(
                clock=clock,
                intake=intake,
                straps=straps,
                spool=kept,
                sender=sender,
                sink=sink,
                rejected=rejected,
                display=display,
                health_file=health or folder.parent / "health.json",
                names=Names(url, sender.stopping, _key(API)),
                supervisor=supervisor,
            )
            delivered = service.run(sources, stopping, seconds=seconds, wait=wait)
        except StickError as error:
            stack.close()
            hint = " (--no-ant: Bluetooth straps only; --wait: a stick may come later)" if ble else ""
            _fail(f"{error}{hint}", _EXIT_OF[error.trouble])
    service.report()
    if kept.pending > kept.in_memory and not quiet:
        console.print(f"what waits is kept in {folder} and sent at the next start", soft_wrap=True)
    if kept.in_memory and not quiet:
        console.print(f"{kept.in_memory} records are lost: the disk of {folder} did not take them", soft_wrap=True)
    sys.exit(Exit.DONE if delivered else Exit.NOT_DELIVERED)


@cli.command("doctor")
def examine(url: Url = "http://localhost:4000", spool: SpoolFolder = None) -> None:
    """Check this machine, and say what to do."""
    colours = {doctor.Verdict.GOOD: "green", doctor.Verdict.WARNING: "yellow", doctor.Verdict.BAD: "red bold"}

    def show(finding: doctor.Finding) -> None:
        colour = colours[finding.verdict]
        out.print(f"[{colour}]{finding.verdict:>4}[/]  {finding.what}", soft_wrap=True)
        if finding.advice:
            out.print(f"      → {finding.advice}", soft_wrap=True, style="dim")

    out = Console(highlight=False)
    good = doctor.say(doctor.examine(url, spool or state_folder() / "spool"), show)
    out.print("All is well." if good else "Something needs your help.", style="bold")
    sys.exit(Exit.DONE if good else Exit.FAILED)


@cli.command()
def udev(
    install: Annotated[bool, typer.Option("--install", help="Write the rule and load it (as root).")] = False,
) -> None:
    """Print the udev rule that lets users have the sticks, or install it."""
    if not install:
        print(UDEV_RULE, end="")
        console.print(f"\nPut this into {UDEV_RULE_FILE}, or run: sudo ingest-foo udev --install", style="dim")
        return
    try:
        UDEV_RULE_FILE.write_text(UDEV_RULE)
    except OSError as error:
        _fail(f"{UDEV_RULE_FILE}: {error.strerror}; run it with sudo", Exit.NO_PERMISSION)
    for command in (["udevadm", "control", "--reload"], ["udevadm", "trigger", "--subsystem-match=usb"]):
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            _fail(f"{UDEV_RULE_FILE} is written, but not loaded ({error}); restart the machine", Exit.FAILED)
    console.print(f"{UDEV_RULE_FILE} is installed; plug the stick in again")


def _world(
    people: int, bluetooth_people: int, loss: float, faults: list[str], log: Path | None, seed: int
) -> "World | None":
    if not people and not bluetooth_people:
        return None
    from scripts.ingest_foo.emulator.world import World  # noqa: PLC0415 (only what is asked for is loaded)

    try:
        return World(people, bluetooth_people, loss=loss, faults=faults, log=log, seed=seed)
    except (ValueError, OSError) as error:
        _fail(f"--emulate-fault or --emulate-log: {error}", Exit.BAD_INPUT)


def _bluetooth(
    world: "World | None",
    clock: ReceiverClock,
    intake: Intake,
    straps: Straps,
    display: Display,
    receiver_id: str | None,
) -> "BluetoothSource":
    from scripts.ingest_foo.bluetooth import BluetoothSource  # noqa: PLC0415 (as above: bleak is large)

    scanner, client = (None, None) if world is None or not world.has_bluetooth else world.bluetooth
    return BluetoothSource(
        clock,
        intake.into(straps.hear_bluetooth),
        display.say,
        straps.takes,
        receiver_id=receiver_id,
        scanner=scanner,
        client=client,
    )


def _sink(to: Target, url: str, broker: str, rejected: RejectedRecords, sender: Sender) -> Sink:
    if to is Target.HTTP:
        return http_sink(url, sender, rejected, _key(INGEST))
    try:
        from scripts.delivery.kafka import KafkaSink  # noqa: PLC0415 (an extra of its own)

        return KafkaSink(broker, give_up_after_s=10.0)
    except ImportError:
        _fail("--to kafka needs the package confluent-kafka: pip install confluent-kafka", Exit.BAD_INPUT)
    except SinkError as error:
        _fail(str(error), Exit.BAD_INPUT)


def _key(variable: str) -> httpx.Auth | None:
    try:
        return key(variable)
    except KeyFormatError as error:
        _fail(str(error), Exit.BAD_INPUT)


def _spool(folder: Path, limit_mb: int) -> Spool:
    try:
        return Spool(folder, limit_mb * 1_000_000)
    except SpoolError as error:
        _fail(str(error), Exit.BAD_INPUT)


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        _fail(f"--url: {without_password(url)!r}: {error}", Exit.BAD_INPUT)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        _fail(f"--url: {without_password(url)!r} is not like http://server:4000", Exit.BAD_INPUT)


def _raw_log(file: Path) -> IO[str]:
    try:
        if file.is_file():
            cut_torn_line(file)
        return file.open("a", buffering=1)
    except OSError as error:
        _fail(f"--record: {error}", Exit.BAD_INPUT)


def _straps(option: str, text: str) -> list[str]:
    chosen = [part.strip() for part in text.split(",") if part.strip()]
    for device_id in chosen:
        try:
            check_strap_id(device_id)
        except InvalidDeviceId as error:
            _fail(f"{option}: {error}", Exit.BAD_INPUT)
    return chosen


def _fail(text: str, code: Exit) -> NoReturn:
    console.print(text, style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def main() -> None:
    """Run the command line."""
    cli()
