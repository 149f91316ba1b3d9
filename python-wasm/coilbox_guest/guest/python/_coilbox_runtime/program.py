"""Running source code as __main__, and calling functions of modules."""

import _ast
import atexit
import builtins
import gc
import marshal
import os
import sys
from types import FunctionType, ModuleType

from _coilbox_runtime import sources, tasks

_ONLY_AST = 0x0400  # ast.PyCF_ONLY_AST
_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_FUTURES = 0x1FF0000  # the flags of code objects that `from __future__ import` sets

FRESH, LAST = 1, 2  # flags of a run


def run(source, filename, argv, env, flags, inputs=None):
    """Run source code as __main__ and return the value of a last expression statement.

    The source of precompiled code is a list that has what `precompile` returned behind it.
    """
    code = None
    if isinstance(source, list):
        source, *code = source
    if isinstance(source, str):
        source = source.removeprefix("\ufeff")  # editors' mark of UTF-8, which open() drops
    if flags & FRESH or "__main__" not in sys.modules:
        tasks.end()
        sys.modules["__main__"] = new_main()
    namespace = sys.modules["__main__"].__dict__
    if inputs is not None:
        namespace.update(inputs)
    sys.argv = argv
    if not filename.startswith("<"):
        namespace["__file__"] = filename
    if filename.startswith("/"):
        folder = filename.rpartition("/")[0] or "/"
        if folder not in sys.path:
            sys.path.insert(0, folder)
    sources.remember(source, filename)
    before = _add_environment(env or {})
    try:
        body, last = _compile(source, filename) if code is None else map(_loaded, code)
        if tasks.awaits(body) or tasks.awaits(last):
            return tasks.run(body, last, namespace)
        exec(body, namespace)
        return None if last is None else eval(last, namespace)
    finally:
        if flags & LAST:
            end()
        _restore_environment(before)


def end():
    """Do what CPython does at the end of a program: exit functions run, open files are flushed."""
    tasks.end()
    atexit._run_exitfuncs()
    namespace = sys.modules["__main__"].__dict__
    # Values first: what their finalizers use, modules and functions, must still be there.
    for name, value in list(namespace.items()):
        if not isinstance(value, (ModuleType, FunctionType, type)):
            del namespace[name]
    namespace.clear()
    gc.collect()


def new_main():
    """Return an empty module __main__."""
    main = ModuleType("__main__")
    main.__builtins__ = builtins
    return main


def _add_environment(extra):
    """Add environment variables for one run; return what was there before."""
    before = {name: os.environ.get(name) for name in extra}
    os.environ.update(extra)
    return before


def _restore_environment(before):
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def set_environment(env):
    """Make os.environ, and libc's copy of it, equal to `env`."""
    os.environ.clear()
    os.environ.update(env)


def precompile(source, filename):
    """Return what runs need of source code, for any guest of this image."""
    sources.remember(source, filename)
    return [None if code is None else marshal.dumps(code) for code in _compile(source, filename)]


def _loaded(code):
    return None if code is None else marshal.loads(code)


def _compile(source, filename):
    """Compile to code for everything but a last expression, and code for that or None."""
    tree = compile(source, filename, "exec", _ONLY_AST, dont_inherit=True)
    try:
        if not tree.body or not isinstance(tree.body[-1], _ast.Expr):
            return compile(tree, filename, "exec", _AWAIT, dont_inherit=True), None
        expression = _ast.Expression(tree.body.pop().value)
        body = compile(tree, filename, "exec", _AWAIT, dont_inherit=True)
        flags = body.co_flags & _FUTURES | _AWAIT
        return body, compile(expression, filename, "eval", flags, dont_inherit=True)
    except SyntaxError as error:
        _give_text(error, filename)
        raise


def _give_text(error, filename):
    """Give an error of the compiler its line: it saw a tree and knows no source."""
    if error.text is None and isinstance(error.lineno, int):
        error.text = sources.line(filename, error.lineno) or None


def call(target, args, kwargs):
    """Call `module:function`; the function may be an attribute of an attribute."""
    module, _, path = target.partition(":")
    if not path:
        raise ValueError(f"{target!r} is not of the form 'module:function'")
    __import__(module)  # not importlib's function, whose frames would be in the traceback
    function = sys.modules[module]
    for name in path.split("."):
        function = getattr(function, name)
    return function(*args, **kwargs)
