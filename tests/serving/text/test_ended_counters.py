"""Counters of engines that have ended: saved, reported, and deleted when a new engine starts."""

import logging
from pathlib import Path

import pytest

from serving.text.ended_counters import EndedCounters


def test_ended_counters_are_reported_until_their_deployment_is_deleted(tmp_path: Path) -> None:
    counts = EndedCounters(tmp_path / "counts")
    assert counts.read_all() == []
    counts.delete("TextServer:small")  # there is no folder yet
    counts.save("TextServer:small", "a", "one 1\n")
    counts.save("TextServer:small", "b", "two 2\n")
    counts.save("TextServer:small-2", "c", "three 3\n")
    assert sorted(counts.read_all()) == ["one 1\n", "three 3\n", "two 2\n"]
    counts.delete("TextServer:small")
    assert counts.read_all() == ["three 3\n"]


def test_repeated_save_replaces_counters_of_replica(tmp_path: Path) -> None:
    counts = EndedCounters(tmp_path)
    counts.save("d", "a", "one 1\n")
    counts.save("d", "a", "one 2\n")
    assert counts.read_all() == ["one 2\n"]


def test_partial_counters_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "d#a.partial").write_text("one")
    assert EndedCounters(tmp_path).read_all() == []


def test_counters_are_logged_if_disk_is_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(logging.getLogger("ray.serve"), "propagate", True)
    EndedCounters(tmp_path).save("d", "a", "one 1\n")
    assert "No space left on device" in caplog.text
    assert "one 1" in caplog.text
