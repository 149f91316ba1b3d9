"""Sized integers for annotations that a spec is derived from: ``def put(port: u16) -> None``."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from coilbox.bindings.ir import Scalar

__all__ = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]

i8: TypeAlias = Annotated[int, Scalar("i8")]
i16: TypeAlias = Annotated[int, Scalar("i16")]
i32: TypeAlias = Annotated[int, Scalar("i32")]
i64: TypeAlias = Annotated[int, Scalar("i64")]
u8: TypeAlias = Annotated[int, Scalar("u8")]
u16: TypeAlias = Annotated[int, Scalar("u16")]
u32: TypeAlias = Annotated[int, Scalar("u32")]
u64: TypeAlias = Annotated[int, Scalar("u64")]
