"""Guest code made so that it never looks whether it shall stop: crafted bytecode, calls of calls.

Each is stopped within its limit of time; what random bytecode does besides is its own affair.
"""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import threading
import time

import pytest

from coilbox import GuestCancelled, Sandbox, TimeLimitExceeded

LIMIT = 0.3
BOUND = 30.0
"""Seconds in which a stop has to have come, on a busy machine too."""

# Writing code objects: `code(*parts)` makes a function of instructions (name, argument) and labels.
# A jump goes to a label, in the direction that its opcode has; a forward jump to a label behind
# it is as long as 2**32 bytes less the distance.
WRITER = """
import opcode, _opcode_metadata
op = {**opcode.opmap, **_opcode_metadata._specialized_opmap}
CACHES = opcode._inline_cache_entries

def words(argument, width):
    return [argument >> 8 * place & 255 for place in reversed(range(width))]

def code(*parts, table=b'', stack=20, names=(), consts=(None,), cells=()):
    places, at = {}, 0
    for part in parts:
        if isinstance(part, str): places[part] = at
        else: at += (4 if isinstance(part[1], str) else 1) + CACHES.get(part[0], 0)
    made, at = [], 0
    for part in parts:
        if isinstance(part, str): continue
        name, argument = part
        width = 4 if isinstance(argument, str) else 1
        after = at + width + CACHES.get(name, 0)
        if width == 4:
            distance = places[argument] - after
            argument = (-distance if 'BACKWARD' in name else distance) % 2**31
        for byte in words(argument, width)[:-1]: made += [op['EXTENDED_ARG'], byte]
        made += [op[name], argument & 255] + [0, 0] * CACHES.get(name, 0)
        at = after
    def made_function(x=None, y=None): pass
    made_function.__code__ = made_function.__code__.replace(
        co_code=bytes(made), co_exceptiontable=table, co_stacksize=stack, co_consts=consts)
    return made_function

def varint(*values):
    # Entries of an exception table: the first byte of each entry has bit 7, six bits a byte.
    out = []
    for number, value in enumerate(values):
        parts = [value & 63]
        while value := value >> 6: parts.append(value & 63 | 64)
        parts.reverse()
        out += [parts[0] | (128 if number == 0 else 0), *parts[1:]]
    return bytes(out)

def forward(name, *before):
    return code(('RESUME', 0), 'top', *before, (name, 'top'))
"""

ENDLESS = {
    "backward without interrupt": (
        "code(('RESUME', 0), 'top', ('JUMP_BACKWARD_NO_INTERRUPT', 'top'))()"
    ),
    "without RESUME": "code('top', ('JUMP_BACKWARD_NO_INTERRUPT', 'top'))()",
    "forward around the end": "forward('JUMP_FORWARD')()",
    "if true": ("code('top', ('LOAD_CONST', 0), ('POP_JUMP_IF_TRUE', 'top'), consts=(True,))()"),
    "if false": "code('top', ('LOAD_CONST', 0), ('POP_JUMP_IF_FALSE', 'top'), consts=(False,))()",
    "if None": "code('top', ('LOAD_CONST', 0), ('POP_JUMP_IF_NONE', 'top'))()",
    "if not None": "code('top', ('LOAD_CONST', 0), ('POP_JUMP_IF_NOT_NONE', 'top'), consts=(1,))()",
    "for over nothing": "code(('LOAD_FAST', 0), 'top', ('NOP', 0), ('FOR_ITER', 'top'))(iter(()))",
    "for over an empty list": "code(('LOAD_FAST', 0), 'top', ('NOP', 0), ('FOR_ITER', 'top'))(iter([]))",
    "for over a range": "code(('LOAD_FAST', 0), 'top', ('NOP', 0), ('FOR_ITER', 'top'))(iter(range(0)))",
    "for over ended generators": (
        "code(('LOAD_FAST', 0), 'top', ('NOP', 0), ('FOR_ITER', 'top'))(x for x in ())"
    ),
    "send to what has ended": (
        "code(('LOAD_FAST', 0), ('LOAD_CONST', 0), 'top', ('POP_TOP', 0), ('LOAD_CONST', 0), "
        "('SEND', 'top'))(iter(()))"
    ),
    "exception table": (
        "code(('RESUME', 0), ('RAISE_VARARGS', 0), ('RAISE_VARARGS', 0), "
        "table=varint(0, 3, 1, 0))()"
    ),
    "errors in handlers": (
        "code(('RESUME', 0), ('LOAD_FAST', 0), ('UNARY_NEGATIVE', 0), ('RETURN_VALUE', 0), "
        "table=varint(0, 4, 1, 0))('x')"
    ),
    "specialised while it runs": (
        "def number(x): return x\n"
        "code('top', ('LOAD_CONST', 0), ('LOAD_CONST', 0), ('BINARY_OP', 0), ('POP_TOP', 0),"
        "('JUMP_BACKWARD_NO_INTERRUPT', 'top'), consts=(1,))()"
    ),
    "generator that is resumed by jumps": (
        "g = (x for x in iter(int, 1))\n"
        "code(('LOAD_FAST', 0), 'top', ('FOR_ITER', 100), ('POP_TOP', 0),"
        "('JUMP_BACKWARD_NO_INTERRUPT', 'top'))(g)"
    ),
    "calls of calls": (
        "f = code(('LOAD_CONST', 0), ('RETURN_VALUE', 0))\n"
        "for _ in range(60):\n"
        "    call = (('LOAD_CONST', 0), ('PUSH_NULL', 0), ('CALL', 0), ('POP_TOP', 0))\n"
        "    f = code(*call, *call, ('LOAD_CONST', 0), ('RETURN_VALUE', 0), consts=(f,))\n"
        "f()"
    ),
    "hash of slices of slices": (
        "x = slice(1, 2, 3)\nfor _ in range(100): x = slice(x, x, x)\nhash(x)"
    ),
}


