"""Running source code as __main__, and calling functions of modules."""

import _ast
import linecache
import os
import sys
from importlib import import_module
from types import ModuleType

import builtins

_ONLY_AST = 0x0400  # ast.PyCF_ONLY_AST
_FUTURES = 0x1FF0000  # the flags of code objects that `from __future__ import` sets

FRESH, LAST = 1, 2


def run(source, filename, argv, env, flags):
    """Run source code as __main__ and return the value of a last expression statement."""
    main = sys.modules.get("__main__")
    if flags & FRESH or main is None:
        main = sys.modules["__main__"] = new_main()
    if env is not None:
        set_environment(env)
    sys.argv = argv
    if filename.startswith("/"):
        main.__file__ = filename
        folder = os.path.dirname(filename)
        if folder not in sys.path:
            sys.path.insert(0, folder)
    remember_source(source, filename)
    body, last = _compile(source, filename)
    namespace = main.__dict__
    exec(body, namespace)
    return None if last is None else eval(last, namespace)


def new_main():
    """Return an empty module __main__."""
    main = ModuleType("__main__")
    main.__builtins__ = builtins
    return main


def set_environment(env):
    """Make os.environ, and libc's copy of it, equal to `env`."""
    environ = os.environ
    for name in list(environ):
        if name not in env:
            del environ[name]
    for name, value in env.items():
        environ[name] = value


def remember_source(source, filename):
    """Let tracebacks and inspect find the lines of code that may have no file."""
    if isinstance(source, bytes):
        from importlib.util import decode_source

        try:
            source = decode_source(source)
        except (SyntaxError, UnicodeError):
            return  # compile() reports it
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)


def _compile(source, filename):
    """Compile to code for everything but a last expression, and code for that or None."""
    tree = compile(source, filename, "exec", _ONLY_AST, dont_inherit=True)
    try:
        if not tree.body or not isinstance(tree.body[-1], _ast.Expr):
            return compile(tree, filename, "exec", dont_inherit=True), None
        expression = _ast.Expression(tree.body.pop().value)
        body = compile(tree, filename, "exec", dont_inherit=True)
        futures = body.co_flags & _FUTURES
        return body, compile(expression, filename, "eval", futures, dont_inherit=True)
    except SyntaxError as error:
        _give_text(error, filename)
        raise


def _give_text(error, filename):
    """Give an error of the compiler its line: it saw a tree and knows no source."""
    if error.text is None and isinstance(error.lineno, int):
        error.text = linecache.getline(filename, error.lineno) or None


def call(target, args, kwargs):
    """Call `module:function`; the function may be an attribute of an attribute."""
    module, _, path = target.partition(":")
    if not path:
        raise ValueError(f"{target!r} is not of the form 'module:function'")
    function = sys.modules.get(module) or import_module(module)
    for name in path.split("."):
        function = getattr(function, name)
    return function(*args, **kwargs)
