"""`python -m tests.clickhouse.backed_up DATA BACKUPS`: a data folder, opened by an engine that may write backups.

The server of ours refuses `BACKUP`; a real one is configured so (deploy/clickhouse/beatstream.xml). Runs the statements
of stdin, a JSON list; writes the rows of each to stdout, as JSON.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import chdb

CONFIGURATION = "<clickhouse><backups><allowed_path>{}/</allowed_path></backups></clickhouse>"


def main() -> None:
    """Answer."""
    data, backups = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "config.xml"
        configuration.write_text(CONFIGURATION.format(backups))
        connect: Any = chdb.connect  # untyped
        engine = connect(f"{data}?config-file={configuration}")
        told = [engine.query(sql, "JSONCompactEachRow").bytes().decode() for sql in json.load(sys.stdin)]
        engine.close()
    json.dump([[json.loads(row) for row in rows.splitlines()] for rows in told], sys.stdout)


if __name__ == "__main__":
    main()
