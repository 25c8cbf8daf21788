"""What a proxy says about the request behind it, believed only of trusted proxies.

Of the ways to pass the client's address, X-Forwarded-For alone is read: whoever reads two must
decide which one wins, and a proxy that maintains the one passes the other on as the client sent it.
Names are compared as they arrive, so `x_forwarded_for` is another header (Django CVE-2015-0219).
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, TypeAlias

from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from counterfoil.carriers.headers import Headers

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

_METHOD = re.compile(rb"[A-Z]{1,32}")
_METHOD_HEADERS = frozenset({b"x-original-method", b"x-forwarded-method"})
_PATH_HEADERS = frozenset({b"x-original-uri", b"x-forwarded-uri"})


def trusted_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of `trusted_proxies`, such as `10.0.0.0/8` or `::1`."""
    networks: list[Network] = []
    for text in texts:
        try:
            network = ip_network(text)
        except ValueError:
            raise ConfigurationError(
                f"Give trusted_proxies addresses or networks; {text!r} is neither."
            ) from None
        if network.prefixlen == 0:
            raise ConfigurationError("Name the proxies in trusted_proxies, not every address.")
        networks.append(network)
    return tuple(networks)


def client_address(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> str:
    """The address of the client; the peer's own unless trusted proxies vouch for another.

    Read from the right, for every proxy appends: the first address that is no trusted proxy's.
    What stands left of it is the client's own claim. If what is read is no address, the peer.
    """
    nearest = _address(peer)
    if nearest is None:
        return peer
    if not _is_in(nearest, trusted):
        return str(nearest)
    farthest = nearest
    for hop in _hops(headers):
        address = _address(hop)
        if address is None:
            return str(nearest)
        farthest = address
        if not _is_in(address, trusted):
            break
    return str(farthest)


def original_method(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> str | None:
    """The method that a trusted proxy asks about (forward auth); None when it is not known.

    X-Original-Method (ingress-nginx) or X-Forwarded-Method (Traefik, Caddy); both, or one twice,
    is not known either: the other may have come through from the client.
    """
    method = _told(_METHOD_HEADERS, peer, headers, trusted)
    return method.decode("ascii") if method is not None and _METHOD.fullmatch(method) else None


def original_uri(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> str | None:
    """The path and query that a trusted proxy asks about, as its client sent them; None when they
    are not known. X-Original-URI (ingress-nginx) or X-Forwarded-Uri (Traefik, Caddy), as above."""
    uri = _told(_PATH_HEADERS, peer, headers, trusted)
    return uri.decode("latin-1") if uri is not None else None


def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    """Whether the connection comes from a trusted proxy."""
    address = _address(peer) if trusted else None
    return address is not None and _is_in(address, trusted)


def _told(
    names: frozenset[bytes], peer: str, headers: Headers, trusted: tuple[Network, ...]
) -> bytes | None:
    """The one header of these names, from a trusted proxy."""
    found = [value for name, value in headers if name in names]
    return found[0] if len(found) == 1 and is_trusted(peer, trusted) else None


def _hops(headers: Headers) -> list[str]:
    """The addresses that proxies appended, the last one first."""
    field = b",".join([value for name, value in headers if name == b"x-forwarded-for"])
    return [hop.strip(b" \t").decode("latin-1") for hop in reversed(field.split(b","))]


@lru_cache(maxsize=1024)  # every request has a peer, and mostly it is the proxy
def _address(text: str) -> Address | None:
    """The address, an IPv4 one also where it is mapped into IPv6; None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:  # may be any text, and would make one address many
        return None
    return address.ipv4_mapped or address


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
