"""Customers' adapters in a folder: whole or not there, those used last, and nothing else's."""

import errno
import os
import time
from pathlib import Path

import msgspec
import pytest

from serving.errors import InputInvalid, ModelFailed, ModelNotFound
from serving.text.adapter_store import (
    NAME_FILE,
    AdapterSettings,
    AdapterStore,
    is_adapter_id,
    read_adapter_settings,
)

ONE, TWO, THREE = "var_1", "var_2", "var_3"
SETTINGS = {"base_model_name_or_path": "small/base", "r": 16, "target_modules": ["q", "v"]}
FILES = {
    "adapter_config.json": msgspec.json.encode({**SETTINGS, "peft_type": "LORA"}),
    "adapter_model.safetensors": b"w" * 1000,
}


def brought(name: str = "ft:model:acct_1:line", files: dict[str, bytes] | None = None) -> bytes:
    return msgspec.json.encode(
        {
            "base": "model",
            "name": name,
            "version": "1",
            "artefact": msgspec.msgpack.encode(FILES if files is None else files),
        }
    )


def fits(model: str) -> AdapterSettings:
    """What the engine of the one model takes. Raises ModelNotFound."""
    if model != "model":
        raise ModelNotFound("There is no such model.")
    return AdapterSettings("small/base", 16, frozenset({"v", "q"}))


def used(folder: Path, adapter_id: str, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    os.utime(folder / adapter_id, (then, then))


class TestKeeping:
    def test_what_is_put_is_found_as_the_engine_takes_it(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path)
        assert folder.put(ONE, brought(), fits) == "ft:model:acct_1:line"
        found = folder.find(ONE)
        assert found is not None
        assert found.name == "ft:model:acct_1:line"
        assert {one.name for one in found.folder.iterdir()} == {*FILES, NAME_FILE}
        assert (found.folder / "adapter_model.safetensors").read_bytes() == b"w" * 1000
        assert folder.find(TWO) is None

    def test_an_id_stands_for_one_content(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path)
        folder.put(ONE, brought(), fits)
        folder.put(ONE, brought(files={**FILES, "adapter_model.safetensors": b"other"}), fits)
        assert (tmp_path / ONE / "adapter_model.safetensors").read_bytes() == b"w" * 1000

    def test_what_is_dropped_is_gone(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path)
        folder.put(ONE, brought(), fits)
        folder.remove(ONE)
        folder.remove(TWO)
        assert folder.find(ONE) is None

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            brought(files={}),
            brought(files={**FILES, "../evil": b"x"}),
            brought().replace(b'"artefact":"', b'"artefact":"!'),
        ],
    )
    def test_what_is_no_adapter_is_refused(self, tmp_path: Path, body: bytes) -> None:
        with pytest.raises(InputInvalid):
            AdapterStore(tmp_path).put(ONE, body, fits)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({"base_model_name_or_path": "large/base"}, "for 'large/base', .* runs 'small/base'"),
            ({"r": 32}, "rank 32 on 2 kinds of layers; the engine needs rank 16 on 2"),
            ({"target_modules": ["q", "k", "v"]}, "rank 16 on 3 kinds"),
            ({"r": None}, "configuration is not valid"),
        ],
    )
    def test_one_for_another_base_or_rank_is_refused(
        self, tmp_path: Path, settings: dict[str, object], told: str
    ) -> None:
        config = msgspec.json.encode({**SETTINGS, **settings})
        body = brought(files={**FILES, "adapter_config.json": config})
        with pytest.raises(InputInvalid, match=told):
            AdapterStore(tmp_path).put(ONE, body, fits)
        assert list(tmp_path.iterdir()) == []

    def test_one_for_a_model_that_is_not_here_is_refused(self, tmp_path: Path) -> None:
        body = brought().replace(b'"base":"model"', b'"base":"other"')
        with pytest.raises(ModelNotFound):
            AdapterStore(tmp_path).put(ONE, body, fits)

    def test_a_full_disk_leaves_nothing_half_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        folder = AdapterStore(tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "write_bytes", full)
            with pytest.raises(ModelFailed, match="disk"):
                folder.put(ONE, brought(), fits)
        assert folder.find(ONE) is None
        assert list(tmp_path.iterdir()) == []
        folder.put(ONE, brought(), fits)
        assert read_adapter_settings(tmp_path / ONE) == fits("model")

    def test_a_disk_that_fails_is_told(self, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        gone.write_text("a file where the folder should be")
        with pytest.raises(ModelFailed):
            AdapterStore(gone).put(ONE, brought(), fits)

    @pytest.mark.parametrize(
        ("text", "known"), [(ONE, True), ("var_", False), ("../x", False), ("var_a/b", False)]
    )
    def test_ids_are_names_of_folders(self, text: str, known: bool) -> None:
        assert is_adapter_id(text) is known


class TestRoom:
    def test_those_used_longest_ago_make_room(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path, max_bytes=3600)
        for name, ago in ((ONE, 30), (TWO, 20)):
            folder.put(name, brought(), fits)
            used(tmp_path, name, ago)
        folder.find(ONE)
        used(tmp_path, TWO, 20)
        folder.put(THREE, brought(), fits)
        assert [folder.find(one) is not None for one in (ONE, TWO, THREE)] == [True, True, True]
        for name, ago in ((ONE, 10), (TWO, 20), (THREE, 5)):
            used(tmp_path, name, ago)
        folder.put("var_4", brought(), fits)
        assert folder.find(TWO) is None
        assert folder.find(ONE) is not None

    def test_what_nobody_has_used_for_a_day_goes(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path)
        folder.put(ONE, brought(), fits)
        folder.put(TWO, brought(), fits)
        used(tmp_path, ONE, 86_500)
        folder.put(THREE, brought(), fits)
        assert not (tmp_path / ONE).exists()
        assert folder.find(TWO) is not None

    def test_what_a_killed_process_left_is_removed(self, tmp_path: Path) -> None:
        left = tmp_path / ".partial-x"
        left.mkdir()
        (left / "adapter_model.safetensors").write_bytes(b"w" * 5000)
        folder = AdapterStore(tmp_path, max_bytes=3600)
        folder.put(ONE, brought(), fits)
        assert not left.exists()
        assert folder.find(ONE) is not None
