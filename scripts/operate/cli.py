"""`beatstream`: the command line."""

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.delivery.keys import KeyFormatError
from scripts.operate import status as stack
from scripts.operate.broker import Broker, BrokerError
from scripts.operate.decisions import State, Step
from scripts.operate.desk import Desk, Outcome, Retry, Sequel
from scripts.operate.letters import Letter, printable
from scripts.operate.pipeline import queue_of
from scripts.operate.settings import Settings, load
from scripts.signals import set_on_signals

RECORD_CHARACTERS = 60
LEAST_OF_AN_ID = 4


class Exit(IntEnum):
    """Exit codes of `dlq` and `metrics`."""

    DONE = 0
    FAILED_AGAIN = 1
    BAD_INPUT = 2
    AWAY = 3


class Shown(StrEnum):
    """Which letters to list."""

    OPEN = "open"
    RETRIED = "retried"
    DROPPED = "dropped"
    ALL = "all"


_STATES = {
    Shown.OPEN: (State.OPEN, State.RETRYING),
    Shown.RETRIED: (State.RETRIED,),
    Shown.DROPPED: (State.DROPPED,),
    Shown.ALL: tuple(State),
}

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="What an operator does with a running Beatstream.\n\n"
    "[bold]Examples[/]\n\n"
    "beatstream status [dim]is it healthy? exit code 0: yes, 1: degraded, 2: down[/]\n\n"
    "beatstream dlq list [dim]what could not be taken, and why[/]\n\n"
    "beatstream dlq retry --all --queue raw_ant_hr_packet [dim]send it again[/]\n\n"
    "beatstream metrics --port 9464 [dim]figures for Prometheus[/]",
)
dlq = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Dead letters: what could not be taken.\n\n"
    "[bold]Exit codes[/]: 0 done; 1 something failed again, or cannot be retried; 2 bad input; "
    "3 the broker or Moose does not answer.",
)
cli.add_typer(dlq, name="dlq")
out = Console(highlight=False)
console = Console(stderr=True, highlight=False)

