"""Runs once, when the image is built: fills the snapshot and leaves it tidy."""

import gc
import importlib
import os
import sys

import _coilbox

from _coilbox_runtime import event_loop, fresh, program, recursion, requests, sources, stdio

_WARM_UP_ROUNDS = 24


def _warm_up():
    """Run the common paths until CPython has specialised them.

    What it learns is written into the code itself, once here instead of in every fresh guest.
    """
    start = [
        0,
        {"env": {}, "functions": [], "types": [], "recursion": 2**31 - 1, "value_bytes": 2**31},
    ]
    run = [1, "import sys\nvalue = {1: 'a'}\nvalue", "<warm-up>", ["-c"], None, 1, None]
    for _ in range(_WARM_UP_ROUNDS):
        _coilbox.encode(requests.handle(_coilbox.decode(_coilbox.encode(start))))
        _coilbox.encode(requests.handle(_coilbox.decode(_coilbox.encode(run))))
        _coilbox.encode(requests.handle([2, "operator:add", [1, 2], {}]))
    for failing in ("1/0", "a b", "return", "nothing", "[].nothing", "import nothing"):
        requests.handle([1, failing, "<warm-up>", ["-c"], None, 1, None])


def boot():
    """Bring the interpreter to the state that every fresh guest starts from."""
    requests.install()
    event_loop.adapt()
    recursion.install()
    importlib.import_module("coilbox._bindings")
    for name in os.environ.get("COILBOX_PRELOAD", "").split():
        importlib.import_module(name)
    program.set_environment({})
    _warm_up()
    fresh.forget()
    sources.forget()
    sys.modules["__main__"] = program.new_main()
    sys.argv = [""]
    stdio.prepare()
    del sys.modules[__name__]
    gc.collect()
    gc.freeze()
    _coilbox.freeze()
