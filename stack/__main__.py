"""`python -m stack dev` and `python -m stack demo`: what `make dev` and `make demo` run."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stack import board, settings
from stack.launcher import Mode, Stack, StackError, Stopped

EXIT_FAILED = 1
EXIT_ASKED_TO_STOP = 0

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="The whole of Beatstream on this machine.")
console = Console(highlight=False)


class Source(StrEnum):
    """Where the demonstration's heartbeats come from."""

    SYNTHETIC = "synthetic"
    """`generate-data`, over HTTP."""
    STICK = "stick"
    """`ingest-foo` with an emulated stick: the same people, through the whole of the USB path."""
    USB = "usb"
    """`ingest-foo` with the real sticks of this machine."""


ModeOption = Annotated[Mode, typer.Option("--stack", envvar="STACK", help="How the parts under Moose are run.")]


@cli.command()
def dev(mode: ModeOption = Mode.EMBEDDED) -> None:
    """Run the stack and the app, without data, until Ctrl-C."""
    _run(mode, None)


@cli.command()
def demo(
    mode: ModeOption = Mode.EMBEDDED,
    source: Annotated[Source, typer.Option(envvar="SOURCE", help="Where the heartbeats come from.")] = Source.SYNTHETIC,
    straps: Annotated[int, typer.Option(min=1, help="How many synthetic people.")] = 12,
) -> None:
    """Run the stack, the app and a class of people, until Ctrl-C."""
    _run(mode, lambda stack: _source(stack, source, straps))


def _run(mode: Mode, source: Callable[[Stack], list[str]] | None) -> None:
    stack = Stack(settings.load(Path.cwd()), mode, _say)
    _say(f"Starting Beatstream ({mode} stack); logs in {stack.settings.moose_log.parent}")
    code = EXIT_ASKED_TO_STOP
    try:
        with stack.running():
            _urls(stack)
            if source is not None:
                stack.start_part("straps", source(stack))
                board.show(console, stack.settings.moose_url, stack.check)
            else:
                stack.watch()
    except Stopped:
        console.print("Stopped.")
    except StackError as error:
        _say(str(error), style="bold red")
        code = EXIT_FAILED
    sys.exit(code)


def _say(line: str, style: str | None = None) -> None:
    # What logs, folders and people are called is no markup.
    console.print(line, style=style, markup=False, soft_wrap=True)


def _source(stack: Stack, source: Source, straps: int) -> list[str]:
    url = ["--url", stack.settings.moose_url]
    if source is Source.SYNTHETIC:
        return [sys.executable, "-m", "scripts.generate_data", "run", "--straps", str(straps), "--guests", "1", *url]
    spool = ["--spool", str(stack.settings.state / "ingest" / "spool"), "--wait"]
    emulated = ["--emulate", str(straps)] if source is Source.STICK else []
    return [sys.executable, "-m", "scripts.ingest_foo", *emulated, *url, *spool]


def _urls(stack: Stack) -> None:
    url = stack.settings.moose_url
    console.print(
        f"\nReady. The wall: {stack.settings.live_url}\n\nAsk it:\n"
        f"  curl '{url}/api/getLatestUserHeartRates'\n"
        f"  curl '{url}/api/getUserHeartRateStats?window_seconds=600'\n"
        f"  curl '{url}/api/get_group_hr_by_second?window_seconds=60'\n"
        f"  curl \"{url}/api/getHR?timestamp=$(date -u +%FT%TZ -d '-5 seconds')&window_seconds=3\"\n"
        f"Send to it: POST {url}/ingest/raw_ant_hr_packet and {url}/ingest/strap_assignment\n",
        soft_wrap=True,
        markup=False,
    )


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    cli()
