"""``coilbox doctor``: all well, and each thing that can be amiss."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from coilbox import EngineError, Image
from coilbox.cli import checks, exits

from .conftest import Cli


def finding(name: str, image: str = "default") -> checks.Finding:
    return dict(checks.run_checks(image))[name]


def test_all_is_well(cli: Cli, image: Image) -> None:
    outcome = cli("doctor", "--json")
    data = json.loads(outcome.out)
    assert (outcome.code, data["ok"]) == (0, True)
    found = {check["name"]: check for check in data["checks"]}
    assert list(found) == list(checks.CHECKS)
    assert {check["status"] for check in data["checks"]} <= {"ok", "warning"}
    assert found["image"]["status"] == "ok"
    assert "Python 3.14" in found["self-test"]["detail"]


def test_for_people(cli: Cli, image: Image) -> None:
    outcome = cli("doctor")
    assert outcome.code == 0
    assert [line[6:20].strip() for line in outcome.out.splitlines() if line[0] != " "] == list(
        checks.CHECKS
    )


def test_without_an_image(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path / "cache"))
    outcome = cli("doctor")
    assert outcome.code == 0
    assert "not built; the first run builds it" in outcome.out
    assert "run: coilbox image build" in outcome.out
    assert finding("self-test").status == finding("compiled code").status == "skipped"


def test_an_image_that_does_not_exist(cli: Cli) -> None:
    outcome = cli("doctor", "--image", "nope")
    assert outcome.code == exits.HOST
    assert "there is no image 'nope'" in outcome.out


def test_a_cache_that_others_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path))
    tmp_path.chmod(0o777)
    found = finding("cache folder")
    assert (found.status, found.advice) == ("failure", f"chmod 700 {tmp_path}")


def test_a_cache_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    found = finding("cache folder")
    assert found.status == "failure"
    assert "belongs to another user" in found.detail


@pytest.mark.parametrize("below", ["file", "file/cache"])
def test_a_cache_that_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    (tmp_path / "file").touch(mode=0o666)
    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path / below))
    found = finding("cache folder")
    assert found.status == "failure"
    assert found.detail.endswith(f"{tmp_path / 'file'} is no folder")
    assert found.advice == "set COILBOX_CACHE to a folder of your own"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1 << 20

    monkeypatch.setenv("COILBOX_CACHE", str(tmp_path / "later"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    found = finding("cache folder")
    assert found.status == "warning"
    assert found.detail.endswith("not there yet; 1.0 MiB free")
    assert "a first build takes" in found.advice


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_PACKAGES", ("click", "no-such-package-of-ours"))
    found = finding("packages")
    assert found.status == "failure"
    assert found.advice == "run: pip install no-such-package-of-ours"


def test_a_limited_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (20 << 30, -1))
    found = finding("address space")
    assert found.status == "warning"
    assert found.detail == "limited to 20.0 GiB: about 3 sandboxes at a time"
    assert "ulimit -v" in found.advice


def test_a_small_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coilbox.engines.wasmtime.stack.native_stack_size", lambda: 1 << 20)
    found = finding("thread stack")
    assert (found.status, found.advice) == ("failure", "raise it: ulimit -s 8192")


def test_an_engine_that_cannot_be_loaded(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise EngineError("wasmtime 1.0 is installed, but this coilbox works with wasmtime 50")

    monkeypatch.setattr("coilbox.engines.wasmtime.library.capi", fail)
    found = finding("wasmtime")
    assert found.status == "failure"
    assert found.detail.startswith("wasmtime 1.0 is installed")


def test_a_check_that_fails_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> checks.Finding:
        raise LookupError("oops")

    monkeypatch.setitem(checks.CHECKS, "python", fail)
    found = dict(checks.run_checks("default"))
    assert found["python"].detail == "the check failed: LookupError: oops"
    assert found["packages"].status == "ok"
