"""All faults, in the order in which they are run."""

import sys

from chaos import deliveries, disk, killed, memory, poison, receiver, stopped
from chaos.fault import FAULTS, Run

FAMILIES = (killed, receiver, poison, deliveries, disk, stopped, memory)

ALL: dict[str, Run] = dict(sorted(FAULTS.items(), key=lambda each: FAMILIES.index(sys.modules[each[1].__module__])))
"""By name."""
