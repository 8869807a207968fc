"""`python -m tests.clickhouse.of_a_cluster server --config-file=…`: a server that looks like one of a cluster.

It has no Keeper, so it makes plain tables of replicated ones, and tells of them what a server of a cluster would
(`default_replica_path`, `default_replica_name`). What it was asked to make stands in `MADE`, in the data folder.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from stack.clickhouse import engine
from stack.clickhouse.__main__ import main

MADE = "made.sql"

_PLACE = r"\'/clickhouse/tables/{uuid}/{shard}\', \'{replica}\'"
_AS_REPLICATED = (
    r"replaceRegexpOne(replaceRegexpOne(create_table_query, "
    rf"'ENGINE = (\\w+MergeTree)\\(', 'ENGINE = Replicated\\1({_PLACE}, '), "
    rf"'ENGINE = (Replacing|Aggregating)MergeTree ', 'ENGINE = Replicated\\1MergeTree({_PLACE}) ') "
    "AS create_table_query,"
)


class _OfACluster(engine._Connection):
    def query(self, sql: str, output_format: str, parameters: Mapping[str, str]) -> engine.Result:
        if sql.lstrip().startswith("CREATE"):
            with Path(MADE).open("a") as made:
                made.write(f"{sql.strip()};\n\n")
            sql = re.sub(r"\s+ON CLUSTER '\w+'|Replicated(?=\w+MergeTree)", "", sql)
        sql = sql.replace("create_table_query,", _AS_REPLICATED)
        return super().query(sql, output_format, parameters)


if __name__ == "__main__":
    engine._Connection = _OfACluster  # type: ignore[misc]
    sys.exit(main())
