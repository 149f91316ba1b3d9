"""Which addresses a guest's request may reach, and the servers by name.

The ranges are those of IANA's registries of special-purpose addresses. They stand here and are not
taken from ``ipaddress``, whose answers differ between releases of Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' shared space
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# Of IPv6 only global unicast is public, without what is set apart in it.
_GLOBAL_6 = IPv6Network("2000::/3")
_REFUSED_6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: another address inside
        "3fff::/20",  # documentation
    )
]
# What translators of IPv6-only networks make of public IPv4 addresses.
_NAT64 = IPv6Network("64:ff9b::/96")

_RULE = re.compile(
    r"(?:(?P<scheme>https?)://)?"
    r"(?P<host>\*|(?:\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>\d{1,5}|\*))?",
    re.I,
)
_PORTS = {"http": 80, "https": 443}


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)


class Addresses:
    """The addresses that may be reached: public ones, and those allowed besides.

    Args:
        allowed: networks or addresses, such as ``10.1.0.0/16``.

    Raises:
        ValueError: one of them is none.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed: list[Network] = [ip_network(text) for text in allowed]

    def permit(self, address: Address) -> bool:
        """Whether an address may be reached."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return is_public(address) or any(
            address in network for network in self._allowed if network.version == address.version
        )


def literal(host: str) -> Address | None:
    """The address that a host is written as; None if it is a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


@dataclass(frozen=True, slots=True)
class Rule:
    """Servers that are allowed: ``[scheme://]host[:port]``.

    The scheme is https if left out, the port the scheme's; ``*`` as port is any. ``*`` as host is
    any, ``*.example.com`` everything below example.com.
    """

    scheme: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule.

        Raises:
            ValueError: it is none.
        """
        found = _RULE.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no server; write example.com, *.example.com, http://localhost:8000"
            )
        scheme = (found["scheme"] or "https").lower()
        port = found["port"]
        if port is not None and port != "*" and not 0 < int(port) < 65536:
            raise ValueError(f"{text!r}: there is no port {port}")
        number = None if port == "*" else int(port) if port else _PORTS[scheme]
        return cls(scheme, found["host"].lower().strip("[]"), number)

    def permits(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether a server is one of these; the host in lower case, without brackets."""
        if scheme != self.scheme or self.port not in (None, port or _PORTS[scheme]):
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:]) and len(host) > len(self.host) - 1
        return self.host in ("*", host)
