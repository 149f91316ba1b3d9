from coilbox.wasm import Body, Instr, decode_body, encode_body
from coilbox_guest.link.fold import fold_additions


def _fold(*code: Instr) -> list[Instr]:
    return decode_body(fold_additions(encode_body(Body((), [*code, (0x0B,)])))).code[:-1]


def test_constants_are_added() -> None:
    assert _fold((0x41, 40), (0x41, 2), (0x6A,), (0x1A,)) == [(0x41, 42), (0x1A,)]
    assert _fold((0x41, 2**31 - 1), (0x41, 1), (0x6A,)) == [(0x41, -(2**31))]


def test_other_code_is_left() -> None:
    for code in (
        [(0x41, 1), (0x41, 2), (0x6B,)],
        [(0x41, 1), (0x01,), (0x41, 2), (0x6A,)],
        [(0x41, 1)],
        [(0x42, 1), (0x42, 2), (0x7C,)],
    ):
        assert _fold(*code) == code


def test_runs_of_constants() -> None:
    found = _fold((0x41, 1), (0x41, 2), (0x41, 3), (0x6A,), (0x6A,))
    assert found == [(0x41, 1), (0x41, 5), (0x6A,)]
