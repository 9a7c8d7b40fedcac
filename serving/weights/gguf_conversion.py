"""Convert a GGUF file to a folder that vLLM loads.

`python -m serving.weights.gguf_conversion GGUF FOLDER [--turn-end TEXT]… [--int8]`

Dequantises to bfloat16, quantises to 8 bits if asked, and saves weights, tokenizer and generation
settings. conversion_process.py starts it as a child process, so that its gigabytes of memory are
released and the caller need not import torch.

Output: JSON lines {"message", "fraction"}, or {"failed"} and exit status 1.
"""

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from infra.processes import exit_with_parent
from models.industrial_llm.int8 import SETTINGS_KEY, quantization_settings, quantized_tensors
from serving.weights.conversion import GgufConversion
from serving.weights.gguf_reader import use_cached_reader

_DISK_FULL = ("No space left", "os error 28")


def convert_gguf(conversion: GgufConversion) -> None:
    """Convert a GGUF file: write config, weights, tokenizer and generation settings."""
    gguf, folder = conversion.gguf, conversion.folder
    load_options: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    _report_progress("Reading the tokenizer", 0.0)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **load_options)
    _report_progress("Converting the weights (one to two minutes)", 0.1)
    model: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        **load_options,
    )
    model.generation_config.eos_token_id = _turn_end_token_ids(tokenizer, conversion.turn_ends)
    _report_progress("Saving the weights", 0.7)
    if conversion.quantize:
        _save_quantized(model, folder)
    else:
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _report_progress("The weights are converted", 1.0)


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    exit_with_parent()
    # Millions of parsed values stay until the end: each collection would visit them in vain.
    gc.disable()
    use_cached_reader()
    try:
        convert_gguf(_parse_arguments(arguments))
    except Exception as error:  # the libraries raise arbitrary exceptions
        is_disk_full = any(text in str(error) for text in _DISK_FULL)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        _write_json_line({"failed": "disk full" if is_disk_full else "cannot be converted"})
        return 1
    return 0


def _parse_arguments(arguments: Sequence[str]) -> GgufConversion:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Convert a GGUF file for vLLM.")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turn-end", action="append", default=[])
    parser.add_argument("--int8", action="store_true")
    options = parser.parse_args(arguments)
    return GgufConversion(options.gguf, options.folder, tuple(options.turn_end), options.int8)


def _save_quantized(model: Any, folder: Path) -> None:
    """Save the model's weights in 8 bits, with the configuration that says so."""
    save_file(quantized_tensors(model), folder / "model.safetensors", metadata={"format": "pt"})
    model.generation_config.save_pretrained(folder)
    settings = model.config.to_dict() | {
        SETTINGS_KEY: quantization_settings(),
        "tie_word_embeddings": False,
    }
    text = json.dumps(settings, indent=2)
    (folder / "config.json").write_text(text, encoding="utf-8")


def _turn_end_token_ids(tokenizer: Any, turn_ends: Sequence[str]) -> list[int]:
    """Return the ids of end-of-sequence tokens: the model's own and those of the chat template."""
    ends = [tokenizer.eos_token_id]
    for text in turn_ends:
        tokens = tokenizer.encode(text, add_special_tokens=False)
        if len(tokens) == 1:  # longer ones could occur in ordinary text
            ends.append(tokens[0])
    return ends


def _report_progress(message: str, fraction: float) -> None:
    """Print a progress line; `fraction` is 0 to 1."""
    _write_json_line({"message": message, "fraction": fraction})


def _write_json_line(line: dict[str, Any]) -> None:
    """Print an object as one JSON line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
