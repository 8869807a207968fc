"""GET /api/getErasures: whose data was removed, and how much."""

from moose_lib import Api, MooseClient
from pydantic import BaseModel, Field

from app.apis.question import Claims, ask, rfc3339
from app.datamodels.erasure_report import erasure_report_pipeline


class ErasuresParams(BaseModel):
    """None."""


class ErasureEntry(BaseModel):
    """An erasure that was carried out."""

    erasure_id: str
    user_id: int
    erased_at: str = Field(description="RFC 3339, UTC")
    removed: dict[str, int] = Field(description="Rows by table")


class ErasuresAnswer(BaseModel):
    """One entry an erasure, the newest first."""

    entries: list[ErasureEntry]


def get_erasures(client: MooseClient, _params: ErasuresParams, _claims: Claims = None) -> ErasuresAnswer:
    """Read the reports."""
    entries = ask(
        client,
        f"""
        SELECT erasure_id, user_id, {rfc3339("erased_at")} AS erased_at, removed
        FROM {erasure_report_pipeline.get_table().name} AS reports FINAL
        ORDER BY reports.erased_at DESC
        """,  # noqa: S608 (own names)
        {},
        ErasureEntry,
    )
    return ErasuresAnswer(entries=entries)


get_erasures_api = Api[ErasuresParams, ErasuresAnswer]("getErasures", query_function=get_erasures)
