"""The cached reader of GGUF files: the same values as gguf's own reader, parsed once."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from serving.weights.gguf_reader import use_cached_reader


@pytest.fixture
def small_gguf(tmp_path: Path) -> Path:
    """A file with a name, a vocabulary of three tokens and a tensor."""
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_name("Small")
    writer.add_token_list(["<pad>", "泵", "pump"])
    writer.add_token_scores([0.0, -1.5, -2.5])
    writer.add_tensor("output.weight", np.arange(64, dtype=np.float32).reshape(2, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def own_reader(monkeypatch: pytest.MonkeyPatch) -> type[gguf.GGUFReader]:
    """gguf's own reader, which takes its place again after the test."""
    own = gguf.GGUFReader
    monkeypatch.setattr(gguf, "GGUFReader", own)
    use_cached_reader()
    return own


def test_cached_reader_reads_the_fields_and_tensors_of_the_own_one(
    small_gguf: Path, own_reader: type[gguf.GGUFReader]
) -> None:
    expected, read = own_reader(small_gguf), gguf.GGUFReader(small_gguf)
    assert {name: field.contents() for name, field in read.fields.items()} == {
        name: field.contents() for name, field in expected.fields.items()
    }
    assert read.fields["tokenizer.ggml.tokens"].contents() == ["<pad>", "泵", "pump"]
    (tensor,), (other,) = read.tensors, expected.tensors
    assert (tensor.name, tensor.data.tolist()) == (other.name, other.data.tolist())


def test_cached_reader_parses_a_file_once(
    small_gguf: Path, own_reader: type[gguf.GGUFReader]
) -> None:
    assert gguf.GGUFReader(small_gguf) is gguf.GGUFReader(small_gguf)
