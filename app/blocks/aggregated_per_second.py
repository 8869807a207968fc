"""Beats to seconds: fills per_second_heart_rate_aggregate as beats are stored."""

from moose_lib import MaterializedView, MaterializedViewOptions

from app.datamodels.per_second_heart_rate_aggregate import (
    SECOND_OF_BEAT,
    PerSecondHeartRateAggregate,
    per_second_heart_rate_aggregate,
)
from app.datamodels.unified_hr_packet import unified_hr_packet_pipeline

_unified = unified_hr_packet_pipeline.get_table()

aggregated_per_second = MaterializedView[PerSecondHeartRateAggregate](
    MaterializedViewOptions(
        materialized_view_name="aggregated_per_second",
        select_tables=[_unified],
        select_statement=f"""
            SELECT
                {SECOND_OF_BEAT} AS rounded_up_time,
                user_id,
                user_name,
                max(unified_hr_packet.processed_timestamp) AS processed_timestamp,
                groupUniqArray(
                    toUInt16(round(1000 * (1 + hr_timestamp_seconds - ceil(hr_timestamp_seconds))))
                ) AS beat_offsets_ms,
                maxMap(
                    if(isNull(hr_value),
                       CAST(map(), 'Map(UInt16, UInt16)'),
                       map(toUInt16(round(1000 * (1 + hr_timestamp_seconds - ceil(hr_timestamp_seconds)))),
                           assumeNotNull(hr_value)))
                ) AS hr_by_offset_ms
            FROM {_unified.name}
            GROUP BY rounded_up_time, user_id, user_name
        """,  # noqa: S608 (own names)
    ),
    target_table=per_second_heart_rate_aggregate,
)
