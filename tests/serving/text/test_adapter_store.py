"""The store of customers' adapters: validation, atomic writes and eviction."""

import errno
import os
import time
from pathlib import Path
from typing import Any

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
    """Return the adapter settings of the engine of `model`. Raises ModelNotFound."""
    if model != "model":
        raise ModelNotFound("There is no such model.")
    return AdapterSettings("small/base", 16, frozenset({"v", "q"}))


def used(folder: Path, adapter_id: str, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    os.utime(folder / adapter_id, (then, then))


class TestBaseWithoutIndustryAdapter:
    """Without an industry adapter nothing prescribes the layers; the engine checks them."""

    @staticmethod
    def fits(model: str) -> AdapterSettings:
        return msgspec.structs.replace(fits(model), target_modules=None)

    def test_adapter_of_any_layers_is_stored(self, tmp_path: Path) -> None:
        assert AdapterStore(tmp_path).put(ONE, brought(), self.fits) == "ft:model:acct_1:line"

    @pytest.mark.parametrize(
        "changed", [{"r": 8}, {"target_modules": []}, {"base_model_name_or_path": "other/base"}]
    )
    def test_adapter_of_another_rank_or_base_is_rejected(
        self, tmp_path: Path, changed: dict[str, Any]
    ) -> None:
        config = msgspec.json.encode({**SETTINGS, **changed})
        files = {**FILES, "adapter_config.json": config}
        with pytest.raises(InputInvalid):
            AdapterStore(tmp_path).put(ONE, brought(files=files), self.fits)


class TestStoredAdapters:
    def test_stored_adapter_has_files_for_engine(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path)
        assert folder.put(ONE, brought(), fits) == "ft:model:acct_1:line"
        found = folder.find(ONE)
        assert found is not None
        assert found.name == "ft:model:acct_1:line"
        assert {one.name for one in found.folder.iterdir()} == {*FILES, NAME_FILE}
        assert (found.folder / "adapter_model.safetensors").read_bytes() == b"w" * 1000
        assert folder.find(TWO) is None

    def test_repeated_put_keeps_first_content(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path)
        folder.put(ONE, brought(), fits)
        folder.put(ONE, brought(files={**FILES, "adapter_model.safetensors": b"other"}), fits)
        assert (tmp_path / ONE / "adapter_model.safetensors").read_bytes() == b"w" * 1000

    def test_removed_adapter_is_not_found(self, tmp_path: Path) -> None:
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
    def test_invalid_artefact_is_rejected(self, tmp_path: Path, body: bytes) -> None:
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
    def test_adapter_for_other_base_or_rank_is_rejected(
        self, tmp_path: Path, settings: dict[str, object], told: str
    ) -> None:
        config = msgspec.json.encode({**SETTINGS, **settings})
        body = brought(files={**FILES, "adapter_config.json": config})
        with pytest.raises(InputInvalid, match=told):
            AdapterStore(tmp_path).put(ONE, body, fits)
        assert list(tmp_path.iterdir()) == []

    def test_adapter_for_unknown_model_is_rejected(self, tmp_path: Path) -> None:
        body = brought().replace(b'"base":"model"', b'"base":"other"')
        with pytest.raises(ModelNotFound):
            AdapterStore(tmp_path).put(ONE, body, fits)

    def test_full_disk_leaves_no_partial_adapter(
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

    def test_disk_error_raises_model_failed(self, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        gone.write_text("a file where the folder should be")
        with pytest.raises(ModelFailed):
            AdapterStore(gone).put(ONE, brought(), fits)

    @pytest.mark.parametrize(
        ("text", "known"), [(ONE, True), ("var_", False), ("../x", False), ("var_a/b", False)]
    )
    def test_adapter_id_must_be_a_valid_folder_name(self, text: str, known: bool) -> None:
        assert is_adapter_id(text) is known


class TestEviction:
    def test_least_recently_used_adapter_is_evicted_first(self, tmp_path: Path) -> None:
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

    def test_adapter_unused_for_a_day_is_removed(self, tmp_path: Path) -> None:
        folder = AdapterStore(tmp_path)
        folder.put(ONE, brought(), fits)
        folder.put(TWO, brought(), fits)
        used(tmp_path, ONE, 86_500)
        folder.put(THREE, brought(), fits)
        assert not (tmp_path / ONE).exists()
        assert folder.find(TWO) is not None

    def test_partial_folder_of_killed_process_is_removed(self, tmp_path: Path) -> None:
        left = tmp_path / ".partial-x"
        left.mkdir()
        (left / "adapter_model.safetensors").write_bytes(b"w" * 5000)
        folder = AdapterStore(tmp_path, max_bytes=3600)
        folder.put(ONE, brought(), fits)
        assert not left.exists()
        assert folder.find(ONE) is not None
