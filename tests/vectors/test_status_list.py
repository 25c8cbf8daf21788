"""draft-ietf-oauth-status-list: its lists of 1, 2, 4 and 8 bits, its short ones, and its token.

Read by a decoder of ten lines, which is also what third parties have; our own code has two bits.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, Final

import jwt
import pytest

import published
from counterfoil import jws, status_token
from counterfoil.errors import AuthError
from counterfoil.status_list import StatusBits
from decoding import decoded, statuses
from feeding import STATUS_KEY, list_token, signed
from forging import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Sequence

VECTORS: Final = published.read("status-list/tsl_vectors.json")
# Of the decoded bytes: what a compressor makes of them differs from one to the next.
SHA256: Final = {
    "1": "f2529d5d7b48665f8be86037b271b92a9cc7690a42688193d3c97baf2a1e4794",
    "2": "89014d93753a4996780da9354a6ac298c4e4c571b9d7ef344c2aefdd494d898c",
    "4": "7624b511c7462ca2e77514c416b5528b043d4333b5e0741494a4e21009241edb",
    "8": "15aae678f848a96df0efaaead24c5356ed249c713fa292b04fd99d61db566743",
}
TOKEN: Final = (
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEyIiwidHlwIjoic3RhdHVzbGlzdCtqd3QifQ"
    ".eyJleHAiOjIyOTE3MjAxNzAsImlhdCI6MTY4NjkyMDE3MCwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLmNvbSIsInN0YXR"
    "1c19saXN0Ijp7ImJpdHMiOjEsImxzdCI6ImVOcmJ1UmdBQWhjQlhRIn0sInN1YiI6Imh0dHBzOi8vZXhhbXBsZS5jb20v"
    "c3RhdHVzbGlzdHMvMSIsInR0bCI6NDMyMDB9"
    ".2lKUUNG503R9htu4aHAYi7vjmr3sgApbfoDvPrl65N3URUO1EYqqQl45Jfzd-Av4QzlKa3oVALpLwOEUOq-U_g"
)
KEY: Final = {
    "kty": "EC",
    "crv": "P-256",
    "x": "I3HWm_0Ds1dPMI-IWmf4mBmH-YaeAVbPVu7vB27CxXo",
    "y": "6N_d5Elj9bs1htgV3okJKIdbHEpkgTmAluYKJemzn1M",
}


@pytest.mark.parametrize("bits", VECTORS)
def test_a_list_of_a_million_entries_reads_as_published(bits: str) -> None:
    """Every entry that is listed, and nothing else."""
    vector: dict[str, Any] = VECTORS[bits]
    data = decoded(vector["lst"])
    assert hashlib.sha256(data).hexdigest() == SHA256[bits]
    assert len(data) == vector["entries"] * int(bits) // 8
    found = statuses(data, int(bits))
    assert len(found) == vector["entries"]
    expected = {int(index): status for index, status in vector["nonzero"].items()}
    assert {index: found[index] for index in expected} == expected
    assert sum(map(bool, found)) == sum(map(bool, expected.values()))


def test_ours_and_the_ten_lines_read_two_bits_alike() -> None:
    """Of the same bytes, and what ours packs."""
    vector = VECTORS["2"]
    data = decoded(vector["lst"])
    ours = StatusBits.unpacked(zlib.compress(data), size=vector["entries"])
    assert bytes(ours.data) == data
    for index, status in enumerate(statuses(data, 2)):
        if status or index < 100:
            assert ours[index] == status
    assert statuses(zlib.decompress(ours.packed()), 2) == statuses(data, 2)


@pytest.mark.parametrize(
    ("bits", "lst", "data", "entries"),
    [
        (1, "eNrbuRgAAhcBXQ", "b9a3", (1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1)),
        (2, "eNo76fITAAPfAgc", "c944f9", (1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3)),
    ],
)
def test_the_short_lists_read_as_published(
    bits: int, lst: str, data: str, entries: Sequence[int]
) -> None:
    """The examples of section 4.1, least significant bit first."""
    assert decoded(lst).hex() == data
    assert tuple(statuses(decoded(lst), bits)) == entries


def test_the_example_token_is_verified_and_is_no_list_of_ours() -> None:
    """Its signature and type are good; it has one bit, another ttl, and says no position."""
    key = jws.import_public(KEY)
    assert key is not None
    compact = jws.parse(TOKEN)
    assert compact.header.is_type(status_token.TYPE)
    members = json.loads(compact.verify(key))
    assert members["sub"] == "https://example.com/statuslists/1"
    listed = members["status_list"]
    assert statuses(decoded(listed["lst"]), listed["bits"])[:5] == [1, 0, 0, 1, 1]
    ours = signed(json.dumps(members).encode(), typ=status_token.TYPE)
    with pytest.raises(AuthError):
        status_token.read(ours, keys=PUBLIC, issuer=members["iss"], uri=members["sub"], size=16)


def test_our_token_has_the_shape_of_the_example() -> None:
    """The same header, its claims and one of our own; pyjwt verifies both."""
    ours, example = list_token(), jwt.PyJWK({**KEY, "alg": "ES256"})
    shown = jwt.decode(TOKEN, example, algorithms=["ES256"])
    key = jwt.PyJWK(STATUS_KEY.public().to_jwk())
    found = jwt.decode(ours, key, algorithms=["ES256"], options={"verify_exp": False})
    assert jwt.get_unverified_header(ours).keys() == jwt.get_unverified_header(TOKEN).keys()
    assert found.keys() - shown.keys() == {"counterfoil_position"}
    assert {name: type(value) for name, value in shown.items()}.items() <= {
        name: type(value) for name, value in found.items()
    }.items()
    assert found["status_list"].keys() == shown["status_list"].keys()
