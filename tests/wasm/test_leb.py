import pytest
from hypothesis import given
from hypothesis import strategies as st

from coilbox.wasm import WasmFormatError, encode_s, encode_u, read_s, read_u


@given(st.integers(0, 2**32 - 1))
def test_unsigned_round_trip(value: int) -> None:
    raw = encode_u(value)
    assert read_u(raw + b"\xff", 0) == (value, len(raw))


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_round_trip(value: int) -> None:
    raw = encode_s(value)
    assert read_s(raw, 0, 64) == (value, len(raw))


def test_padded_forms_are_read() -> None:
    assert read_u(b"\x81\x80\x80\x80\x00", 0) == (1, 5)
    assert read_s(b"\xff\xff\xff\xff\x7f", 0) == (-1, 5)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "unexpected end in a LEB128 integer"),
        (b"\x80\x80", "unexpected end in a LEB128 integer"),
        (b"\x80\x80\x80\x80\x80\x00", "LEB128 too long for u32"),
        (b"\xff\xff\xff\xff\x1f", "integer too large for u32"),
    ],
)
def test_bad_unsigned(raw: bytes, message: str) -> None:
    with pytest.raises(WasmFormatError, match=f"{message} .at byte offset 0x7"):
        read_u(raw, 0, base=7)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x80\x80\x80\x80\x80\x00", "LEB128 too long for s32"),
        (b"\xff\xff\xff\xff\x0f", "integer too large for s32"),
    ],
)
def test_bad_signed(raw: bytes, message: str) -> None:
    with pytest.raises(WasmFormatError, match=message):
        read_s(raw, 0)
