"""What a run used, and a sandbox in its life."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest

from coilbox import Limits, Mount, OutputLimitExceeded, Sandbox, Usage

BUSY = "import time\nfor _ in range(5_000_000): pass"


def test_cpu_time_is_what_the_thread_used(box: Sandbox) -> None:
    before = time.thread_time()
    usage = box.run(BUSY).check().usage
    own = time.thread_time() - before
    assert own / 2 < usage.cpu_seconds <= own
    assert usage.cpu_seconds <= usage.wall_seconds * 1.01
    usage = box.run("time.sleep(0.5)").check().usage
    assert usage.wall_seconds >= 0.5
    assert usage.cpu_seconds < 0.3, "sleeping takes none"


def test_the_cpu_time_of_host_functions_counts(sandbox: Any) -> None:
    def work() -> None:
        end = time.thread_time() + 0.2
        while time.thread_time() < end:
            pass

    box = sandbox(functions={"work": work})
    assert box.run("from coilbox import host; host.work()").check().usage.cpu_seconds >= 0.2


def test_every_number(sandbox: Any, tmp_path: Any) -> None:
    box = sandbox(functions={"echo": lambda data: data}, mounts=[Mount(tmp_path, "/work", "rw")])
    before = box.run("1").check().usage
    code = (
        "import sys, os\nfrom coilbox import host\n"
        "x = b'x' * (50 << 20)\nsys.stderr.write('four')\n"
        "print('12')\nfor n in range(3): host.echo(bytes(1000))\n"
        "open('/work/a', 'wb').write(bytes(5000))\nos.mkdir('/work/b')"
    )
    usage = box.run(code).check().usage
    assert (usage.stdout_bytes, usage.stderr_bytes, usage.host_calls) == (3, 4, 3)
    assert 3000 < usage.host_call_argument_bytes < 3100
    assert 3000 < usage.host_call_reply_bytes < 3100
    assert (usage.written_bytes, usage.created_files) == (5000, 2)
    assert usage.peak_memory_bytes - before.peak_memory_bytes >= 50 << 20
    # Huge pages make it fewer than one for each 4 KiB.
    assert usage.page_faults >= 25


def test_totals(sandbox: Any) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    box = sandbox(functions={"fail": fail, "fine": lambda: 1}, limits=Limits(output_bytes=1000))
    assert box.usage == Usage()
    code = "from coilbox import host\nprint('abc')\nhost.fine()"
    used = [box.run(code).check().usage for _ in range(2)]
    used.append(box.call("math:gcd", 4, 6).usage)
    result = box.run("while True: print('x' * 100)")
    assert isinstance(result.error, OutputLimitExceeded)
    used.append(result.usage)
    box.reset()
    with pytest.raises(KeyboardInterrupt):
        box.run("from coilbox import host\nhost.fail()")
    total = box.usage
    assert total.host_calls == 3, "runs that the host broke off count as well"
    assert total.stdout_bytes == sum(usage.stdout_bytes for usage in used) == 4 + 4 + 0 + 1000
    assert total.cpu_seconds >= sum(usage.cpu_seconds for usage in used)
    assert total.wall_seconds >= sum(usage.wall_seconds for usage in used)
    assert total.peak_memory_bytes == max(usage.peak_memory_bytes for usage in used)
    kept = dataclasses.replace(total)
    box.usage.host_calls = 1_000_000
    assert box.usage == kept, "what is given out is a copy"
    box.reset()
    assert box.usage == kept
    box.close()
    assert box.usage == kept


@pytest.mark.isolated
def test_the_guest_sees_the_cpu_time_of_its_runs(box: Sandbox) -> None:
    def burn() -> None:
        end = time.thread_time() + 0.3
        while time.thread_time() < end:
            pass

    burn()
    look = "import os, time\n(time.process_time(), os.times().user)"
    first, ticks = box.run(look).check().value
    assert first < 0.3, "what the host did before is not the guest's"
    assert ticks <= first + 0.02
    slept = box.run("time.sleep(0.5)\ntime.process_time()").check()
    assert slept.value < first + 0.3, "sleeping takes none"
    busy = box.run(BUSY).check().usage.cpu_seconds
    burn()
    last, ticks = box.run(look).check().value
    assert busy / 2 < last - slept.value < busy + 0.3, "nor is what it does between the runs"
    assert last - 0.02 <= ticks <= last + 0.02
    box.reset()
    assert box.run(look).check().value[0] < 0.3, "a fresh guest has used none"
