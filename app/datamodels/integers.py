"""Integers as wide as their columns: of a larger one ClickHouse would keep some other number."""

from typing import Annotated

from pydantic import Field, WithJsonSchema

_NO_BOUNDS = WithJsonSchema({"type": "integer"})
"""Moose 0.6.533 writes numbers into its OpenAPI document as objects of its own library's."""

Int8 = Annotated[int, "int8", Field(ge=-(2**7), le=2**7 - 1), _NO_BOUNDS]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), _NO_BOUNDS]
UInt8 = Annotated[int, "uint8", Field(ge=0, le=2**8 - 1), _NO_BOUNDS]
UInt16 = Annotated[int, "uint16", Field(ge=0, le=2**16 - 1), _NO_BOUNDS]
UInt64 = Annotated[int, "uint64", Field(ge=0, le=2**64 - 1), _NO_BOUNDS]
