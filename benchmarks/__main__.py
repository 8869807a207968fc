"""`make bench`: run the benchmarks, print what they measured, keep it in results.json and write docs/speed.md from it.

`make bench QUICK=1` ends in three minutes, prints and keeps nothing; its stack is shared, its figures are rougher.
`python -m benchmarks answers storage` runs some of them and keeps what they measured beside what the others had.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from types import ModuleType

from benchmarks import (
    answers,
    decode_track,
    freshness,
    http_ingest,
    ingest,
    pipeline,
    processes,
    report,
    scale_out,
    storage,
    wall,
)
from benchmarks.results import Results, machine
from benchmarks.stack import running

ALONE = {"decode_track": decode_track.run, "ingest": ingest.run}
"""Without a stack."""

ON_A_STACK: dict[str, ModuleType] = {
    "processes": processes,
    "pipeline": pipeline,
    "storage": storage,
    "http_ingest": http_ingest,
    "freshness": freshness,
    "wall": wall,
    "answers": answers,
    "scale_out": scale_out,
}


def main() -> None:
    """Run what is asked for; all, if nothing is."""
    quick = bool(os.environ.get("QUICK"))
    print(machine(), flush=True)
    if quick:
        _quick()
        return
    results = Results.load()
    for name in sys.argv[1:] or [*ALONE, *ON_A_STACK]:
        part = ALONE[name] if name in ALONE else partial(ON_A_STACK[name].run, quick=False)
        results.note(name, _timed(name, part))
        results.save()
    missing = {*ALONE, *ON_A_STACK} - results.parts.keys()
    if missing:
        print(f"The pages are written when these have been run, too: {', '.join(sorted(missing))}")
    else:
        report.write(results)


def _quick() -> None:
    for name, part in ALONE.items():
        _timed(name, part)
    with running() as stack:
        for name in ("processes", "answers", "freshness", "wall", "http_ingest", "pipeline"):
            _timed(name, partial(ON_A_STACK[name].measure, stack, quick=True))


def _timed(name: str, part: Callable[[], dict[str, float]]) -> dict[str, float]:
    began = time.monotonic()
    figures = part()
    print(f"{name} ({time.monotonic() - began:.0f} s)")
    for figure, value in figures.items():
        print(f"  {figure:<100} {report.number(value):>12}", flush=True)
    return figures


if __name__ == "__main__":
    main()
