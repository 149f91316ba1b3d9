"""Where coilbox's own files lie: in an installed wheel, or in a checkout.

=============== ================================ ===============================
what            installed                        in a checkout
=============== ================================ ===============================
configs         ``coilbox/configs``              ``configs``
guest builder   ``coilbox_guest`` beside it      ``python-wasm/coilbox_guest``
=============== ================================ ===============================
"""

from __future__ import annotations

from pathlib import Path

from coilbox.errors import SetupError

_PACKAGE = Path(__file__).absolute().parents[1]


def configs() -> Path:
    """The folder of guest builds, sandbox profiles and schemas.

    Raises:
        SetupError: the installation lacks it.
    """
    return _first("configs", _PACKAGE / "configs", _PACKAGE.parents[1] / "configs")


def guest_builder() -> Path:
    """The folder of the package ``coilbox_guest``, found without importing it.

    Raises:
        SetupError: the installation lacks it.
    """
    return _first(
        "coilbox_guest",
        _PACKAGE.parent / "coilbox_guest",
        _PACKAGE.parents[1] / "python-wasm" / "coilbox_guest",
    )


def _first(what: str, *places: Path) -> Path:
    for place in places:
        if place.is_dir():
            return place
    raise SetupError(
        f"this installation of coilbox lacks {what} (looked at {places[0]}); "
        "run: pip install --force-reinstall coilbox"
    )
