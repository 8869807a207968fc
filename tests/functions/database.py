"""The app's tables and views in a ClickHouse of its own, without Moose."""

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from moose_lib import MaterializedView

from app.blocks.aggregated_per_second import aggregated_per_second
from app.blocks.latest_by_person import latest_by_person
from app.datamodels.stream_record import WHEN_STORED
from tests.clickhouse.server import PASSWORD, USER, Server

_STORED_AT = f"stored_at DateTime64(6) MATERIALIZED {WHEN_STORED.expression}"

TABLES = {
    "unified_hr_packet": """
        (user_id Int64, user_name LowCardinality(String), device_id LowCardinality(String),
         hr_timestamp_seconds Float64, hr_value Nullable(UInt16), rr_interval_ms Nullable(Float64), rr_computed Bool,
         skin_contact Nullable(Bool), revision UInt8, processed_timestamp DateTime64(3))
        ENGINE = ReplacingMergeTree(revision) ORDER BY (device_id, hr_timestamp_seconds)
        """,
    "per_second_heart_rate_aggregate": """
        (rounded_up_time DateTime, user_id Int64, user_name LowCardinality(String),
         processed_timestamp SimpleAggregateFunction(max, DateTime64(3)),
         beat_offsets_ms SimpleAggregateFunction(groupUniqArrayArray, Array(UInt16)),
         hr_by_offset_ms SimpleAggregateFunction(maxMap, Map(UInt16, UInt16)))
        ENGINE = AggregatingMergeTree ORDER BY (rounded_up_time, user_id, user_name)
        """,
    "latest_heart_rate": """
        (user_id Int64, guest_device_id LowCardinality(String), user_name LowCardinality(String),
         device_id LowCardinality(String), hr_timestamp_seconds Float64, hr_value Nullable(UInt16),
         rr_interval_ms Nullable(Float64), version UInt64)
        ENGINE = ReplacingMergeTree(version) ORDER BY (user_id, guest_device_id)
        """,
    "strap_assignment": f"""
        (device_id LowCardinality(String), user_id Int64, user_name String, assigned_at Nullable(DateTime64(6)),
         ignored Nullable(Bool), {_STORED_AT})
        ENGINE = ReplacingMergeTree ORDER BY (device_id, stored_at, user_id)
        """,
    "person_profile": f"""
        (user_id Int64, user_name String, alias Nullable(String), birth_year Nullable(Int64), sex Nullable(String),
         weight_kg Nullable(Float64), hr_max Nullable(Int64), hr_max_learnt Nullable(Int64), hr_rest Nullable(Int64),
         hidden Nullable(Bool), updated_at Nullable(DateTime64(6)), {_STORED_AT})
        ENGINE = ReplacingMergeTree ORDER BY (user_id, stored_at)
        """,
    "training_session": f"""
        (session_id String, name String, kind LowCardinality(String), started_at DateTime64(6),
         ended_at Nullable(DateTime64(6)), stop_marked_at Nullable(DateTime64(6)), {_STORED_AT})
        ENGINE = ReplacingMergeTree ORDER BY (session_id, stored_at)
        """,
}
VIEWS: tuple[MaterializedView[object], ...] = (aggregated_per_second, latest_by_person)


def client_of(server: Server) -> Client:
    """A client of the server, where all tables are there."""
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username=USER, password=PASSWORD, autogenerate_session_id=False
    )
    for name, definition in TABLES.items():
        client.command(f"CREATE TABLE {name} {definition}")
    for view in VIEWS:
        client.command(f"CREATE MATERIALIZED VIEW {view.name} TO {view.target_table.name} AS {view.select_sql}")
    return client
