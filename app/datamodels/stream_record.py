"""What every record that travels on a stream has in common: it survives not being valid.

Moose's Python runner validates a record outside of its error handling: one record that does not validate drops the
whole poll batch of up to 500 (moose-guide.md 4.3). So a record that is wrong still becomes an object, which carries
the reason; the function that receives it raises, and the runner sends that record alone to the dead letter queue.
"""

from typing import Any, ClassVar, Self

from moose_lib.data_models import ClickHouseMaterialized
from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator

DATABASE_FILLS_IT: Any = None
"""Default of a column that ClickHouse computes where the record does not bring it."""

WHEN_STORED = ClickHouseMaterialized("addMicroseconds(now64(6), rowNumberInAllBlocks())")
"""Rows that are stored together have a moment each, in their order: a table that is sorted by it keeps them all, and
the last of them is the newest."""


class RejectedRecordError(ValueError):
    """A record that cannot be processed; its text is the reason a person reads in the dead letter queue."""


class StreamRecord(BaseModel):
    """A record of a stream. One that does not validate is built without values and carries its reason."""

    # Not a private attribute: pydantic would set up a dict of those for every record, right or wrong.
    rejection: ClassVar[str | None] = None
    """Why it is not valid."""

    @model_validator(mode="wrap")
    @classmethod
    def _carry_the_reason(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            record = cls.model_construct()
            record.__dict__["rejection"] = _readable(data, error)
            return record

    def require_valid(self) -> None:
        """Raise `RejectedRecordError` with the reason if this record did not validate."""
        if self.rejection is not None:
            raise RejectedRecordError(self.rejection)


def _readable(data: Any, error: ValidationError) -> str:
    if not isinstance(data, dict):
        return f"not a JSON object: {str(data)[:200]!r}"
    reasons = []
    for detail in error.errors(include_url=False, include_context=False):
        field = ".".join(str(part) for part in detail["loc"]) or "record"
        reasons.append(
            f"{field}: missing"
            if detail["type"] == "missing"
            else f"{field}: {detail['msg']}, got {detail['input']!r:.80}"
        )
    return "; ".join(reasons)
