"""Counts of engines that have ended: kept, told, and forgotten when another starts."""

import logging
from pathlib import Path

import pytest

from serving.text.ended_counters import EndedCounts


def test_they_are_told_until_another_engine_starts(tmp_path: Path) -> None:
    counts = EndedCounts(tmp_path / "counts")
    assert counts.texts() == []
    counts.forget("TextServer:small")  # there is no folder yet
    counts.keep("TextServer:small", "a", "one 1\n")
    counts.keep("TextServer:small", "b", "two 2\n")
    counts.keep("TextServer:small-2", "c", "three 3\n")
    assert sorted(counts.texts()) == ["one 1\n", "three 3\n", "two 2\n"]
    counts.forget("TextServer:small")
    assert counts.texts() == ["three 3\n"]


def test_the_last_that_a_replica_says_counts(tmp_path: Path) -> None:
    counts = EndedCounts(tmp_path)
    counts.keep("d", "a", "one 1\n")
    counts.keep("d", "a", "one 2\n")
    assert counts.texts() == ["one 2\n"]


def test_half_a_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "d#a.partial").write_text("one")
    assert EndedCounts(tmp_path).texts() == []


def test_where_the_disk_takes_none_the_log_has_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(logging.getLogger("ray.serve"), "propagate", True)
    EndedCounts(tmp_path).keep("d", "a", "one 1\n")
    assert "No space left on device" in caplog.text
    assert "one 1" in caplog.text
