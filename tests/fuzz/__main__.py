"""`python -m tests.fuzz`: a million inputs, evenly over the targets. `--runs N`: so many; a target's name: that one."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import atheris

MILLION = 1_000_000
LONGEST_INPUT = 4096
TIMEOUT_S = 10
MEMORY_LIMIT_MB = 1500
"""Of the whole process, with the engine's library in it (some 400 MB); what grows without end passes it soon."""


def main() -> int:
    """Fuzz; 1: something fell over, and its input was printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=MILLION)
    parser.add_argument("target", nargs="?")
    asked = parser.parse_args()
    with atheris.instrument_imports(include=["app.heartrate", "stack.clickhouse"]):
        from tests.fuzz.targets import SEEDS, TARGETS
    with tempfile.TemporaryDirectory(prefix="beatstream-fuzz-") as folder:
        if asked.target:
            return _fuzz(Path(folder), TARGETS[asked.target], SEEDS[asked.target], asked.runs)
        runs = -(-asked.runs // len(TARGETS))
        print(f"{'target':12} {'inputs':>9} {'seconds':>8} {'peak MB':>8}")
        return max([_report(name, runs) for name in TARGETS])


def _report(name: str, runs: int) -> int:
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz", "--runs", str(runs), name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
    inputs, peak = (stats.get(stat, "?") for stat in ("number_of_executed_units", "peak_rss_mb"))
    print(f"{name:12} {inputs:>9} {time.monotonic() - began:8.1f} {peak:>8}", flush=True)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:])
    return min(done.returncode, 1)


def _fuzz(folder: Path, target: object, seeds: list[bytes], runs: int) -> int:
    """Does not come back: libFuzzer ends the process."""
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    options = [
        f"-runs={runs}",
        f"-max_len={LONGEST_INPUT}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_LIMIT_MB}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-seed=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
