"""Convert a GGUF file to a folder that vLLM loads.

`python -m serving.weights.gguf_conversion GGUF FOLDER [TURN_END…]`

Dequantises to bfloat16 and saves weights, tokenizer and generation settings. conversion_process.py
starts it as a child process, so that its gigabytes of memory are released and the caller need not
import torch.

Output: JSON lines {"message", "fraction"}, or {"failed"} and exit status 1.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from infra.processes import exit_with_parent

_DISK_FULL = ("No space left", "os error 28")


def convert_gguf(gguf: Path, folder: Path, turn_ends: Sequence[str]) -> None:
    """Convert a GGUF file: write config, weights, tokenizer and generation settings to `folder`."""
    load_options: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    _report_progress("Reading the tokenizer", 0.0)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **load_options)
    _report_progress("Converting the weights (about half a minute)", 0.3)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        **load_options,
    )
    _report_progress("Saving the weights", 0.9)
    model.generation_config.eos_token_id = _turn_end_token_ids(tokenizer, turn_ends)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _report_progress("The weights are converted", 1.0)


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    exit_with_parent()
    gguf, folder, *turn_ends = arguments
    try:
        convert_gguf(Path(gguf), Path(folder), turn_ends)
    except Exception as error:  # the libraries raise arbitrary exceptions
        is_disk_full = any(text in str(error) for text in _DISK_FULL)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        _write_json_line({"failed": "disk full" if is_disk_full else "cannot be converted"})
        return 1
    return 0


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