def stopped(box: Sandbox, source: str) -> object:
    """The error of a run that is to end in time; the sandbox is reset."""
    start = time.monotonic()
    error = box.run(WRITER + source + "\nNone", timeout=LIMIT).error
    assert time.monotonic() - start < BOUND
    box.reset()
    return error


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_code_is_stopped(box: Sandbox, name: str) -> None:
    error = stopped(box, ENDLESS[name])
    assert isinstance(error, TimeLimitExceeded), error
    assert box.run("1 + 1").check().value == 2


def test_endless_bytecode_is_cancelled(box: Sandbox) -> None:
    seen: list[object] = []
    begun = threading.Event()
    source = WRITER + "print(1, flush=True)\n" + ENDLESS["backward without interrupt"]
    thread = threading.Thread(
        target=lambda: seen.append(box.run(source, on_stdout=lambda data: begun.set()).error)
    )
    thread.start()
    assert begun.wait(60)
    box.cancel()
    thread.join(60)
    assert [type(error) for error in seen] == [GuestCancelled]


# What would jump, call and raise more often than opcodes that are drawn evenly.
RANDOM = """
import random
draw = random.Random({seed})
every = sorted(set(op.values()))
moving = [number for name, number in op.items()
          if any(word in name for word in ('JUMP', 'FOR_ITER', 'SEND', 'RESUME', 'EXECUTOR',
                 'YIELD', 'RETURN', 'RAISE', 'CALL', 'INSTRUMENTED', 'CHECK', 'END'))]
quiet = [op[name] for name in ('NOP', 'LOAD_CONST', 'LOAD_FAST', 'COPY', 'SWAP', 'POP_TOP')]
bytecode = []
for _ in range(draw.randrange(2, 40)):
    if draw.random() < 0.4:
        far = draw.choice([2**31 - draw.randrange(1, 50), draw.randrange(20)])
        for byte in words(far, 4)[:-1]: bytecode += [op['EXTENDED_ARG'], byte]
        bytecode += [draw.choice(moving), far & 255]
    else:
        bytecode += [draw.choice(draw.choice((every, quiet, moving))), draw.randrange(6)]
    bytecode += [0, 0] * draw.choice((0, 0, 1))
table = b''.join(varint(draw.randrange(20), draw.randrange(20), draw.randrange(20),
                        draw.randrange(4)) for _ in range(draw.randrange(4)))
def f(x, y): pass
f.__code__ = f.__code__.replace(co_code=bytes(bytecode), co_exceptiontable=table, co_stacksize=99,
    co_consts=(None, 1, 'a', (), f), co_names=('a', 'print', 'len'))
f(iter(()), f)
"""


def run_random(box: Sandbox, seeds: range) -> None:
    for seed in seeds:
        stopped(box, RANDOM.replace("{seed}", str(seed)))
    assert box.run("1 + 1").check().value == 2


def test_random_bytecode_is_stopped(box: Sandbox) -> None:
    run_random(box, range(25))


@pytest.mark.slow
def test_much_random_bytecode_is_stopped(box: Sandbox) -> None:
    run_random(box, range(100, 1500))
