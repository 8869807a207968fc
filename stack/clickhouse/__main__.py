"""`python -m stack.clickhouse server --config-file=config.xml`: the command line of `clickhouse`, as far as needed."""

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from stack.clickhouse import config
from stack.clickhouse.engine import Engine, EngineError
from stack.clickhouse.server import ClickHouseApp

EXIT_FAILED = 1
STOP_WITHIN_S = 3


def main() -> int:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="clickhouse", description=__doc__)
    parser.add_argument("--version", "-V", action="store_true")
    commands = parser.add_subparsers(dest="command")
    server = commands.add_parser("server")
    server.add_argument("--config-file", "--config", "-C", type=Path, required=True)
    server.add_argument("--pid-file", "--pidfile", "-P", type=Path)
    arguments, _ = parser.parse_known_args()
    if arguments.version or arguments.command != "server":
        print("ClickHouse server of Beatstream, over chDB")
        return 0 if arguments.version else EXIT_FAILED
    try:
        settings = config.read(arguments.config_file)
        app = ClickHouseApp(settings, Engine(settings.path))
    except (config.ConfigError, EngineError) as error:
        print(f"clickhouse: {error}", file=sys.stderr)
        return EXIT_FAILED
    if arguments.pid_file:
        arguments.pid_file.write_text(f"{os.getpid()}\n")
    try:
        uvicorn.run(
            app,
            host="127.0.0.1",
            port=settings.http_port,
            http="httptools",
            loop="uvloop",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            date_header=False,
            timeout_keep_alive=600,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    finally:
        app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
