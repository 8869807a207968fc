"""How Moose's Python processes start: with less, and those first that hearts wait for.

What moose-lib imports at its start and Beatstream's processes do not use is left out, until somebody does: Temporal
(workflows are off in moose.config.toml), Redis (`MooseCache`) and sqlglot (`moose_lib.query_builder`) are half of what
importing moose-lib costs, in each of the processes; looking for garbage among what is imported is a tenth of the rest.
The launcher puts this folder on their path (`stack.launcher`), and Python runs a module of this name at its start.

Moose starts all of them at once, more than there are cores, and all import for a second. Those that no heartbeat passes
through stand behind the others, then and later (nice 10).
"""  # noqa: INP001 (no package: the folder is on the path)

import gc
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

LEFT_OUT = frozenset({"redis", "sqlglot", "temporalio"})

OBJECTS_UNTIL_A_LOOK = 50_000

RUNNER = "moose_lib.streaming.streaming_function_runner"
HEARTS = "hr_packet"
"""What the names of streams have in them that carry heartbeats."""

BEHIND = 10
"""As `nice` counts."""


class _Absent(type):
    """A name that may stand in annotations, and cannot be used."""

    def __call__(cls, *_arguments: object, **_options: object) -> NoReturn:
        raise RuntimeError(
            f"{cls.__module__}.{cls.__name__} is left out of this stack (BEATSTREAM_MOOSE_RUNNER=original brings it)"
        )


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(name, (), {"__module__": self.__name__})


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in LEFT_OUT else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


sys.meta_path.insert(0, _Finder())
gc.set_threshold(OBJECTS_UNTIL_A_LOOK)
if RUNNER in sys.orig_argv and HEARTS not in sys.orig_argv[sys.orig_argv.index(RUNNER) + 1]:
    os.nice(BEHIND)
