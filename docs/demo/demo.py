"""What coilbox does, in one go: a real script on a real data file, and two that misbehave.

The data is the table of the world's airports that the ``airportsdata`` package ships.
"""

import importlib.util
from pathlib import Path

from coilbox import Limits, Mount, Sandbox

SCRIPT = Path(__file__).with_name("itinerary.py")
JOURNEY = "LHR\nSIN\nSYD\nLAX\nJFK\nLHR\n"


def main() -> None:
    spec = importlib.util.find_spec("airportsdata")
    assert spec is not None and spec.origin is not None, "pip install airportsdata"
    data = Path(spec.origin).parent

    limits = Limits(wall_seconds=5, memory_bytes=256 << 20, output_bytes=1 << 20)
    mounts = [Mount(data, "/data")]
    with Sandbox(mounts=mounts, limits=limits) as sandbox:
        print(f"engine: {sandbox.engine}\n")

        result = sandbox.run(SCRIPT, ["/data/airports.csv", "km"], JOURNEY).check()
        print(result.stdout, end="")
        print(f"value:  {result.value}")
        print(
            f"usage:  {result.usage.wall_seconds:.3f} s, "
            f"{result.usage.peak_memory_bytes / (1 << 20):.0f} MiB\n"
        )

        sandbox.reset()
        for title, code, seconds in (
            ("A write to the read-only mount", "open('/data/airports.csv', 'w')", None),
            ("A loop without end", "while True: pass", 0.5),
            ("Memory without end", "x = []\nwhile True: x.append(bytes(1 << 20))", None),
            ("Output without end", "while True: print('spam' * 100)", None),
        ):
            error = sandbox.run(code, timeout=seconds).error
            print(f"{title}:\n    {type(error).__name__}: {error}")
            sandbox.reset()


if __name__ == "__main__":
    main()
