"""Which addresses and servers are allowed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from coilbox.extensions.http.addresses import Addresses, Rule, is_public, literal

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1
64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 3fff::1
5f00::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 4000::1
""".split()
PUBLIC = """
1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 172.15.255.255
172.32.0.0 192.0.1.0 192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255
::ffff:8.8.8.8 64:ff9b::8.8.8.8 2606:4700::1111 2a00:1450::1 2001:4860:4860::8888
""".split()


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    assert not Addresses().permit(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_permitted(text: str) -> None:
    assert Addresses().permit(ip_address(text))


def test_what_python_says_is_private_is_refused_here_too() -> None:
    for first in range(256):
        for second in range(256):
            address = ip_address(f"{first}.{second}.0.1")
            if not address.is_global or address.is_multicast or address.is_reserved:
                assert not is_public(address), address


def test_allowed_besides() -> None:
    addresses = Addresses(["127.0.0.1", "10.2.0.0/16", "fd00::/8"])
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "10.2.3.4", "fd00::1", "8.8.8.8"):
        assert addresses.permit(ip_address(text)), text
    for text in ("127.0.0.2", "10.3.0.1", "::1", "fe80::1"):
        assert not addresses.permit(ip_address(text)), text


def test_literals() -> None:
    assert literal("127.0.0.1") == ip_address("127.0.0.1")
    for text in ("127.1", "0x7f000001", "2130706433", "example.com", "fe80::1%eth0"):
        assert literal(text) is None, text


@pytest.mark.parametrize(
    ("rule", "scheme", "host", "port", "permitted"),
    [
        ("example.com", "https", "example.com", None, True),
        ("example.com", "https", "example.com", 443, True),
        ("Example.COM", "https", "example.com", None, True),
        ("example.com", "http", "example.com", None, False),
        ("example.com", "https", "example.com", 8443, False),
        ("example.com", "https", "www.example.com", None, False),
        ("example.com", "https", "example.com.evil.org", None, False),
        ("example.com", "https", "badexample.com", None, False),
        ("*.example.com", "https", "a.b.example.com", None, True),
        ("*.example.com", "https", "example.com", None, False),
        ("*.example.com", "https", ".example.com", None, False),
        ("*.example.com", "https", "badexample.com", None, False),
        ("http://localhost:8000", "http", "localhost", 8000, True),
        ("http://localhost:8000", "http", "localhost", None, False),
        ("http://localhost", "http", "localhost", 80, True),
        ("http://localhost:*", "http", "localhost", 1, True),
        ("https://[::1]:8443", "https", "::1", 8443, True),
        ("*", "https", "example.com", None, True),
        ("*", "http", "example.com", None, False),
    ],
)
def test_rules(rule: str, scheme: str, host: str, port: int | None, permitted: bool) -> None:
    assert Rule.parse(rule).permits(scheme, host, port) is permitted


@pytest.mark.parametrize(
    "text",
    ["", "ftp://x", "a b", "example.com/path", "exa*mple.com", "*.", "u@h", "h:0", "h:65536"],
)
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no server|there is no port"):
        Rule.parse(text)
