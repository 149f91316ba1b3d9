"""The shop: good plug-ins make prices, bad ones are left out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest


def test_what_the_plugins_make_of_an_order(
    example: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    shop = example("plugins/shop.py")
    order = shop.Order("tea", 3, Decimal("12.00"))
    quotes = shop.quotes(order)
    assert quotes["bulk_discount"] == shop.Order("tea", 3, Decimal("10.8"))
    assert quotes["in_dollars"] == shop.Order("tea", 3, Decimal("13.2"), "USD")
    reasons = {
        name: str(quote) for name, quote in quotes.items() if quote.__class__ is not shop.Order
    }
    assert reasons["endless"] == "it used more than 0.2 seconds of CPU time"
    assert reasons["nonsense"] == "it returned Decimal, not an order"
    assert "FileNotFoundError" in reasons["curious"]
    assert len(quotes) == 5


def test_a_new_plugin_is_a_file(example: Callable[[str], ModuleType], tmp_path: Path) -> None:
    (tmp_path / "gift.py").write_text("import dataclasses\ndef price(order): 1 / 0\n")
    shop = example("plugins/shop.py")
    quotes = shop.quotes(shop.Order("tea", 1, Decimal(4)), tmp_path)
    assert str(quotes["gift"]) == "it raised ZeroDivisionError: division by zero"
