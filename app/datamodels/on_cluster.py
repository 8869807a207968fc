"""Tables on one server or a cluster, as the environment says (`app/table_layout.py`)."""

import os
from collections.abc import Mapping

from moose_lib import OlapConfig
from moose_lib.blocks import (
    AggregatingMergeTreeEngine,
    ReplacingMergeTreeEngine,
    ReplicatedAggregatingMergeTreeEngine,
    ReplicatedReplacingMergeTreeEngine,
)

from app import table_layout

_REPLICATED = {
    ReplacingMergeTreeEngine: ReplicatedReplacingMergeTreeEngine,
    AggregatingMergeTreeEngine: ReplicatedAggregatingMergeTreeEngine,
}


def on_cluster(config: OlapConfig, environment: Mapping[str, str] = os.environ) -> OlapConfig:
    """A table's configuration; with a cluster, the replicated kind of its engine there.

    Keeper's paths and the replicas' names are left to the servers (`default_replica_path`, `default_replica_name`).
    A wrong setting ends the process with its line.
    """
    try:
        cluster = table_layout.cluster(environment)
    except table_layout.InvalidLayout as error:
        raise SystemExit(str(error)) from None
    if cluster is None:
        return config
    engine = _REPLICATED[type(config.engine)](**vars(config.engine))
    return config.model_copy(update={"cluster": cluster, "engine": engine})
