from __future__ import annotations

import pytest

from counterfoil.server.devices import UNKNOWN, recognise, warm_up

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "(iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36",
            "Chrome on Linux",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0",
            "Firefox on Android",
        ),
        (f"Mozilla/5.0 {IPHONE} Version/17.5 Mobile/15E148 Safari/604.1", "Safari on iOS"),
        (f"Mozilla/5.0 {IPHONE} CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1", "Chrome on iOS"),
        (f"Mozilla/5.0 {IPHONE} Mobile/15E148", "In-app browser on iOS"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.5 Safari/537.36",
            "Safari on macOS",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0.0.0 Edg/140.0.0.0",
            "Edge on Windows",
        ),
    ],
)
def test_a_browser_is_named_with_its_system(user_agent: str, name: str) -> None:
    """A list of devices shows what people call the browser, without versions."""
    assert recognise(user_agent) == name


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.27.0", "python-httpx"),
        ("Go-http-client/1.1", "Go-http-client"),
        ("MyApp/1.0 (iPhone; iOS 17.5; Scale/3.00)", "MyApp on iOS"),
        ("counterfoil", "counterfoil"),
    ],
)
def test_a_program_is_named_as_it_names_itself(user_agent: str, name: str) -> None:
    """What no list of browsers knows is shown by its product name."""
    assert recognise(user_agent) == name


@pytest.mark.parametrize(
    "user_agent", [None, "", " ", "Mozilla/5.0", "\x00\x1b[31m", "\ud800", "(" * 9999]
)
def test_what_tells_nothing_is_an_unknown_device(user_agent: str | None) -> None:
    """Absent, empty or meaningless: never an error."""
    assert recognise(user_agent) == UNKNOWN


@pytest.mark.parametrize(
    "user_agent",
    ["cu\r\nrl/8", "e\u202evil/1 \x1b[2J", "A" * 100_000, "Lavf/" + "9." * 300, "x" * 600 + "\n"],
)
def test_a_name_is_short_and_printable(user_agent: str) -> None:
    """Nothing that a client sends can break a line of a log, a terminal or a page."""
    name = recognise(user_agent)
    assert name.isprintable()
    assert 0 < len(name) <= 84


def test_only_the_beginning_is_read() -> None:
    """Past 512 characters nothing counts, so what is remembered stays small."""
    assert recognise("curl/" + "8" * 507 + " Android") == "curl"


def test_warming_up_twice_does_no_harm() -> None:
    """Each worker may warm up, whatever the others did."""
    warm_up()
    warm_up()
    assert recognise("curl/8") == "curl"
