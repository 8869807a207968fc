"""`make chaos`: every fault in turn; `ONLY="kill -9|disk"` (a regular expression): those. A table at the end.

Exit code 1: a promise was broken.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from chaos.fault import Outcome
from chaos.faults import ALL
from chaos.results import Results, table
from chaos.stack import Stack

console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


MOUNTING = ("unshare", "--user", "--map-root-user", "--mount")


def _become_able_to_mount() -> None:
    """One fault makes a disk, which takes root: of this machine, or of a namespace of one's own."""
    if os.geteuid() == 0 or not shutil.which(MOUNTING[0]):
        return
    if subprocess.run([*MOUNTING, "true"], check=False).returncode == 0:  # noqa: S603 (ours)
        os.execvp(MOUNTING[0], [*MOUNTING, sys.executable, "-m", "chaos"])  # noqa: S606 (no shell is wanted)


def main() -> int:
    """Run what is asked for; all, if nothing is."""
    _become_able_to_mount()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    only = os.environ.get("ONLY", "")
    names = [name for name in ALL if re.search(only, name, re.IGNORECASE)]
    if not names:
        console.print(f"ONLY={only}: no such fault. There are:", *ALL, sep="\n  ")
        return 2
    outcomes: dict[str, Outcome] = {}
    results = Results.load()
    try:
        while left := [name for name in names if name not in outcomes]:
            with _stack() as stack:
                _run(stack, left, outcomes, results)
    except KeyboardInterrupt:
        console.print("Stopped.")
    console.print(table(outcomes))
    return 0 if len(outcomes) == len(names) and all(outcome.ok for outcome in outcomes.values()) else 1


def _run(stack: Stack, names: list[str], outcomes: dict[str, Outcome], results: Results) -> None:
    """One after the other, on one stack; returns early where one has left it unfit for the next."""
    for name in names:
        console.print(f"{name} ...")
        began, whole = time.monotonic(), True
        try:
            outcome = ALL[name](stack)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are to be run)
            traceback.print_exc()
            outcome, whole = Outcome("", broken=[f"{type(error).__name__}: {str(error)[:300]}"]), False
        outcomes[name] = outcome
        results.note(name, outcome)
        console.print(f"  {'ok' if outcome.ok else 'BROKEN'} ({time.monotonic() - began:.0f} s): {outcome.as_json()}")
        if not whole:
            console.print("\n".join(stack.moose_log().splitlines()[-30:]), markup=False)
            return


@contextmanager
def _stack() -> Iterator[Stack]:
    with TemporaryDirectory(prefix="beatstream-chaos-", ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder))
        try:
            stack.start()
            yield stack
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not interrupt the ending
            stack.end()
            signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
