"""Loading: the modules of extensions in the guest's import system."""

from __future__ import annotations

from coilbox import Image, Sandbox
from coilbox.bindings import load_spec
from coilbox.bindings.generate.guest import guest_module

from .conftest import Guest
from .probe import SPEC, make


def test_the_module_is_one(guest: Guest) -> None:
    code = """
        import importlib.util, inspect, pydoc, sys
        spec = probe.__spec__
        assert spec.name == "probe" and spec.origin == "extension of the host"
        assert not hasattr(probe, "__file__") and sys.modules["probe"] is probe
        assert importlib.util.find_spec("probe") is spec
        text = pydoc.plain(pydoc.render_doc(probe))
        assert "What the tests of the bridge call." in text and "Point" in text
        assert "self" not in str(inspect.signature(probe.rows))
        repr(probe), str(inspect.signature(probe.move))
    """
    assert guest.value(code) == (
        "<module 'probe' (extension of the host)>",
        "(point: probe.Point, by: int = 1, *, "
        "colour: probe.Colour | None = Colour.RED) -> probe.Point",
    )


def test_reload(guest: Guest) -> None:
    code = """
        import importlib
        old = probe.Point
        again = importlib.reload(probe)
        assert again is probe and probe.Point is not old
        assert probe.move(probe.Point(x=1)).x == 2
        try:
            probe.move(old(x=1))
        except TypeError as error:
            text = str(error)
        text
    """
    assert guest.value(code) == "probe.move: point must be Point, not probe.Point"


def test_a_sandbox_without_the_extension(image: Image, engine: str) -> None:
    with Sandbox(image, engine=engine) as box:
        assert "No module named 'probe'" in str(box.run("import probe").error)
        assert box.run("import sys\nlen(sys.meta_path)").value == 3


def test_a_module_from_elsewhere(guest: Guest, image: Image, engine: str) -> None:
    source = guest_module(load_spec(SPEC))
    code = f"import types\nmodule = types.ModuleType('probe')\nexec({source!r}, module.__dict__)"
    guest.run(code).check()
    assert guest.value("module.add(1, 2)") == 3
    wrong = source.replace(load_spec(SPEC).digest, "0" * 64)
    code = f"exec({wrong!r}, types.ModuleType('probe').__dict__)"
    assert "ImportError: the module probe was generated from another version" in guest.error(code)
    with Sandbox(image, engine=engine) as box:
        code = f"import types\nexec({source!r}, types.ModuleType('probe').__dict__)"
        error = str(box.run(code).error)
        assert "ImportError: this sandbox was not given the extension 'probe'" in error


def test_modules_that_an_extension_ships(image: Image, engine: str) -> None:
    extension, _ = make()
    extension.ship("probe_shim", "from probe import add\ndef plus(a): return add(a, 1)\n")
    with Sandbox(image, engine=engine, extensions=[extension]) as box:
        assert box.run("import probe_shim\nprobe_shim.plus(4)").check().value == 5


def test_modules_that_the_guest_makes(guest: Guest) -> None:
    code = """
        import _coilbox, types
        classes = {"Colour": probe.Colour, "Point": probe.Point, "Lost": probe.Lost}
        digest = "{digest}"
        def attempt(make):
            try:
                return make()
            except Exception as error:
                return f"{type(error).__name__}: {error}"
        def with_classes(**changes):
            module = _coilbox.Module("probe", digest)
            result = attempt(lambda: module.ready(classes | changes))
            attempt(lambda: module.call(2, (probe.Point(x=1), 1, None)))
            return result
        class Wide(probe._rt.Record):
            __slots__ = __fields__ = ("x",)
        [
            attempt(lambda: probe._module.ready(classes)),
            with_classes(Point=Wide),
            with_classes(Point=object),
            with_classes(Colour=int),
            with_classes(),
            attempt(lambda: _coilbox.Module("probe", digest).call(2, (probe.Point(x=1), 1, None))),
            attempt(lambda: _coilbox.Module("probe", digest).call(99, ())),
            attempt(lambda: _coilbox.Module("probe", digest).call(0, (1,))),
        ]
    """
    assert guest.value(code.replace("{digest}", load_spec(SPEC).digest)) == [
        "RuntimeError: the module has its classes already",
        "TypeError: Wide has no slot 'y'",
        "TypeError: object is no record",
        "AttributeError: type object 'int' has no attribute '_value2member_map_'",
        "ImportError: the module lacks the class 'Shape.circle' of the extension",
        "TypeError: probe.move: point must be Point, not probe.Point",
        "TypeError: takes the number of an operation and its arguments",
        "TypeError: the operation takes a tuple of 2 arguments",
    ]
