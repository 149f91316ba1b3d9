"""Which functions count as hot, and that the file that names them fits the guest."""

from __future__ import annotations

from coilbox import Image
from coilbox.engines.native.emit import Profile
from coilbox.engines.native.emit.ctype import symbol
from coilbox.engines.native.emit.hot import HOT_FILE, choose_hot, hot_functions
from coilbox.wasm import Module


def names(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_work_and_entries_decide() -> None:
    profile = Profile(
        {
            "1_loops": [1, 5000, 4999],  # entered once
            "2_called": [400],
            "3_recurses": [100],
            "4_rare": [99],
            "5_twin": [60, 30],
            "9_twin": [60, 30],  # another of the same name
            "7": [900],  # without a name there is nothing to write down
        }
    )
    assert names(choose_hot(profile, share=0.8, entries=100)) == ["called", "loops", "recurses"]
    assert names(choose_hot(profile, share=0.8, entries=1000)) == ["loops"]
    assert names(choose_hot(profile, share=0.98, entries=1000)) == ["called", "loops", "twin"]


def test_the_file_names_functions_of_the_guest(image: Image) -> None:
    listed = names(HOT_FILE.read_text())
    assert listed == sorted(listed)
    assert hot_functions() == set(listed)
    known = Module(image.read("guest.wasm")).names.functions.values()
    gone = hot_functions() - {symbol(name) for name in known}
    assert len(gone) < len(listed) / 20, "run: python tests/native/measure_hot.py"
