"""A home of its own for the Moose command, so that the user's ~/.moose is never touched.

Moose looks for a ClickHouse program in its home and would download one. Where an archive's digest lies beside it, Moose
takes what is there (embedded-clickhouse.md), so the embedded stack puts a program there that runs `stack.clickhouse`
and keeps it running.
"""

import sys
from pathlib import Path

_SOURCE = Path(__file__).resolve().parent.parent

_CLICKHOUSE_VERSION = "25.8.18.1"
_ARCHIVE_SHA256 = "5a554962c62074707e9890fff0e52e7aba003e084e03ad4dccba0609c7fd4173"
"""Digest of the release archive of that version for linux-amd64, as moose-cli 0.6.533 expects it."""


def prepare(home: Path, *, embedded: bool) -> None:
    """Lay the home out: telemetry off, and in the embedded stack the ClickHouse program."""
    moose = home / ".moose"
    moose.mkdir(parents=True, exist_ok=True)
    (moose / "config.toml").write_text("[telemetry]\nenabled = false\nis_moose_developer = false\n")
    platform = moose / "binaries" / "clickhouse" / f"{_CLICKHOUSE_VERSION}-lts" / "linux-amd64"
    program = platform / f"clickhouse-common-static-{_CLICKHOUSE_VERSION}" / "usr" / "bin" / "clickhouse"
    if not embedded:
        if program.exists() and program.read_bytes().startswith(b"#!"):
            # Left by an embedded run: Moose shall fetch the real one.
            program.unlink()
            (platform / ".artifact-sha256").unlink(missing_ok=True)
        return
    program.parent.mkdir(parents=True, exist_ok=True)
    program.unlink(missing_ok=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{_SOURCE}" exec "{sys.executable}" -m stack.clickhouse.kept "$@"\n')
    program.chmod(0o755)
    (platform / ".artifact-sha256").write_text(_ARCHIVE_SHA256)
