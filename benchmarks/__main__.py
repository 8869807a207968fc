"""`make bench`: run the benchmarks, print what they measured, keep it in results.json and write docs/speed.md from it.

`make bench QUICK=1` ends in three minutes, prints and keeps nothing; its stack is shared, its figures are rougher.
`python -m benchmarks answers storage` runs some of them and keeps what they measured beside what the others had.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial

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

Figures = dict[str, float]

ALONE: dict[str, Callable[[], Figures]] = {
    "decode_track": decode_track.run,
    "ingest": ingest.run,
    "storage": storage.run,
    "scale_out": scale_out.run,
}
"""Without a stack, or with what they start themselves."""

ON_A_STACK: dict[str, Callable[..., Figures]] = {
    "processes": processes.measure,
    "answers": answers.measure,
    "freshness": freshness.measure,
    "wall": wall.measure,
    "http_ingest": http_ingest.measure,
    "pipeline": pipeline.measure,
}
"""In this order several can share one: `processes` wants it new, `pipeline` ends it."""

QUICK_ALONE = ("decode_track", "ingest")


def main() -> None:
    """Run what is asked for; all, if nothing is."""
    parts = [*ALONE, *ON_A_STACK]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, keep, write docs/speed.md.")
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(parts)}; none: all")
    asked = parser.parse_args().part
    if unknown := [name for name in asked if name not in parts]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(parts)}")
    print(machine(), flush=True)
    if os.environ.get("QUICK"):
        _quick()
        return
    results = Results.load()
    for name in asked or parts:
        part = ALONE[name] if name in ALONE else partial(_on_a_new_stack, ON_A_STACK[name])
        results.note(name, _timed(name, part))
        results.save()
    missing = set(parts) - results.parts.keys()
    if missing:
        print(f"The pages are written when these have been run, too: {', '.join(sorted(missing))}")
    else:
        report.write(results)


def _quick() -> None:
    for name in QUICK_ALONE:
        _timed(name, ALONE[name])
    with running() as stack:
        for name, measure in ON_A_STACK.items():
            _timed(name, partial(measure, stack, quick=True))


def _on_a_new_stack(measure: Callable[..., Figures]) -> Figures:
    with running() as stack:
        return measure(stack, quick=False)


def _timed(name: str, part: Callable[[], Figures]) -> Figures:
    began = time.monotonic()
    figures = part()
    print(f"{name} ({time.monotonic() - began:.0f} s)")
    for figure, value in figures.items():
        print(f"  {figure:<100} {report.number(value):>12}", flush=True)
    return figures


if __name__ == "__main__":
    main()
