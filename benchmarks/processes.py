"""What the running stack costs a machine: memory and processor time of each of its processes, and how soon it is ready.

Reference in the same run: a Python that imports nothing, and one that imports `moose_lib` and nothing else. What a
function's process has on top of the second is Beatstream's.

Memory: RSS counts what processes share in each of them, PSS once in all, USS not at all.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from functools import partial

import psutil

from benchmarks.stack import process_name, processor_s
from benchmarks.wall import Group
from harness.beatstream import REPOSITORY, Beatstream
from harness.waiting import wait_for

STRAPS = 60
MB = 1_000_000
QUICK_S, FULL_S = 4.0, 10.0
"""How long processor time is counted, idle and with straps."""

WARM_UP_S = 3.0
"""So long the straps send before it is counted: their first packets load what is loaded once."""

SCRIPT_STRAPS = "12"
REFERENCES = {"Python that imports nothing": "pass", "Python that imports moose_lib": "import moose_lib"}

_READY = re.compile(r"^(.+?) +ready .*\((\d+\.\d) s\)$", re.MULTILINE)


def measure(stack: Beatstream, *, quick: bool) -> dict[str, float]:
    """Seconds, megabytes and shares of a core; see the names. The stack has just been started for the first time.

    Unless `quick`, it is started a second time.
    """
    seconds = QUICK_S if quick else FULL_S
    processes = {process_name(process): process for process in stack.processes()}
    launcher = processes["moose-cli"].parent()
    assert launcher is not None
    processes["launcher"] = launcher
    figures = _ready(stack, "first start") | _references()
    for name, process in processes.items():
        figures[f"processes: {name}, processor until now, s"] = processor_s(process)
    idle = _shares(processes, seconds)
    figures |= _scripts(stack)
    busy = asyncio.run(_with_straps(stack, processes, seconds))
    for name, process in processes.items():
        figures[f"processes: {name}, idle, % of a core"] = idle[name]
        figures[f"processes: {name}, {STRAPS} straps, % of a core"] = busy[name]
        figures |= _memory(name, process)
    figures |= {
        "processes: the whole stack, PSS MB": sum(figures[f"processes: {name}, PSS MB"] for name in processes),
        "processes: the whole stack, idle, % of a core": sum(idle.values()),
        f"processes: the whole stack, {STRAPS} straps, % of a core": sum(busy.values()),
    }
    if not quick:
        stack.stop()
        stack.start()
        figures |= _ready(stack, "second start")
    return figures


def _ready(stack: Beatstream, which: str) -> dict[str, float]:
    """What the launcher said at its last start."""
    said = stack.said().rpartition("Starting Beatstream")[2]
    return {f"processes: {which}: {part} ready, s": float(after_s) for part, after_s in _READY.findall(said)}


def _memory(name: str, process: psutil.Process) -> dict[str, float]:
    memory = process.memory_full_info()
    return {
        f"processes: {name}, RSS MB": memory.rss / MB,
        f"processes: {name}, PSS MB": memory.pss / MB,
        f"processes: {name}, USS MB": memory.uss / MB,
    }


def _shares(processes: dict[str, psutil.Process], seconds: float) -> dict[str, float]:
    """Processor time of each in so many seconds from now, in % of a core."""
    began, before = time.monotonic(), {name: processor_s(process) for name, process in processes.items()}
    time.sleep(seconds)
    took_s = time.monotonic() - began
    return {name: 100 * (processor_s(process) - before[name]) / took_s for name, process in processes.items()}


async def _with_straps(stack: Beatstream, processes: dict[str, psutil.Process], seconds: float) -> dict[str, float]:
    sending = asyncio.create_task(Group(stack.url, STRAPS).send(WARM_UP_S + seconds))
    await asyncio.sleep(WARM_UP_S)
    shares = await asyncio.to_thread(_shares, processes, seconds)
    await sending
    return shares


# --- beside the stack


def _references() -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, statement in REFERENCES.items():
        began = time.perf_counter()
        with subprocess.Popen(  # noqa: S603 (one of two lines of Python)
            [sys.executable, "-c", f"{statement}\nprint(flush=True)\ninput()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            figures[f"processes: {name} (reference), started in s"] = time.perf_counter() - began
            process = psutil.Process(child.pid)
            figures[f"processes: {name} (reference), processor s"] = processor_s(process)
            figures |= _memory(f"{name} (reference)", process)
            child.kill()
    return figures


def _scripts(stack: Beatstream) -> dict[str, float]:
    """generate-data and ingest-foo, each once the stack has heard its class."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "generate-data": ("scripts.generate_data", "run", "--straps", SCRIPT_STRAPS),
            "ingest-foo --emulate": ("scripts.ingest_foo", "--emulate", SCRIPT_STRAPS, "--spool", f"{folder}/spool"),
        }
        for name, command in commands.items():
            stored = _stored(stack)
            process = psutil.Popen(
                [sys.executable, "-m", *command, "--quiet", "--url", stack.url],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
            )
            try:
                wait_for(partial(_stored_more, stack, stored), f"packets of {name}", 30)
                figures[f"processes: {name}, processor until its packets are stored, s"] = processor_s(process)
                figures |= _memory(name, process)
            finally:
                process.terminate()
                process.wait(10)
    return figures


def _stored_more(stack: Beatstream, than: int) -> bool:
    return _stored(stack) > than


def _stored(stack: Beatstream) -> int:
    ((rows,),) = stack.rows("SELECT count() FROM raw_ant_hr_packet")
    return int(rows)
