"""Integers as wide as their columns: of a larger one ClickHouse would keep some other number."""

from typing import Annotated

from pydantic import Field

Int8 = Annotated[int, "int8", Field(ge=-(2**7), le=2**7 - 1)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
UInt8 = Annotated[int, "uint8", Field(ge=0, le=2**8 - 1)]
UInt16 = Annotated[int, "uint16", Field(ge=0, le=2**16 - 1)]
UInt64 = Annotated[int, "uint64", Field(ge=0, le=2**64 - 1)]
