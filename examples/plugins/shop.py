"""A shop whose prices are made by plug-ins that it need not trust."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from coilbox import CpuLimitExceeded, GuestException, Limits, Mount, Result, Sandbox

PLUGINS = Path(__file__).parent / "plugins"
LIMITS = Limits(cpu_seconds=0.2, wall_seconds=10, memory_bytes=64 << 20, host_calls=10)
RATES = {("EUR", "USD"): Decimal("1.10")}


@dataclass(frozen=True)
class Order:
    """An order of a customer.

    Attributes:
        item: its name.
        count: how many.
        total: the price of all.
        currency: its three letters.
    """

    item: str
    count: int
    total: Decimal
    currency: str = "EUR"


class PluginError(Exception):
    """A plug-in cannot be used; the message says why."""


class Plugin:
    """One plug-in, in a sandbox of its own.

    Args:
        path: its file.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._sandbox = Sandbox(
            mounts=[Mount(path.parent, "/plugins")],
            env={"PYTHONPATH": "/plugins"},
            functions={"rate": self._rate},
            types=[Order],
            limits=LIMITS,
        )

    def price(self, order: Order) -> Order:
        """The order as the plug-in prices it.

        Raises:
            PluginError: it failed, took too long, or returned no order.
        """
        result = self._sandbox.call(f"{self.name}:price", order)
        if result.error is not None:
            raise PluginError(_reason(result))
        if not isinstance(result.value, Order):
            raise PluginError(f"it returned {type(result.value).__name__}, not an order")
        return result.value

    def close(self) -> None:
        """Close the sandbox."""
        self._sandbox.close()

    @staticmethod
    def _rate(of: str, to: str) -> Decimal:
        return RATES[of, to]


def _reason(result: Result) -> str:
    error = result.error
    if isinstance(error, GuestException):
        return f"it raised {error.type}: {error.message}"
    if isinstance(error, CpuLimitExceeded):
        return f"it used more than {error.limit:g} seconds of CPU time"
    return str(error)


def quotes(order: Order, folder: Path = PLUGINS) -> dict[str, Order | PluginError]:
    """The answer of each plug-in of a folder to an order, or why it is left out."""
    found: dict[str, Order | PluginError] = {}
    for path in sorted(folder.glob("*.py")):
        plugin = Plugin(path)
        try:
            found[plugin.name] = plugin.price(order)
        except PluginError as error:
            found[plugin.name] = error
        finally:
            plugin.close()
    return found


def main() -> None:
    """Print what the plug-ins make of an order."""
    order = Order("tea", 3, Decimal("12.00"))
    for name, quote in quotes(order).items():
        if isinstance(quote, PluginError):
            print(f"{name}: left out: {quote}")
        else:
            print(
                f"{name}: {order.count} {order.item} at {order.total} {order.currency}, "
                f"now {quote.total:.2f} {quote.currency}"
            )


if __name__ == "__main__":
    main()
