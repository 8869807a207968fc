"""`python -m live`: the wall display's server."""

import os
import signal
from typing import Annotated

import typer
import uvicorn
from uvicorn.config import LOGGING_CONFIG

from live.access import Tokens
from live.json_log import LogFormat, write_json
from live.server import create
from live.settings import DEFAULT_PORT, Settings

STOP_GRACE_S = 3


def main(
    moose_url: Annotated[str, typer.Option(help="Where Moose answers.")] = "http://127.0.0.1:4000",
    broker: Annotated[
        str, typer.Option(help="The broker.", envvar="MOOSE_REDPANDA_CONFIG__BROKER")
    ] = "localhost:19092",
    namespace: Annotated[str, typer.Option(help="Of the topics.", envvar="MOOSE_REDPANDA_CONFIG__NAMESPACE")] = "",
    host: Annotated[str, typer.Option(help="Where to listen.", envvar="BEATSTREAM_LIVE_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen.", envvar="BEATSTREAM_LIVE_PORT")] = DEFAULT_PORT,
    log_format: Annotated[LogFormat, typer.Option(help="Of the log.", envvar="BEATSTREAM_LOG_FORMAT")] = LogFormat.TEXT,
) -> None:
    """Serve the wall display until Ctrl-C."""
    if log_format is LogFormat.JSON:
        write_json()
    # uvicorn ends in order, and then raises the signal again: to have been asked is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    try:
        tokens = Tokens.of_environment()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    settings = Settings(
        moose_url=moose_url,
        broker=broker,
        namespace=namespace,
        tokens=tokens,
        # From the environment only, as are the room's: everybody may read a process's options.
        ingest_token=os.environ.get("BEATSTREAM_INGEST_TOKEN") or None,
        api_token=os.environ.get("BEATSTREAM_API_TOKEN") or None,
    )
    uvicorn.run(
        create(settings),
        host=host,
        port=port,
        log_config=LOGGING_CONFIG if log_format is LogFormat.TEXT else None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_GRACE_S,
    )


if __name__ == "__main__":
    typer.run(main)
