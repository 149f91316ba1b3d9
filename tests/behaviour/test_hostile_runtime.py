"""Python that takes its own runtime apart: the host gets a result, or an error of the guest's.

The guest's half of the bridge is Python and C in the guest, so guest code can replace any of it and
call it with anything. Whatever it then answers, the host must live on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from coilbox import Limits, Result, Sandbox, Scratch
from coilbox.errors import GuestError, GuestException, SandboxStoppedError
from tests.fuzzing import explore

LIMITS = Limits(wall_seconds=3, memory_bytes=96 << 20, output_bytes=1 << 16)

# Seeded in the guest, whose own modules are the corpus: SEED and COUNT are put in front.
VANDAL = """
import random, sys, types
chance = random.Random(SEED)
import _coilbox, coilbox, coilbox.host, coilbox.types
modules = [m for n, m in sorted(sys.modules.items()) if n.split('.')[0] in ('_coilbox', '_coilbox_runtime', 'coilbox')]
class Odd(int):
    def __index__(self): raise ValueError('odd')
    def __eq__(self, other): return True
    __hash__ = int.__hash__
class Text(str):
    def __str__(self): return self * 2
loop = []; loop.append(loop)
things = [None, 0, -1, 1, 2**31, 2**32 - 1, 2**32, 2**64, -2**70, 10**5000, 0.5, float('nan'), '', 'a', 'x' * 5000, Text('t'),
          b'', b'\\xc1', b'\\x92\\x00\\x01', b'\\x92\\x01\\x80', b'\\xdd\\xff\\xff\\xff\\xff', bytes(70000), [], [0, 1], [1, {}], [2, 'x'],
          [2, 10**30], [3], {}, {'type': 1}, {1: 2}, (), (1,), loop, Odd(3), Odd, object(), len, print, type, Exception('e'),
          lambda *a, **k: None, lambda *a, **k: [0, 1], lambda *a, **k: b'', lambda *a, **k: b'\\x92\\x02\\xc0', lambda *a, **k: loop,
          lambda *a, **k: 1 / 0, lambda *a, **k: [1, {'type': 5, 'notes': [10**5000]}], types, sys.stdout, modules[0], ..., range(3)]
def call(function):
    try:
        return function(*[chance.choice(things) for _ in range(chance.randrange(5))])
    except Exception as error:
        return error
for _ in range(COUNT):
    module = chance.choice(modules)
    names = sorted(n for n in vars(module) if not n.startswith('__'))
    if not names:
        continue
    name = chance.choice(names)
    value = getattr(module, name, None)
    match chance.randrange(4):
        case 0:
            try: setattr(module, name, chance.choice(things))
            except Exception: pass
        case 1:
            if isinstance(value, type):
                for attribute in list(vars(value)):
                    try: setattr(value, attribute, chance.choice(things))
                    except Exception: pass
        case 2:
            things.append(call(_coilbox.host_function))
            call(chance.choice(things)) if callable(things[-1]) else None
        case _:
            if callable(value) and name not in ('freeze', 'exit'):
                things.append(call(value))
chance.choice(things)
"""  # noqa: E501 - the guest's program is easier to read unwrapped


def outcome(step: Callable[[], Result]) -> Result | None:
    """A result, or None where the sandbox says what its guest has done."""
    try:
        return step()
    except SandboxStoppedError:
        return None


def test_a_runtime_taken_apart(sandbox: Any) -> None:
    box: Sandbox = sandbox(
        functions={"echo": lambda *args, **kwargs: [args, kwargs], "fail": lambda: 1 / 0},
        limits=LIMITS,
        scratch=Scratch(max_bytes=1 << 20),
    )

    def check(seeds: tuple[int, int]) -> None:
        box.reset()
        seed, count = seeds
        steps: list[Callable[[], Result]] = [
            lambda: box.run(f"SEED, COUNT = {seed}, {count}\n{VANDAL}"),
            lambda: box.run("from coilbox import host\n[host.echo(1, key=[2]), 1 + 1]"),
            lambda: box.call("math:gcd", 4, 6),
            lambda: box.run("print('x'); raise ValueError('y')", last=True),
        ]
        for step in steps:
            result = outcome(step)
            if result is not None:
                assert result.error is None or isinstance(result.error, GuestError)
                str(result.error)

    explore(st.tuples(st.integers(0, 2**32), st.integers(1, 40)), check, few=60)
    box.reset()
    assert box.run("6 * 7").check().value == 42


HUGE_NUMBERS = """
import _coilbox_runtime.errors as errors
describe, frames = errors._describe, errors._frames

def huge_frames(*args):
    return [frame | {key: 1 << 100_000 for key in ("line", "column", "end_line")} for frame in frames(*args)]

def huge(*args):
    return describe(*args) | {"recursion_limit": 1 << 100_000, "message": "maximum recursion depth"}

errors._frames, errors._describe = huge_frames, huge
1 / 0
"""  # noqa: E501


def test_errors_with_numbers_that_no_text_can_hold(sandbox: Any) -> None:
    error = sandbox(limits=LIMITS).run(HUGE_NUMBERS).error
    assert type(error) is GuestException
    assert error.message == "maximum recursion depth"
    assert [frame.line for frame in error.frames] == [0]
    assert [frame.column for frame in error.frames] == [None]
