"""The public surface: what each module exports, and that extensions use nothing else.

A name that goes from here breaks programs: docs/versioning.md says what that takes.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import coilbox
from coilbox.extensions import __path__ as extension_folders

PUBLIC = {
    "coilbox": """
        BuildError CacheError CoilboxError CompiledCode ConfigError CpuLimitExceeded
        CreatedFilesLimitExceeded Display DisplayLimitExceeded EngineError ExtensionError
        FileSizeLimitExceeded Finish Frame GuestCancelled GuestClock GuestError GuestException
        GuestProtocolError GuestTrap GuestVisibleError HostCallBytesLimitExceeded
        HostCallLimitExceeded Image ImageError LimitExceeded Limits MemoryLimitExceeded Mount Opaque
        OpenFilesLimitExceeded Output OutputLimitExceeded PackageError Packages PartError
        RecursionLimitExceeded Result RunStream Sandbox SandboxBusyError SandboxClosedError
        SandboxStoppedError Scratch SetupError TimeLimitExceeded UnsupportedValueError Usage
        UsageError ValueLimitExceeded WorkerCrashed WrittenBytesLimitExceeded compile load_extension
        open_image open_packages
    """,
    "coilbox.bindings": "load_extension load_spec",
    "coilbox.bindings.checker": "Checked check check_file load parse",
    "coilbox.bindings.derive": "Functions host_function",
    "coilbox.bindings.generate.files": "files outdated write",
    "coilbox.bindings.host": "Callback Context DeclaredError Extension Stream spec_from_json",
    "coilbox.bindings.ir": """
        CallbackOf Capability Case Default Deprecated DictOf Enum Error Field Function Limits
        ListOf Member Operation OptionalOf Rate Record Ref Resource Scalar SetOf StreamOf
        TupleOf Variant
    """,
    "coilbox.bindings.spec": "Spec",
    "coilbox.bindings.settings": "Count Duration HostPath Seconds Size anchor host_path settings",
    "coilbox.bindings.sized": "i16 i32 i64 i8 u16 u32 u64 u8",
    "coilbox.bindings.testing": "CallContext DirectCalls",
    "coilbox.extensions.clock": "VirtualClock extension",
    "coilbox.extensions.files": "Folder extension",
    "coilbox.extensions.http": "extension",
    "coilbox.extensions.kv": "Store extension",
    "coilbox.extensions.log": "extension",
    "coilbox.extensions.sql": "Database extension",
    "coilbox.profiles": "Profile load_profile profile_names schema_text",
    "coilbox.virtual_files": """
        Directory Entry File Listing MAX_DEPTH OpenFlags Place Stat VirtualTree Walk WasiError
        constants
    """,
}
ROOT = Path(__file__).parents[2]


def exported(module: ModuleType) -> list[str]:
    """What a module's ``__all__`` names, or else the public things that it defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        if inspect.isclass(value) or inspect.isfunction(value)
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_public_module_exports(name: str) -> None:
    module = importlib.import_module(name)
    assert exported(module) == sorted(PUBLIC[name].split())
    assert inspect.getdoc(module)
    for item in exported(module):
        value = getattr(module, item)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), item


def test_the_page_on_versions_names_every_public_module() -> None:
    page = (ROOT / "docs/versioning.md").read_text()
    own = [name for name in PUBLIC if not name.startswith("coilbox.extensions.")]
    assert [name for name in own if f"`{name}`" not in page] == []


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """The modules of coilbox that a file imports from, and the names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def unfit(path: Path, package: str) -> list[str]:
    """What a file of an extension imports of coilbox that is not public."""
    found = []
    for module, name in imported(path):
        whole = f"{module}.{name}"
        if module.split(".")[0] not in ("coilbox", "coilbox_guest") or module.startswith(package):
            continue
        if whole not in PUBLIC and name not in PUBLIC.get(module, "").split():
            found.append(f"{path.name}: {whole}")
    return found


FOLDERS = [path for path in Path(extension_folders[0]).iterdir() if (path / "host.py").exists()]


@pytest.mark.parametrize("folder", sorted(FOLDERS), ids=lambda path: path.name)
def test_extensions_use_what_is_public_only(folder: Path) -> None:
    files = [
        path
        for path in folder.rglob("*.py")
        if not {"guest", "tests"} & {*path.relative_to(folder).parts}
    ]
    assert len(files) >= 3
    package = f"coilbox.extensions.{folder.name}"
    assert [fault for path in files for fault in unfit(path, package)] == []


def test_generated_modules_import_one_module() -> None:
    for path in (ROOT / "tests/bindings/goldens").glob("*/*_host.py"):
        used = [module for module, _ in imported(path) if module.startswith("coilbox")]
        assert used == ["coilbox.bindings"]
        assert "from coilbox.bindings import host as _host\n" in path.read_text()
    for path in (ROOT / "tests/bindings/goldens").glob("*/guest/*.py"):
        used = [module for module, _ in imported(path) if module.startswith("coilbox")]
        assert used == ["coilbox"]
        assert "from coilbox import _bindings as _rt\n" in path.read_text()


def test_the_version_is_in_one_place() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert 'dynamic = ["version"]' in project
    assert coilbox.__version__ not in project.split("[project.optional-dependencies]")[0]
