"""An installation: one `maas up` at a time, and it says what already runs."""

from pathlib import Path

import pytest

from infra.installation import AlreadyRunning, RunningInstance, lock_data_directory


class TestOnlyOne:
    def test_the_second_is_told_what_runs(self, tmp_path: Path) -> None:
        me = RunningInstance(4711, "http://127.0.0.1:8080")
        with lock_data_directory(tmp_path, me):
            with (
                pytest.raises(AlreadyRunning, match=r"http://127.0.0.1:8080 \(process 4711"),
                lock_data_directory(tmp_path, me),
            ):
                pass
        with lock_data_directory(tmp_path, me):
            pass

    def test_an_old_or_damaged_file_is_no_lock(self, tmp_path: Path) -> None:
        (tmp_path / "up.lock").write_text("{half")
        with lock_data_directory(tmp_path, RunningInstance(1, "http://x")):
            pass

    def test_one_that_has_not_written_yet(self, tmp_path: Path) -> None:
        with lock_data_directory(tmp_path, RunningInstance(1, "http://x")):
            (tmp_path / "up.lock").write_text("")
            with (
                pytest.raises(AlreadyRunning, match="already starting"),
                lock_data_directory(tmp_path, RunningInstance(2, "http://y")),
            ):
                pass
