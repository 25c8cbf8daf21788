"""An issuer signs three kinds of JWS, and none of them passes for another (J21).

Each is made with each key and each type, and given to each reader: one reader takes one of them.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil import status_feed, status_token, token
from counterfoil.errors import AuthError
from feeding import (
    STATUS_KEY,
    TOKEN_KEY,
    answer,
    list_token,
    members_of,
    read_answer,
    read_list,
    signed,
)
from forging import ISSUER, NOW, PUBLIC, payload

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOADS: Final = {
    "token": payload(),
    "list": json.dumps(members_of(list_token())).encode(),
    "answer": answer(),
}
TYPES: Final = {"token": "at+jwt", "list": status_token.TYPE, "answer": status_feed.TYPE}
KEYS: Final = {"tokens": TOKEN_KEY, "status": STATUS_KEY}


def read_token(text: str) -> object:
    return token.check(text, keys=PUBLIC, issuer=ISSUER, audience="api", typ="at+jwt", now=NOW)


READERS: Final[dict[str, Callable[[str], object]]] = {
    "token": read_token,
    "list": read_list,
    "answer": read_answer,
}
OWN: Final = {("token", "tokens"), ("list", "status"), ("answer", "status")}


@pytest.mark.parametrize("reader", READERS)
def test_j21_each_reader_takes_its_own_kind_and_no_other(reader: str) -> None:
    """Whatever is in it, whatever type it says, and whichever key has signed it."""
    for kind, typ, key in itertools.product(PAYLOADS, TYPES, KEYS):
        text = signed(PAYLOADS[kind], key=KEYS[key], typ=TYPES[typ])
        if kind == typ == reader and (reader, key) in OWN:
            assert READERS[reader](text) is not None
        else:
            with pytest.raises(AuthError):
                READERS[reader](text)


@pytest.mark.parametrize("reader", READERS)
def test_j21_one_that_is_all_three_is_read_as_none_but_what_its_type_says(reader: str) -> None:
    """The members of all kinds in one payload: the type keeps them apart, and the key's purpose."""
    everything = json.dumps(
        {name: value for part in PAYLOADS.values() for name, value in json.loads(part).items()}
    ).encode()
    for typ, key in itertools.product(TYPES, KEYS):
        text = signed(everything, key=KEYS[key], typ=TYPES[typ])
        if typ != reader or (reader, key) not in OWN:
            with pytest.raises(AuthError):
                READERS[reader](text)
