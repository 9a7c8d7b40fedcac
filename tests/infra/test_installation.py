"""An installation runs one `maas up` at a time; the second one reports the first."""

from pathlib import Path

import pytest

from infra.installation import AlreadyRunning, RunningInstance, lock_data_directory


class TestDataDirectoryLock:
    def test_second_lock_raises_with_url_and_process_of_the_first(self, tmp_path: Path) -> None:
        me = RunningInstance(4711, "http://127.0.0.1:8080")
        with lock_data_directory(tmp_path, me):
            with (
                pytest.raises(AlreadyRunning, match=r"http://127.0.0.1:8080 \(process 4711"),
                lock_data_directory(tmp_path, me),
            ):
                pass
        with lock_data_directory(tmp_path, me):
            pass

    def test_old_or_damaged_lock_file_is_ignored(self, tmp_path: Path) -> None:
        (tmp_path / "up.lock").write_text("{half")
        with lock_data_directory(tmp_path, RunningInstance(1, "http://x")):
            pass

    def test_second_lock_raises_while_the_first_is_starting(self, tmp_path: Path) -> None:
        with lock_data_directory(tmp_path, RunningInstance(1, "http://x")):
            (tmp_path / "up.lock").write_text("")
            with (
                pytest.raises(AlreadyRunning, match="is starting"),
                lock_data_directory(tmp_path, RunningInstance(2, "http://y")),
            ):
                pass
