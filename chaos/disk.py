"""Disks: full, and broken."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from chaos.fault import Outcome, disturbed, fault
from chaos.load import Load
from chaos.stack import Stack

FULL_S = 20.0
ROOM_BYTES = 300_000_000
_FILLED_EVERY_S = 0.02


@fault(f"ClickHouse's disk full for {FULL_S:.0f} s")
def full(stack: Stack) -> Outcome:
    """Its data on a disk of its own, which something else fills."""
    outcome = Outcome("every beat; what comes meanwhile too")
    with _disk_of_its_own(stack) as disk:

        def fill(load: Load) -> float:
            del load
            ballast = disk / "ballast"
            until = time.monotonic() + FULL_S
            with ballast.open("wb", buffering=0) as file:
                # Over and over: merges make room, too.
                while time.monotonic() < until:
                    with suppress(OSError):
                        while True:
                            file.write(bytes(1 << 16))
                    time.sleep(_FILLED_EVERY_S)
            ballast.unlink()
            return time.time()

        disturbed(stack, outcome, fill)
    return outcome


@contextmanager
def _disk_of_its_own(stack: Stack) -> Iterator[Path]:
    """Restarts the stack with its database on a small disk, and back."""
    data = stack.project / ".moose" / "native_infra" / "clickhouse" / "data"
    aside = data.with_name("aside")
    stack.stop()
    data.rename(aside)
    data.mkdir()
    size = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file()) + ROOM_BYTES
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", data], check=True)  # noqa: S603, S607 (ours)
    try:
        shutil.copytree(aside, data, dirs_exist_ok=True, symlinks=True)
        stack.start()
        yield data
        stack.stop()
        shutil.rmtree(aside)
        shutil.copytree(data, aside, symlinks=True)
    finally:
        # Where all has failed somebody may still have files open there.
        subprocess.run(["umount", "--lazy", data], check=True)  # noqa: S603, S607 (ours)
    data.rmdir()
    aside.rename(data)
    stack.start()


@fault("a part of the raw packets' table corrupted, and a restart")
def corrupted(stack: Stack) -> Outcome:
    """Its largest part's data is overwritten. What is in it is gone; beats were made of it long before."""
    outcome = Outcome("every beat; all starts; the parts beside it are whole")

    def corrupt(load: Load) -> float:
        del load
        ((paths,),) = stack.rows("SELECT data_paths FROM system.tables WHERE name = 'raw_ant_hr_packet'")
        # The load goes on while the database is away: senders keep what they hear.
        stack.stop()
        part = max(Path(paths[0]).glob("*_*_*_*"), key=_data_bytes)
        rows = (part / "count.txt").read_text()
        if not _data_bytes(part):
            outcome.broken.append(f"nothing was corrupted: no data in {part}")
        for file in part.glob("*.bin"):
            file.write_bytes(b"\xa5" * file.stat().st_size)
        began = time.time()
        stack.start()
        since = time.time()
        outcome.notes.append(f"the restart took {since - began:.1f} s; recovery counts from its end")
        try:
            stack.rows("SELECT count(), max(ant_hr_packet) FROM raw_ant_hr_packet")
            outcome.notes.append(f"{rows} raw packets were in the part; the table answers without them")
        except ClickHouseError as error:
            told = str(error)[:120]
            outcome.notes.append(f"{rows} raw packets were in the part; who reads the whole table is told {told!r}")
        return since

    return disturbed(stack, outcome, corrupt)


def _data_bytes(part: Path) -> int:
    return sum(file.stat().st_size for file in part.glob("*.bin"))
