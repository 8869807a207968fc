"""The stored assignments, in SQL: what all who read the table share."""

from app.datamodels.strap_assignment import strap_assignment_pipeline
from app.heartrate.profiles import LONGEST_NAME
from app.heartrate.wearers import NOBODY
from app.storage.moments import can_be, counts_from

CAN_BE = (
    f"user_id >= {NOBODY} AND lengthUTF8(user_name) <= {LONGEST_NAME} AND (user_id = {NOBODY} OR notEmpty(user_name))"
    f" AND {can_be('assigned_at')}"
)
"""What cannot be went to the dead letter queue, and is in the table all the same."""

ASSIGNMENTS = f"""(
    SELECT
        device_id, user_id, user_name, ignored, assigned_at, stored_at,
        {counts_from("assigned_at", "device_id")} AS since
    FROM {strap_assignment_pipeline.get_table().name} FINAL
    WHERE {CAN_BE}
)"""  # noqa: S608 (own names)
"""All of them, each with the moment from which it counts, `since`: by that and `stored_at`, the newest wins."""
