"""`python -m serving.weights.gguf_conversion GGUF FOLDER [TURN_END…]`: a GGUF file for vLLM.

Owns dequantising once to bfloat16 and saving weights, tokenizer and generation settings. Runs as a
process of its own (conversion_process.py starts it), so that the gigabytes it takes are given back
and the caller never imports torch.

It writes one JSON object a line: {"message", "fraction"}, or {"failed"} and exit status 1.
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


def convert(gguf: Path, folder: Path, turn_ends: Sequence[str]) -> None:
    """Write config, weights, tokenizer and generation settings into `folder`."""
    where: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    _say("Reading the tokenizer", 0.0)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    _say("Converting the weights (about half a minute)", 0.3)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        **where,
    )
    _say("Saving the weights", 0.9)
    model.generation_config.eos_token_id = _ends(tokenizer, turn_ends)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _say("The weights are converted", 1.0)


def main(arguments: Sequence[str]) -> int:
    exit_with_parent()
    gguf, folder, *turn_ends = arguments
    try:
        convert(Path(gguf), Path(folder), turn_ends)
    except Exception as error:  # the libraries raise whatever they like; the parent needs words
        full = any(mark in str(error) for mark in _DISK_FULL)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        _write({"failed": "disk full" if full else "cannot be converted"})
        return 1
    return 0


def _ends(tokenizer: Any, turn_ends: Sequence[str]) -> list[int]:
    """The tokens that end the model's turn: its own, and those of the chat template's form."""
    ends = [tokenizer.eos_token_id]
    for text in turn_ends:
        tokens = tokenizer.encode(text, add_special_tokens=False)
        if len(tokens) == 1:  # several tokens could not be told from ordinary text
            ends.append(tokens[0])
    return ends


def _say(message: str, fraction: float) -> None:
    _write({"message": message, "fraction": fraction})


def _write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