Url = Annotated[str | None, typer.Option(help="Where Moose answers.", envvar="BEATSTREAM_URL")]
BrokerAt = Annotated[str | None, typer.Option("--broker", help="Where the broker is.")]
ClickHouse = Annotated[str | None, typer.Option(help="Where ClickHouse answers HTTP.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Queue = Annotated[str | None, typer.Option(help="A stream, or its dead letter queue.")]
Where = Annotated[str | None, typer.Option(help="Only letters with this text in their reason or record.")]
All = Annotated[bool, typer.Option("--all", help="All open letters; with --queue or --where: of those.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Letters, by the beginning of their id.", show_default=False)]


@cli.command()
def status(
    url: Url = None,
    broker: BrokerAt = None,
    clickhouse: ClickHouse = None,
    wall: Annotated[str | None, typer.Option(help="Where the wall answers.", envvar="BEATSTREAM_WALL_URL")] = None,
    logs: Annotated[Path | None, typer.Option(help="Moose's log folder. Default: .beatstream/logs here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at every part, within ten seconds. Exit code 0: healthy, 1: degraded, 2: down."""
    settings = load(url=url, broker=broker, clickhouse=clickhouse, wall=wall, logs=logs)
    findings = stack.examine(settings)
    health = stack.health(findings)
    if as_json:
        told = [
            {"part": each.part, "verdict": each.verdict.name.lower(), "what": each.what, **each.figures}
            for each in findings
        ]
        _json({"health": health.name.lower(), "at": datetime.now(UTC).isoformat(), "findings": told})
    else:
        _show(findings, health)
    _leave(health)


def _show(findings: list[stack.Finding], health: stack.Health) -> None:
    looks = {
        stack.Verdict.GOOD: ("ok", "green"),
        stack.Verdict.NOTE: ("note", "cyan"),
        stack.Verdict.DEGRADED: ("BAD", "yellow"),
        stack.Verdict.DOWN: ("DOWN", "bold red"),
    }
    good = Counter(finding.kind for finding in findings if finding.verdict is stack.Verdict.GOOD)
    lines: dict[tuple[str, str], stack.Verdict] = {}
    for finding in findings:
        alike = finding.verdict is stack.Verdict.GOOD and finding.kind
        line = (f"{finding.kind}s", f"{good[finding.kind]} keep up") if alike else (finding.part, finding.what)
        lines[line] = finding.verdict
    wide = max(len(part) for part, _ in lines)
    for (part, what), verdict in lines.items():
        word, style = looks[verdict]
        out.print(Text.assemble((f"{word:>4}", style), f"  {part:<{wide}}  {printable(what)}"), soft_wrap=True)
    style = {stack.Health.HEALTHY: "bold green", stack.Health.DEGRADED: "bold yellow"}.get(health, "bold red")
    out.print(health.name.capitalize(), style=style)


@cli.command()
def metrics(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0: wherever is free.")] = 9464,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    broker: BrokerAt = None,
    clickhouse: ClickHouse = None,
) -> None:
    """Serve figures for Prometheus at /metrics, until Ctrl-C."""
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 (only what is asked for is loaded)

    from scripts.operate.metrics import BeatstreamCollector  # noqa: PLC0415 (as above)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(BeatstreamCollector(load(broker=broker, clickhouse=clickhouse)))
    ended = threading.Event()
    with set_on_signals(ended):
        try:
            server, _ = start_http_server(port, host, registry)
        except OSError as error:
            _fail(f"{host}:{port}: {error.strerror}", Exit.BAD_INPUT)
        console.print(f"http://{host}:{server.server_port}/metrics", soft_wrap=True)
        ended.wait()
        server.shutdown()
    _leave(Exit.DONE)


@dlq.command("list")
def list_letters(
    queue: Queue = None,
    where: Where = None,
    shown: Annotated[Shown, typer.Option("--state", help="Which letters.")] = Shown.OPEN,
    last: Annotated[int, typer.Option(min=0, help="So many of them, the newest first.")] = 20,
    broker: BrokerAt = None,
    as_json: AsJson = False,
) -> None:
    """How many there are on each queue, and the newest."""
    with _desk(load(broker=broker)) as desk:
        named = _queue(desk, queue)
        chosen = desk.choose(named, where, _STATES[shown])[::-1]
        counts = {name: count for name, count in desk.counts().items() if named in (None, name)}
        if as_json:
            _json(
                {
                    "queues": [{"queue": name, **count._asdict()} for name, count in counts.items()],
                    "letters": [_told(desk, letter) for letter in chosen[:last]],
                }
            )
            return
        table = Table("queue", box=None, pad_edge=False)
        for column in ("open", "retried", "dropped"):
            table.add_column(column, justify="right")
        for name, count in counts.items():
            table.add_row(
                name,
                Text(str(count.open), "bold yellow" if count.open else "dim"),
                str(count.retried),
                str(count.dropped),
            )
        out.print(table)
        for letter in chosen[:last]:
            out.print()
            _line(desk, letter)
        if len(chosen) > last:
            out.print(f"\n… and {len(chosen) - last} older: --last {len(chosen)}", style="dim")


def _line(desk: Desk, letter: Letter) -> None:
    state = desk.state(letter)
    out.print(
        Text.assemble(
            (letter.id, "bold"),
            f"  {letter.at:%Y-%m-%d %H:%M:%S}  {letter.queue}",
            ("" if state is State.OPEN else f"  {state}", "dim"),
        ),
        soft_wrap=True,
    )
    out.print(Text(f"  {printable(letter.why)}"), soft_wrap=True)
    out.print(Text(f"  {letter.text(RECORD_CHARACTERS)}", "dim"), soft_wrap=True)


@dlq.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID")], broker: BrokerAt = None, as_json: AsJson = False
) -> None:
    """Everything that is known of a letter."""
    with _desk(load(broker=broker)) as desk:
        (letter,) = _named(desk, [letter_id])
        told = _told(desk, letter)
        if as_json:
            _json(told)
            return
        for name, value in told.items():
            text = value if isinstance(value, str) else json.dumps(value, indent=2)
            lines = "\n".join(map(printable, text.split("\n")))
            out.print(Text.assemble((f"{name}: ", "bold"), lines), soft_wrap=True)


def _told(desk: Desk, letter: Letter) -> dict[str, Any]:
    decision = desk.ledger.last(letter.id)
    told: dict[str, Any] = {
        "id": letter.id,
        "queue": letter.queue,
        "partition": letter.partition,
        "offset": letter.offset,
        "at": letter.at.isoformat(),
        "state": desk.state(letter),
        "why": letter.why,
        "error": letter.error,
        "source": letter.source,
        "record": letter.record,
        "cannot_be_retried": letter.hopeless,
        "decision": None if decision is None else decision.record(),
    }
    if decision is not None and decision.decision is Step.CLAIMED and desk.state(letter) is State.OPEN:
        told["note"] = "a retry was cut off: nobody knows whether the record was sent"
    return told


@dlq.command()
def retry(
    letter_ids: Ids = None,
    everything: All = False,
    queue: Queue = None,
    where: Where = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for what becomes of the records.")] = 5.0,
    url: Url = None,
    broker: BrokerAt = None,
    as_json: AsJson = False,
) -> None:
    """Send the records of letters again to where they came from.

    What fails again becomes a new letter. A letter is sent once, however often this is run.
    """
    _check_choice(letter_ids, queue, where, everything=everything)
    with _desk(load(url=url, broker=broker)) as desk:
        chosen = _chosen(desk, letter_ids, queue, where)
        known = set(desk.letters)
        hopeless = {each.id: each.hopeless for each in chosen if each.hopeless and desk.state(each) is State.OPEN}
        results = list(desk.retry(letter for letter in chosen if letter.id not in hopeless))
        sent = [each.letter for each in results if each.outcome in (Outcome.TAKEN, Outcome.REFUSED)]
        sequel = desk.follow(sent, known, wait) if sent else Sequel({}, settled=True)
        lines = [
            *({"id": letter_id, "result": "not retried", "why": why} for letter_id, why in hopeless.items()),
            *(_retried(desk, result, sequel) for result in results),
        ]
        if as_json:
            _json({"letters": lines})
        for line in () if as_json else lines:
            why = f": {printable(line['why'])}" if line["why"] else ""
            out.print(f"{line['id']}  {line['result']}{why}", soft_wrap=True, markup=False)
        left = len(chosen) - len(lines)
        if not as_json and (left or not lines):
            out.print(f"{left} letters were not tried" if left else "nothing to retry")
        if left or any(each.outcome in (Outcome.AWAY, Outcome.UNSURE) for each in results):
            _leave(Exit.AWAY)
        refused = any(each.outcome is Outcome.REFUSED for each in results)
        _leave(Exit.FAILED_AGAIN if hopeless or sequel.again or refused else Exit.DONE)


def _retried(desk: Desk, result: Retry, sequel: Sequel) -> dict[str, Any]:
    new = sequel.again.get(result.letter.id)
    told, why = {
        Outcome.TAKEN: ("retried", "" if sequel.settled else "its function has not come to it yet"),
        Outcome.REFUSED: ("failed again", result.why),
        Outcome.ELSEWHERE: ("nothing to do", _decided(desk, result.letter)),
        Outcome.AWAY: ("not retried", result.why),
        Outcome.UNSURE: ("perhaps retried", f"{result.why}; the letter is open again in a minute"),
    }[result.outcome]
    if new is not None:
        told, why = "failed again", f"{new.why} (letter {new.id})"
    return {"id": result.letter.id, "result": told, "why": why, "new_letter": None if new is None else new.id}


def _decided(desk: Desk, letter: Letter) -> str:
    decision = desk.ledger.last(letter.id)
    if decision is None:
        return desk.state(letter)
    why = f" ({decision.reason})" if decision.reason else ""
    return f"{desk.state(letter)} by {decision.decided_by} at {decision.at:%Y-%m-%d %H:%M:%S}{why}"


@dlq.command()
def drop(
    reason: Annotated[str, typer.Option(help="Why nobody needs them.")],
    letter_ids: Ids = None,
    everything: All = False,
    queue: Queue = None,
    where: Where = None,
    broker: BrokerAt = None,
) -> None:
    """Mark letters as not wanted. They stay on their topic until the broker forgets them."""
    _check_choice(letter_ids, queue, where, everything=everything)
    with _desk(load(broker=broker)) as desk:
        chosen = _chosen(desk, letter_ids, queue, where)
        dropped = {letter.id for letter in desk.drop(chosen, reason)}
        for letter in () if everything else chosen:
            how = "dropped" if letter.id in dropped else f"nothing to do: {_decided(desk, letter)}"
            out.print(f"{letter.id}  {how}", soft_wrap=True, markup=False)
        if everything:
            out.print(f"{len(dropped)} dropped")
        _leave(Exit.DONE)


def _check_choice(letter_ids: list[str] | None, queue: str | None, where: str | None, *, everything: bool) -> None:
    if everything == bool(letter_ids):
        _fail("name letters by their ids, or say --all", Exit.BAD_INPUT)
    if letter_ids and (queue is not None or where is not None):
        _fail("--queue and --where go with --all", Exit.BAD_INPUT)
    for beginning in letter_ids or []:
        if len(beginning) < LEAST_OF_AN_ID:
            _fail(f"{beginning}: give {LEAST_OF_AN_ID} characters of an id, or more", Exit.BAD_INPUT)


def _chosen(desk: Desk, letter_ids: list[str] | None, queue: str | None, where: str | None) -> list[Letter]:
    """The letters that are named, else all open ones."""
    return _named(desk, letter_ids) if letter_ids else desk.choose(_queue(desk, queue), where, (State.OPEN,))


def _named(desk: Desk, letter_ids: list[str]) -> list[Letter]:
    found: dict[str, Letter] = {}
    for beginning in letter_ids:
        letters = desk.find(beginning)
        if len(letters) != 1:
            _fail(f"{beginning}: " + ("several letters begin so" if letters else "no such letter"), Exit.BAD_INPUT)
        found[letters[0].id] = letters[0]
    return list(found.values())


def _queue(desk: Desk, name: str | None) -> str | None:
    if name is None:
        return None
    queue = queue_of(name)
    if queue not in desk.queues:
        _fail(f"--queue: there is no {queue}; there are {', '.join(desk.queues)}", Exit.BAD_INPUT)
    return queue


@contextmanager
def _desk(settings: Settings) -> Iterator[Desk]:
    broker = Broker(settings)
    desk = Desk(settings, broker)
    try:
        desk.read()
        yield desk
    except BrokerError as error:
        _fail(str(error), Exit.AWAY)
    finally:
        broker.close()


def _json(told: Any) -> None:
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def _leave(code: int) -> NoReturn:
    sys.exit(code)


def _fail(text: str, code: Exit) -> NoReturn:
    console.print(text, style="red", markup=False, soft_wrap=True)
    _leave(code)


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except KeyFormatError as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(Exit.BAD_INPUT)
