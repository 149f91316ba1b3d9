"""Fixtures that all suites share: the image, the engines, and sandboxes that are closed.

Slow tests run with ``COILBOX_SLOW=1`` or ``-m slow``; ``make test-all`` does.

``COILBOX_TEST_ENGINES`` names the engines to test on (``wasmtime``, or ``wasmtime,native``, which
is the default). The native engine's code is compiled when the first test asks for it, which takes
minutes after each change of the guest: leave it out while you change the guest.
"""

from __future__ import annotations

import os
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from coilbox import Image, Limits, Sandbox, open_image
from coilbox.engines import ENGINE_NAMES, is_compiled
from coilbox.engines.native import NativeEngine
from coilbox.engines.native.library import supported
from coilbox.support.progress import progress_for
from tests.tools import seek_beside_python

TIER = "quick"
"""How the native engine's code is compiled if there is none: the tier that takes least time."""
PATIENT = Limits(wall_seconds=300)
"""Limits of sandboxes in tests of other things: a busy machine may be ten times slower."""
SandboxFactory = Callable[..., Sandbox]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write what is generated as what should be"
    )


def pytest_configure() -> None:
    seek_beside_python()
    # No example takes too long: the machine may be busy. And what one run finds every run finds.
    hypothesis.settings.register_profile(
        "coilbox",
        deadline=None,
        derandomize=os.environ.get("COILBOX_SLOW") != "1",
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("coilbox")
    # A shell ignores Ctrl-C in what it starts in the background, and so would every test of it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Prepare what all workers need before they start: it is built once, and its progress shown."""
    options = session.config.option
    starts_workers = bool(getattr(options, "numprocesses", None))
    if not starts_workers or options.collectonly:
        return
    found = open_image(os.environ.get("COILBOX_TEST_IMAGE"))
    if "native" in _engines() and supported() is None:
        _compile_for_native(found)


def _compile_for_native(image: Image) -> None:
    if not is_compiled("native", image):
        NativeEngine().compile(image, tier=TIER, progress=progress_for())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("COILBOX_SLOW") == "1" or "slow" in (config.getoption("-m") or ""):
        return
    items[:] = [item for item in items if not _native_in_a_worker(item)]
    skip = pytest.mark.skip(reason="slow; set COILBOX_SLOW=1 or give -m slow to run it")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


def _native_in_a_worker(item: pytest.Item) -> bool:
    """One engine in workers is enough unless time does not matter: engines know nothing of them."""
    values = getattr(getattr(item, "callspec", None), "params", {})
    return values.get("engine_name") == "native" and values.get("isolation") == "process"


@contextmanager
def _shown(config: pytest.Config) -> Iterator[None]:
    """What is printed in the block is seen at once, unless a worker prints it."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        yield


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> Image:
    """``COILBOX_TEST_IMAGE`` (a name, folder or key), else the default image, built if missing.

    Both are sought in the cache: ``COILBOX_CACHE``, or the user's.
    """
    with _shown(request.config):
        return open_image(os.environ.get("COILBOX_TEST_IMAGE"))


def _engines() -> list[str]:
    chosen = os.environ.get("COILBOX_TEST_ENGINES") or ",".join(ENGINE_NAMES)
    names = [name.strip() for name in chosen.split(",")]
    unknown = sorted(set(names) - set(ENGINE_NAMES))
    if unknown:
        raise pytest.UsageError(
            f"COILBOX_TEST_ENGINES: there is no engine {', '.join(unknown)}; "
            f"there are: {', '.join(ENGINE_NAMES)}"
        )
    return names


@pytest.fixture(scope="session", params=_engines())
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine in turn, whatever is to run on it."""
    name = str(request.param)
    reason = supported() if name == "native" else None
    if reason is not None:
        pytest.skip(reason)
    return name


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, engine_name: str, image: Image) -> str:
    """Each engine in turn, with the image compiled: every test of behaviour runs on all."""
    if engine_name == "native":
        with _shown(request.config):
            _compile_for_native(image)
    return engine_name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of behaviour that are marked ``isolated`` in worker processes as well."""
    marked = metafunc.definition.get_closest_marker("isolated")
    if marked and "isolation" in metafunc.fixturenames and sys.platform == "linux":
        metafunc.parametrize("isolation", ["none", "process"], indirect=True)


@pytest.fixture
def isolation(request: pytest.FixtureRequest) -> str:
    """How the sandboxes of a test are isolated; ``COILBOX_TEST_ISOLATION`` says it for all."""
    return str(getattr(request, "param", os.environ.get("COILBOX_TEST_ISOLATION", "none")))


@pytest.fixture
def sandbox(image: Image, engine: str, isolation: str) -> Iterator[SandboxFactory]:
    """Make sandboxes on the engine under test; they are closed when the test ends."""
    made: list[Sandbox] = []

    def make(**options: Any) -> Sandbox:
        usual: dict[str, Any] = {"isolation": isolation, "limits": PATIENT}
        made.append(Sandbox(image, engine=engine, **(usual | options)))
        return made[-1]

    yield make
    for box in made:
        box.close()


@pytest.fixture
def box(sandbox: SandboxFactory) -> Sandbox:
    """One sandbox with nothing granted."""
    return sandbox()


@pytest.fixture
def installed_extensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """coilbox's extensions found by name, also where coilbox runs without being installed."""
    project = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["coilbox.extensions"]
    folder = tmp_path / "site" / "coilbox-0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: coilbox\nVersion: 0")
    lines = ["[coilbox.extensions]", *(f"{name} = {value}" for name, value in points.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(folder.parent))
