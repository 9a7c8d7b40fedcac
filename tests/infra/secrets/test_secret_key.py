"""The secret key: created once, kept, and an error if its file is damaged."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.secrets.secret_key import SecretUnusable, secret_key
from infra.settings import Settings


class TestSecretKey:
    def test_key_file_is_created_once_and_readable_by_its_owner_only(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path / "new")
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _: secret_key(settings), range(8)))
        assert len(keys) == 1
        file = tmp_path / "new" / "secret.key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [entry.name for entry in file.parent.iterdir()] == ["secret.key"]

    def test_key_of_the_settings_takes_precedence_over_the_file(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path, secret_key="k" * 32)  # type: ignore[arg-type]
        assert secret_key(settings) == b"k" * 32
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe\x00"])
    def test_damaged_key_file_raises_and_is_not_replaced(
        self, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "secret.key").write_bytes(content)
        with pytest.raises(SecretUnusable, match="backup"):
            secret_key(Settings(data_dir=tmp_path))
        assert (tmp_path / "secret.key").read_bytes() == content
