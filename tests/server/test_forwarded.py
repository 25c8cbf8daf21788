"""Forwarded headers count only from trusted proxies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.errors import ConfigurationError
from counterfoil.server.proxies.forwarded import client_address, original_method, trusted_networks

TRUSTED = trusted_networks(["10.0.0.0/8", "fd00::/8", "127.0.0.1"])
PROXY = "10.0.0.1"


def forwarded(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value) for value in values]


def test_s17_by_default_the_peer_is_the_client() -> None:
    """Without trusted proxies the header is the client's own claim."""
    assert client_address("203.0.113.7", forwarded(b"198.51.100.1"), ()) == "203.0.113.7"
    assert client_address("203.0.113.7", forwarded(b"198.51.100.1"), TRUSTED) == "203.0.113.7"


def test_a_trusted_proxy_is_believed() -> None:
    """Its header names the client."""
    assert client_address(PROXY, forwarded(b"198.51.100.1"), TRUSTED) == "198.51.100.1"
    assert client_address("fd00::1", forwarded(b"2001:db8::1"), TRUSTED) == "2001:db8::1"
    assert client_address("127.0.0.1", forwarded(b"198.51.100.1"), TRUSTED) == "198.51.100.1"


def test_s17_what_stands_left_of_the_first_stranger_is_not_read() -> None:
    """Proxies append, so a client can only write to the left of its own address."""
    headers = forwarded(b"1.1.1.1, garbage, 10.9.9.9, 198.51.100.1, 10.0.0.2")
    assert client_address(PROXY, headers, TRUSTED) == "198.51.100.1"


def test_several_headers_are_one_list_in_their_order() -> None:
    """As RFC 9110 §5.3 joins them."""
    headers = forwarded(b"1.1.1.1", b"198.51.100.1 ,\t10.0.0.3")
    assert client_address(PROXY, headers, TRUSTED) == "198.51.100.1"


def test_a_request_from_inside_has_the_farthest_trusted_address() -> None:
    """All hops are ours: the one that began."""
    assert client_address(PROXY, forwarded(b"10.0.0.9, 10.0.0.2"), TRUSTED) == "10.0.0.9"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"unknown",
        b"198.51.100.1:8080",
        b"[2001:db8::1]",
        b"198.51.100.01",
        b"fe80::1%x",
        b",",
        b"198.51.100.1,",
        b"198.51.100.256",
        b"\xd9\xa1.1.1.1",
        b"1",
        b"198.51.100.1 1",
    ],
)
def test_what_is_no_address_leaves_the_peer(value: bytes) -> None:
    """Nothing that a header says becomes an address in the log or in the throttle's count."""
    assert client_address(PROXY, forwarded(value), TRUSTED) == PROXY


def test_without_the_header_a_proxy_is_the_client() -> None:
    """A health check, say."""
    assert client_address(PROXY, [], TRUSTED) == PROXY


def test_s17_a_name_with_underscores_is_another_header() -> None:
    """Django CVE-2015-0219: a proxy that strips the one passes the other on."""
    headers = [(b"x_forwarded_for", b"198.51.100.1"), (b"x-forwarded_for", b"198.51.100.1")]
    assert client_address(PROXY, headers, TRUSTED) == PROXY
    assert original_method(PROXY, [(b"x_original_method", b"GET")], TRUSTED) is None


def test_other_ways_to_pass_an_address_are_not_read() -> None:
    """One header decides; a proxy passes the others on as the client sent them."""
    headers = [(b"forwarded", b"for=198.51.100.1"), (b"x-real-ip", b"198.51.100.1")]
    assert client_address(PROXY, headers, TRUSTED) == PROXY


def test_one_address_has_one_text() -> None:
    """Or a client would have several counts in the throttle."""
    assert client_address("::ffff:203.0.113.7", [], TRUSTED) == "203.0.113.7"
    assert client_address("::ffff:10.0.0.1", forwarded(b"198.51.100.1"), TRUSTED) == "198.51.100.1"
    assert client_address(PROXY, forwarded(b"2001:DB8:0::1"), TRUSTED) == "2001:db8::1"


@pytest.mark.parametrize("peer", ["", "unix:", "testclient"])
def test_a_peer_without_an_address_is_nobodys_proxy(peer: str) -> None:
    """A Unix socket has none, and is named by none."""
    assert client_address(peer, forwarded(b"198.51.100.1"), TRUSTED) == peer
    assert original_method(peer, [(b"x-original-method", b"GET")], TRUSTED) is None


@given(st.text(max_size=20), st.lists(st.binary(max_size=30), max_size=3))
def test_whatever_arrives_gives_an_address_and_raises_nothing(
    peer: str, values: list[bytes]
) -> None:
    """A header cannot break the request."""
    assert client_address(peer, forwarded(*values), TRUSTED) == peer or values
    assert isinstance(client_address(PROXY, forwarded(*values), TRUSTED), str)


# The method that a proxy asks about.


@pytest.mark.parametrize("name", [b"x-original-method", b"x-forwarded-method"])
def test_the_original_method_counts_only_from_a_trusted_proxy(name: bytes) -> None:
    """From everyone else it would turn a write into a read."""
    assert original_method(PROXY, [(name, b"DELETE")], TRUSTED) == "DELETE"
    assert original_method("203.0.113.7", [(name, b"GET")], TRUSTED) is None
    assert original_method(PROXY, [(name, b"GET")], ()) is None


def test_s19_an_original_method_said_twice_is_not_known() -> None:
    """One of them may be the client's; not known means checked as unsafe."""
    once = (b"x-original-method", b"GET")
    assert original_method(PROXY, [once, once], TRUSTED) is None
    assert original_method(PROXY, [once, (b"x-forwarded-method", b"GET")], TRUSTED) is None
    assert original_method(PROXY, [], TRUSTED) is None


@pytest.mark.parametrize("value", [b"", b"get", b"GET ", b"GET, POST", b"G\xc3\x89T", b"A" * 33])
def test_what_is_no_method_is_not_known(value: bytes) -> None:
    """Not known means checked as unsafe."""
    assert original_method(PROXY, [(b"x-original-method", value)], TRUSTED) is None


# Setting it up.


@pytest.mark.parametrize("text", ["", "proxy.internal", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_a_setting_that_is_no_network_is_refused_at_the_start(text: str) -> None:
    """Names are not resolved, and host bits are a mistake."""
    with pytest.raises(ConfigurationError):
        trusted_networks([text])


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0"])
def test_trusting_everyone_is_refused_at_the_start(text: str) -> None:
    """It would believe every client about its own address."""
    with pytest.raises(ConfigurationError):
        trusted_networks(["10.0.0.0/8", text])
