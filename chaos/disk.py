"""Disks: full, and broken."""

import resource
import time
from contextlib import suppress
from pathlib import Path

from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from chaos.fault import Outcome, disturbed, fault
from chaos.load import Load
from chaos.stack import Stack

FULL_S = 20.0
PARTS_SQL = (
    "SELECT path, rows FROM system.parts WHERE active AND database = 'local' AND table = {table:String} "
    "ORDER BY rows DESC LIMIT 1"
)


@fault("ClickHouse's disk takes nothing for 20 s")
def full(stack: Stack) -> Outcome:
    """No file may grow (RLIMIT_FSIZE 0), as on a disk that is full: each write fails."""

    def fill(load: Load) -> float:
        process = stack.part("ClickHouse")
        unlimited = process.rlimit(resource.RLIMIT_FSIZE)
        process.rlimit(resource.RLIMIT_FSIZE, (0, unlimited[1]))
        try:
            load.await_heard(FULL_S)
        finally:
            with suppress(ProcessLookupError):
                process.rlimit(resource.RLIMIT_FSIZE, unlimited)
        return time.time()

    return disturbed(stack, Outcome("every beat"), fill)


@fault("a part of the raw packets' table corrupted, and a restart")
def corrupted(stack: Stack) -> Outcome:
    """Its largest part's data is overwritten. What is in it is gone; beats were made of it long before."""
    outcome = Outcome("every beat; all starts; the parts beside it are whole")

    def corrupt(load: Load) -> float:
        del load
        ((path, rows),) = stack.rows(PARTS_SQL, table="raw_ant_hr_packet")
        # The load goes on while the database is away: senders keep what they hear.
        stack.stop()
        spoiled = 0
        for file in Path(str(path)).glob("*.bin"):
            size = file.stat().st_size
            file.write_bytes(b"\xa5" * size)
            spoiled += size
        if not spoiled:
            outcome.broken.append(f"nothing was corrupted: no data in {path}")
        since = time.time()
        stack.start()
        try:
            stack.rows("SELECT count(), max(ant_hr_packet) FROM raw_ant_hr_packet")
            outcome.notes.append(f"{rows} raw packets were in the part; the table answers without them")
        except ClickHouseError as error:
            told = str(error)[:120]
            outcome.notes.append(f"{rows} raw packets were in the part; who reads the whole table is told {told!r}")
        return since

    return disturbed(stack, outcome, corrupt)
