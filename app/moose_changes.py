"""Whether this app may change how Moose's own runners work (`moose_runner.py`, `moose_api_runner.py`)."""

import os
from importlib.metadata import version

TRIED_WITH = "0.6.533"
"""The moose-lib whose runners are known."""


def wanted() -> bool:
    """Unless `BEATSTREAM_MOOSE_RUNNER=original`, or an untried version of moose-lib."""
    return version("moose-lib") == TRIED_WITH and os.environ.get("BEATSTREAM_MOOSE_RUNNER") != "original"
