"""Beats to the newest beat a person: fills latest_heart_rate as beats are stored."""

from moose_lib import MaterializedView, MaterializedViewOptions

from app.datamodels.latest_heart_rate import LatestHeartRate, latest_heart_rate
from app.datamodels.unified_hr_packet import unified_hr_packet_pipeline
from app.heartrate.contact import AHEAD_S

_unified = unified_hr_packet_pipeline.get_table()

latest_by_person = MaterializedView[LatestHeartRate](
    MaterializedViewOptions(
        materialized_view_name="latest_by_person",
        select_tables=[_unified],
        # A beat that is ahead would stay the newest until its moment has come.
        # argMax skips null arguments; within a tuple it does not, and a newest beat without a heart rate must show.
        select_statement=f"""
            SELECT
                user_id,
                guest_device_id,
                tupleElement(newest, 1) AS user_name,
                tupleElement(newest, 2) AS device_id,
                tupleElement(newest, 3) AS hr_timestamp_seconds,
                tupleElement(newest, 4) AS hr_value,
                tupleElement(newest, 5) AS rr_interval_ms,
                version
            FROM (
                SELECT
                    user_id,
                    if(user_id = 0, beats.device_id, '') AS guest_device_id,
                    argMax((user_name, beats.device_id, beats.hr_timestamp_seconds, hr_value, rr_interval_ms),
                           toUInt64(round(beats.hr_timestamp_seconds * 1000000)) * 2 + revision) AS newest,
                    max(toUInt64(round(beats.hr_timestamp_seconds * 1000000)) * 2 + revision) AS version
                FROM {_unified.name} AS beats
                WHERE beats.hr_timestamp_seconds < toUnixTimestamp64Milli(now64(3)) / 1000 + {AHEAD_S}
                GROUP BY user_id, guest_device_id
            )
        """,  # noqa: S608 (what is put in is the table's own name, and a number)
    ),
    target_table=latest_heart_rate,
)
