"""The wire that can be cut."""

from __future__ import annotations

import http.client

import pytest

import live
import serving
from counterfoil.server.lab.relay import Relay


def asked(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=live.PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_it_hands_on_until_it_is_cut_and_again_once_it_is_mended() -> None:
    """Connections that stood are dropped as it is cut, and none comes through meanwhile."""
    relay = Relay()
    with serving.answering(serving.saying(serving.bytes_of(b"here"))) as behind:
        relay.leads_to = int(behind.url.rpartition(":")[2])
        assert asked(relay.port) == b"here"
        relay.cut()
        with pytest.raises((OSError, http.client.HTTPException)):
            asked(relay.port)
        relay.mend()
        assert asked(relay.port) == b"here"
    relay.close()
    with pytest.raises(OSError, match="refused"):
        asked(relay.port)
