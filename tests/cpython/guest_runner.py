"""Runs in the sandbox: one of CPython's test modules, with unittest; gives its outcome as data."""

import importlib
import os
import sys
import sysconfig
import traceback
import unittest
from types import TracebackType
from typing import Any

sys.path.insert(0, "/cpython")
os.chdir("/tmp")
# Its quotes are broken by the build of the library, and test.support parses it.
sysconfig.get_config_vars()["CONFIG_ARGS"] = ""


Raised = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Outcome(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.bad: dict[str, str] = {}
        self.skips = 0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        print(test.id(), file=sys.__stderr__, flush=True)

    def _add(self, kind: str, test: unittest.TestCase, error: Raised) -> None:
        lines = traceback.format_exception_only(error[0], error[1])
        text = (lines[0] if isinstance(error[1], SyntaxError) else lines[-1]).strip()
        if isinstance(error[1], AssertionError):
            text = lines[0].strip()
        self.bad.setdefault(test.id(), ascii(f"{kind}: {text[:300]}")[1:-1])

    def addError(self, test: unittest.TestCase, err: Raised) -> None:
        self._add("error", test, err)

    def addFailure(self, test: unittest.TestCase, err: Raised) -> None:
        self._add("failure", test, err)

    def addSubTest(
        self, test: unittest.TestCase, subtest: unittest.TestCase, err: Raised | None
    ) -> None:
        if err is not None and err[0] is not None:
            self._add("failure" if issubclass(err[0], AssertionError) else "error", test, err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.bad.setdefault(test.id(), "failure: unexpected success")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.skips += 1


def without(suite: unittest.TestSuite, left_out: set[str]) -> unittest.TestSuite:
    """The suite with its structure, which sets modules and classes up, less some tests."""
    kept = type(suite)()
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            kept.addTest(without(item, left_out))
        elif item.id() not in left_out:
            kept.addTest(item)
    return kept


def main(name: str, *left_out: str) -> dict[str, Any]:
    support: Any = importlib.import_module("test.support")

    support.verbose = 0
    support.use_resources = []
    outcome = Outcome()
    try:
        module = importlib.import_module(f"test.{name}")
        suite = unittest.TestLoader().loadTestsFromModule(module)
    except unittest.SkipTest as error:
        return {"run": 0, "skipped": 0, "bad": {}, "skip": str(error)}
    except Exception as error:  # the module itself needs what is not there
        return {"run": 0, "skipped": 0, "bad": {}, "skip": f"{type(error).__name__}: {error}"}
    without(suite, set(left_out)).run(outcome)
    return {"run": outcome.testsRun, "skipped": outcome.skips, "bad": outcome.bad, "skip": ""}


main(*sys.argv[1:])
