"""Whether Moose's processes may be changed.

How its runners work (`moose_runner.py`, `moose_api_runner.py`), and what they import (`stack/lean`).
"""

import os
from importlib.metadata import version

TRIED_WITH = "0.6.533"
"""The moose-lib whose runners are known."""


def wanted() -> bool:
    """Unless `BEATSTREAM_MOOSE_RUNNER=original`, or an untried version of moose-lib."""
    return version("moose-lib") == TRIED_WITH and os.environ.get("BEATSTREAM_MOOSE_RUNNER") != "original"
