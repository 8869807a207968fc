"""`python -m stack.clickhouse server --config-file=config.xml`: the command line of `clickhouse`, as far as needed."""

import argparse
import os
import sys
from pathlib import Path

from stack.clickhouse import config, confinement

EXIT_FAILED = 1
STOP_WITHIN_S = 3


def main() -> int:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="clickhouse", description=__doc__)
    parser.add_argument("--version", "-V", action="store_true")
    commands = parser.add_subparsers(dest="command")
    server = commands.add_parser("server")
    server.add_argument("--config-file", "--config", "-C", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    if arguments.version or arguments.command != "server":
        print("ClickHouse server of Beatstream, over chDB")
        return 0 if arguments.version else EXIT_FAILED
    confinement.forget()
    try:
        settings = config.read(arguments.config_file)
    except config.ConfigError as error:
        print(f"clickhouse: {error}", file=sys.stderr)
        return EXIT_FAILED
    _settle(settings.path)
    return _serve(settings)


def _settle(data: Path) -> None:
    """Make the data folder all there is: for relative and temporary files, and, where Linux can, for everything."""
    temporary = data / config.TEMPORARY
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(temporary)
    os.chdir(data)
    if open_to := confinement.confine(data):
        print(f"clickhouse: only recognition keeps SQL from {open_to}", file=sys.stderr)


def _serve(settings: config.ServerConfig) -> int:
    # Only now: the engine starts threads as it is imported, and they shall be confined too.
    import uvicorn  # noqa: PLC0415

    from stack.clickhouse.engine import Engine, EngineError  # noqa: PLC0415
    from stack.clickhouse.server import ClickHouseApp  # noqa: PLC0415

    try:
        app = ClickHouseApp(settings, Engine(settings.path))
    except EngineError as error:
        print(f"clickhouse: {error}", file=sys.stderr)
        return EXIT_FAILED
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
