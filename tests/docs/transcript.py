"""What a page says is printed, compared with what is printed: leniently where it must vary.

- An abbreviation such as `eyJ…api` stands for one text on its page: it matches what is printed
  where it first appears, and is put into later commands. A lone `…` matches anything.
- Moments match moments, and spans of 100 seconds and more match within a sixth.
- White space beside JSON's punctuation does not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
SPECIAL: Final = re.compile(
    rf"(?P<moment>{MOMENT})"
    r"|(?P<any> ?(?<![\w.-])…(?![\w.-]) ?)|(?P<name>[\w.-]*…[\w.-]*)"
    r'|(?<=_within_seconds":)(?P<span>\d{3,})'
)
KINDS: Final = ("eyJ", "cf_")  # what an abbreviation begins with is told only of credentials


@dataclass
class Transcript:
    """One page's. known: what stands for something else from the beginning."""

    known: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def real(self, text: str) -> str:
        """What is meant by a text of the page."""
        for shown, meant in (*self._names.items(), *self.known.items()):
            text = text.replace(shown, meant)
        return text

    def compare(self, expected: str, printed: str, *, of: str) -> None:
        """Fails unless that is what was printed; learns the abbreviations that are new."""
        for shown, meant in self.known.items():
            printed = printed.replace(meant, shown)
        expected, printed = _flattened(expected), _flattened(printed)
        pattern, names, spans = self._pattern(expected)
        found = re.fullmatch(pattern, printed, re.DOTALL)
        assert found, f"{of}\n-- the page says\n{expected}\n-- it prints\n{printed}"
        self._names.update({name: found[group] for name, group in names.items()})
        for group, seconds in spans.items():
            assert abs(int(found[group]) - seconds) <= seconds / 6, f"{of}: {found[group]} seconds"

    def _pattern(self, expected: str) -> tuple[str, dict[str, str], dict[str, int]]:
        """What is expected as a regular expression; the groups of new names, and of spans."""
        pattern, at = "", 0
        names: dict[str, str] = {}
        spans: dict[str, int] = {}
        for special in SPECIAL.finditer(expected):
            pattern += re.escape(expected[at : special.start()])
            at = special.end()
            group, text = f"g{special.start()}", special[0]
            if special["moment"]:
                pattern += MOMENT
            elif special["any"]:
                pattern += ".*?"
            elif special["span"]:
                spans[group] = int(text)
                pattern += rf"(?P<{group}>\d+)"
            elif text in self._names:
                pattern += re.escape(self._names[text])
            elif text in names:
                pattern += f"(?P={names[text]})"
            else:
                names[text] = group
                kind = text[:3] if text[:3] in KINDS else ""
                pattern += rf"(?P<{group}>{kind}[\w.-]+)"
        return pattern + re.escape(expected[at:]), names, spans


def _flattened(text: str) -> str:
    """On one line, with no white space where JSON needs none."""
    return " ".join(re.sub(r"\s*([{}\[\],:])\s*", r"\1", text).split())
