"""How ClickHouse keeps the tables: on a cluster or one server, and in parts of a month, a day or neither.

ClickHouse changes neither of a table that exists, and Moose would have to drop it: decide before there is data.
"""

import os
import re
from collections.abc import Mapping

CLUSTER = "BEATSTREAM_CLICKHOUSE_CLUSTER"
PARTITION = "BEATSTREAM_CLICKHOUSE_PARTITION"

USUAL_PARTITION = "month"
PARTITIONS = {"month": "toYYYYMM", "day": "toYYYYMMDD", "none": None}
"""What a table that grows with time is divided by, as ClickHouse's function of a moment; None: it is one piece."""


class InvalidLayout(ValueError):  # noqa: N818 (reads as what it is, at start-up)
    """No such layout; its text is one line that names the variable and says what is expected."""


def cluster(environment: Mapping[str, str]) -> str | None:
    """The cluster whose servers each have a replica of every table; None: one server. Raises `InvalidLayout`."""
    name = environment.get(CLUSTER)
    # As Moose takes it; ClickHouse fills macros in.
    if name and not re.fullmatch(r"(?![0-9-])([A-Za-z0-9_-]|\{[A-Za-z0-9_-]+\}){1,64}", name):
        raise InvalidLayout(
            f"{CLUSTER}: {name[:40]!r} is not the name of a cluster: letters, digits, _ and -, or a macro such as "
            "{cluster}"
        )
    return name or None


def partition_function(environment: Mapping[str, str]) -> str | None:
    """Of `PARTITIONS` the one that is asked for. Raises `InvalidLayout`."""
    name = environment.get(PARTITION) or USUAL_PARTITION
    if name not in PARTITIONS:
        raise InvalidLayout(f"{PARTITION}: {name[:40]!r} is none of {', '.join(PARTITIONS)}")
    return PARTITIONS[name]


def partition_by(moment: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """A table's partitioning as `OlapConfig` takes it. A wrong setting ends the process with its line.

    Args:
        moment: In SQL, what the rows are divided by.
        environment: Where the settings are.
    """
    try:
        function = partition_function(environment)
    except InvalidLayout as error:
        # Models are read as Moose starts, and of an exception it shows the whole traceback.
        raise SystemExit(str(error)) from None
    return None if function is None else f"{function}({moment})"
