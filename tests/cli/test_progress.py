from __future__ import annotations

import pytest
import typer

from counterfoil.cli import progress


def interrupted() -> None:
    with progress.counting("Ending", "ended") as note:
        note(400)
        raise KeyboardInterrupt


def test_long_work_is_told_in_plain_lines_off_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, now and then, so that results stay alone."""
    monkeypatch.setattr(progress, "EVERY", 0.0)
    with progress.counting("Ending the sessions of api", "ended") as note:
        note(200)
        note(1400)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "Ending the sessions of api: 200 ended so far.\n"
        "Ending the sessions of api: 1,400 ended so far.\n"
    )


def test_short_work_is_not_talked_about(capsys: pytest.CaptureFixture[str]) -> None:
    """What is over within a second has only a result."""
    with progress.counting("Ending", "ended") as note:
        note(200)
    assert capsys.readouterr().err == ""


def test_work_that_is_interrupted_says_what_stays_done(capsys: pytest.CaptureFixture[str]) -> None:
    """Each batch is for good, and the command may be repeated."""
    with pytest.raises(typer.Exit) as left:
        interrupted()
    assert left.value.exit_code == 130
    assert capsys.readouterr().err.startswith("Stopped: 400 ended, or one batch more.")
