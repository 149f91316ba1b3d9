"""Running code: values, the session, argv, stdin, env, and where code comes from."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import io
import pathlib
from typing import Any

import pytest

from coilbox import Image, Sandbox, UsageError
from coilbox.engines.protocol import NO_SOURCES, Instance, KernelSources
from coilbox.errors import GuestException
from coilbox.session.programs import load_program

pytestmark = pytest.mark.isolated

LAST_VALUES: dict[str, object] = {
    "1 + 1": 2,
    "x = 5": None,
    "x = 5\nx": 5,
    "x = 5; x * 2": 10,
    "x = 5; x * 2;": 10,
    "None": None,
    "'a'\n": "a",
    "'a'  # a comment": "a",
    "'a'\n\n\n# a comment\n": "a",
    "for i in range(3): i": None,
    "if True:\n    5": None,
    "def f(): return 3": None,
    "def f(): return 3\nf()": 3,
    "(y := 4) + y": 8,
    "[i for i in range(3)]": [0, 1, 2],
    "import math": None,
    "": None,
    "# nothing": None,
    '"""only a docstring"""': "only a docstring",
    "'doc'\nNone": None,
    "pass": None,
    "1\npass": None,
    "(\n  1,\n  2,\n)": (1, 2),
    "f'{1 + 1}'": "2",
    "await_ = 3; await_": 3,
    "print('x')": None,
    "x = 1; del x": None,
    "x = 'é'; x": "é",
    "\t\n\x0c\n3": 3,
}


@pytest.mark.parametrize("code", LAST_VALUES, ids=repr)
def test_the_value_is_that_of_the_last_expression(box: Sandbox, code: str) -> None:
    result = box.run(code).check()
    assert result.value == LAST_VALUES[code]
    assert type(result.value) is type(LAST_VALUES[code])
    assert result.exit_code == 0
    assert result.ok


def test_the_session_keeps_variables_imports_and_functions(box: Sandbox) -> None:
    box.run("import json\ncount = 1\ndef double(x): return 2 * x").check()
    box.run("count += 1").check()
    assert box.run("json.dumps([count, double(count)])").value == "[2, 4]"


def test_what_went_before_an_exception_is_kept(box: Sandbox) -> None:
    assert box.run("kept = 3\n1 / 0").error is not None
    assert box.run("kept").value == 3


def test_fresh_starts_an_empty_main_and_modules_stay(box: Sandbox) -> None:
    box.run("import json; json.canary = 1; mine = 2").check()
    result = box.run("'mine' in globals(), 'json' in globals(), __name__", fresh=True)
    assert result.value == (False, False, "__main__")
    assert box.run("import json; json.canary").value == 1


def test_fresh_begins_a_new_session(box: Sandbox) -> None:
    box.run("old = 1").check()
    box.run("new = 2", fresh=True).check()
    assert box.run("sorted(name for name in globals() if name in ('old', 'new'))").value == ["new"]


def test_main_is_like_that_of_a_script(box: Sandbox) -> None:
    code = "import sys, __main__\n__name__, sys.modules['__main__'] is __main__, vars(__main__) is globals()"
    assert box.run(code, filename="job.py").value == ("__main__", True, True)
    assert box.run("sys.argv[0]", filename="job.py").value == "job.py"


def test_pickle_and_dataclasses_find_main(box: Sandbox) -> None:
    code = (
        "import dataclasses, pickle\n"
        "@dataclasses.dataclass\n"
        "class P:\n    x: int\n"
        "pickle.loads(pickle.dumps(P(3))) == P(3)"
    )
    assert box.run(code).check().value is True
    assert box.run("pickle.loads(pickle.dumps(P(4))).x").check().value == 4


def test_argv(box: Sandbox) -> None:
    result = box.run("import sys; sys.argv", ["--x", "ä b", ""], filename="tool.py")
    assert result.value == ["tool.py", "--x", "ä b", ""]
    assert box.run("sys.argv").value == ["<sandbox>"]


def test_argv_must_be_strings(box: Sandbox) -> None:
    with pytest.raises(UsageError, match="argv must be a list of str, which 1 is not"):
        box.run("1", [1])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "stdin",
    [
        lambda: "line 1\nline ü\nlast",
        lambda: "line 1\nline ü\nlast".encode(),
        lambda: io.BytesIO("line 1\nline ü\nlast".encode()),
    ],
    ids=["str", "bytes", "file"],
)
def test_stdin_by_lines(box: Sandbox, stdin: Any) -> None:
    code = "import sys\n[input(), sys.stdin.readline(), sys.stdin.read(), sys.stdin.read()]"
    assert box.run(code, stdin=stdin()).check().value == ["line 1", "line ü\n", "last", ""]


def test_stdin_is_empty_by_default_and_new_for_each_run(box: Sandbox) -> None:
    result = box.run("input()")
    assert isinstance(result.error, GuestException)
    assert result.error.type == "EOFError"
    assert box.run("import sys; sys.stdin.read()").value == ""
    assert box.run("input()", stdin="second\n").value == "second"
    assert box.run("input()", stdin="third\nrest unread\n").value == "third"
    assert box.run("sys.stdin.read()", stdin="fourth").value == "fourth"


def test_stdin_bytes_through_the_buffer_and_the_descriptor(box: Sandbox) -> None:
    data = bytes(range(256)) * 1000
    code = "import sys, os\nhead = os.read(0, 10)\nhead + sys.stdin.buffer.read()"
    assert box.run(code, stdin=data).check().value == data


def test_stdin_can_be_iterated(box: Sandbox) -> None:
    code = "import sys\nsum(int(line) for line in sys.stdin)"
    assert box.run(code, stdin="\n".join(map(str, range(1000)))).value == sum(range(1000))


def test_env_is_empty_by_default(box: Sandbox) -> None:
    assert box.run("import os; dict(os.environ)").value == {}


def test_env_of_the_sandbox_and_of_a_run(sandbox: Any) -> None:
    box = sandbox(env={"HOME": "/home/guest", "LANG": "C"})
    code = "import os; dict(os.environ)"
    assert box.run(code).value == {"HOME": "/home/guest", "LANG": "C"}
    assert box.run(code, env={"LANG": "de", "X": "1=2"}).value == {
        "HOME": "/home/guest",
        "LANG": "de",
        "X": "1=2",
    }
    assert box.run("os.getenv('LANG'), os.getenv('X')").value == ("C", None)


@pytest.mark.parametrize("env", [{"": "x"}, {"A=B": "x"}, {"A": "x\0"}, {"A": 1}, {1: "x"}])
def test_impossible_env(box: Sandbox, sandbox: Any, env: Any) -> None:
    with pytest.raises(UsageError, match="env"):
        box.run("1", env=env)
    with pytest.raises(UsageError, match="env"):
        sandbox(env=env)


def test_code_from_a_file(box: Sandbox, tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_bytes("# -*- coding: latin-1 -*-\n__file__, 'ä'".encode("latin-1"))
    assert box.run(script).check().value == ("script.py", "ä")
    script.write_bytes("# -*- coding: latin-1 -*-\nimport sys\nsys.argv[0], 'ä'".encode("latin-1"))
    assert box.run(script).check().value == ("script.py", "ä")


def test_code_as_bytes_in_utf_8_and_with_a_cookie(box: Sandbox) -> None:
    assert box.run("'ü'".encode()).value == "ü"
    assert box.run(b"# coding: latin-1\n'\xfc'").value == "ü"
    assert box.run(b"\xef\xbb\xbf'\xc3\xbc'").value == "ü", "with a byte order mark"
    error = box.run(b"'\xfc'").error
    assert isinstance(error, GuestException)
    assert error.type == "SyntaxError"


def test_code_must_be_code(box: Sandbox) -> None:
    with pytest.raises(UsageError, match="code must be str, bytes or a path, not int"):
        box.run(5)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        box.run(pathlib.Path("/no/such/file.py"))


def test_code_with_a_nul_is_a_guest_error(box: Sandbox) -> None:
    error = box.run("1\0").error
    assert isinstance(error, GuestException)
    assert error.type == "SyntaxError"


def test_future_flags_do_not_leak_into_the_next_run(box: Sandbox) -> None:
    box.run("from __future__ import annotations\ndef f(x: undefined): pass").check()
    code = "def g(x: undefined): pass\n__import__('annotationlib').get_annotations(g)"
    error = box.run(code).error
    assert isinstance(error, GuestException)
    assert error.type == "NameError"


def test_a_large_program(box: Sandbox) -> None:
    lines = [f"v{i} = {i} + len('{'x' * (i % 50)}')" for i in range(4000)]
    result = box.run("\n".join([*lines, "v3999"]))
    assert result.check().value == 3999 + 3999 % 50


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], object]] = [
    ("math:gcd", (12, 18), {}, 6),
    ("json:dumps", ([1, None],), {"indent": 1}, "[\n 1,\n null\n]"),
    ("builtins:sorted", ([3, 1, 2],), {"reverse": True}, [3, 2, 1]),
    ("os.path:join", ("a", "b"), {}, "a/b"),
    ("datetime:date.fromisoformat", ("2024-01-02",), {}, __import__("datetime").date(2024, 1, 2)),
    ("builtins:str.upper", ("abc",), {}, "ABC"),
    ("builtins:dict", (), {"self": 1, "target": 2}, {"self": 1, "target": 2}),
]


@pytest.mark.parametrize(("target", "args", "kwargs", "expected"), CALLS)
def test_call(box: Sandbox, target: str, args: Any, kwargs: Any, expected: object) -> None:
    assert box.call(target, *args, **kwargs).check().value == expected


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("nomodule:f", "ModuleNotFoundError"),
        ("math:nofunction", "AttributeError"),
        ("math:pi", "TypeError"),
        ("math:sqrt.nothing", "AttributeError"),
        ("math:sqrt", "TypeError"),
    ],
)
def test_a_call_that_fails(box: Sandbox, target: str, kind: str) -> None:
    error = box.call(target).error
    assert isinstance(error, GuestException)
    assert error.type == kind


@pytest.mark.parametrize("target", ["math", "math:", ":f", ""])
def test_a_target_must_name_module_and_function(box: Sandbox, target: str) -> None:
    with pytest.raises(UsageError, match="target must be 'module:function'"):
        box.call(target)


def test_a_call_prints(box: Sandbox) -> None:
    result = box.call("builtins:print", "a", 1, sep="-")
    assert (result.value, result.stdout) == (None, "a-1\n")


def test_usage(box: Sandbox) -> None:
    result = box.run("import sys\nprint('abc')\nsys.stderr.write('de')\nx = bytes(30 << 20)")
    usage = result.usage
    assert (usage.stdout_bytes, usage.stderr_bytes, usage.host_calls) == (4, 2, 0)
    assert 0 < usage.wall_seconds < 20
    assert usage.peak_memory_bytes > 30 << 20
    assert box.run("1").usage.stdout_bytes == 0


def test_a_program_in_place_of_the_engines_own(image: Image, engine: str) -> None:
    _, own = load_program(image, engine)
    made: list[Instance] = []

    class Noting:
        def instantiate(
            self, *, memory_limit: int, sources: KernelSources = NO_SOURCES
        ) -> Instance:
            made.append(own.instantiate(memory_limit=memory_limit, sources=sources))
            return made[-1]

        def close(self) -> None:
            raise AssertionError("it is the caller's")

    with Sandbox(image, engine=engine, program=Noting()) as box:
        assert box.run("1 + 1").value == 2
        box.reset()
        assert len(made) == 2
    with Sandbox(image, engine=engine) as box:
        assert box.run("1 + 1").value == 2, "others run the engine's own"
    assert len(made) == 2
    with pytest.raises(UsageError, match="worker process loads its own"):
        Sandbox(image, program=Noting(), isolation="process")
