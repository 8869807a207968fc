"""`moose-cli` on a ClickHouse server of ours, without a stack: it plans the app's tables and makes them."""

import os
import subprocess
import sys
from pathlib import Path

from harness.beatstream import lay_out
from tests.clickhouse.server import PASSWORD, USER, Server

DATABASE = "beatstream"


class Moose:
    """The app, laid out, and the database that it is planned for."""

    def __init__(self, folder: Path, server: Server, settings: dict[str, str]) -> None:
        self._project = folder / "project"
        self._place = ["--clickhouse-url", f"http://{USER}:{PASSWORD}@127.0.0.1:{server.port}/{DATABASE}"]
        programs = Path(sys.executable).parent
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MOOSE_", "BEATSTREAM_"))},
            "HOME": str(folder),
            # Moose starts the first python3 on PATH.
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "MOOSE_TELEMETRY__ENABLED": "false",
            "MOOSE_CLICKHOUSE_CONFIG__DB_NAME": DATABASE,
            # Not Redis, which is not there.
            "MOOSE_STATE_CONFIG__STORAGE": "clickhouse",
            **settings,
        }
        lay_out(self._project)
        server.text(f"CREATE DATABASE {DATABASE}")
        # Moose would make it of Keeper's nodes, which our server has not.
        server.text(
            f"CREATE TABLE {DATABASE}._MOOSE_STATE (key String, value String, created_at DateTime DEFAULT now()) "
            "ENGINE = ReplacingMergeTree ORDER BY key"
        )

    def plan(self, settings: dict[str, str]) -> str:
        """What would be changed, with other settings."""
        return self._run({**self._env, **settings}, "plan")

    def migrate(self) -> None:
        """Make a plan and carry it out."""
        self._run(self._env, "generate", "migration", "--save", "--yes-all")
        assert "Migration completed successfully" in self._run(self._env, "migrate")

    def _run(self, env: dict[str, str], *command: str) -> str:
        done = subprocess.run(
            ["moose-cli", *command, *self._place],
            cwd=self._project,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
