"""A tiny base model with random weights, a tokenizer and a chat template.

It has the layers of the real base, so the same adapter fits, and needs no download.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from infra.lazy_import import LazyModule
from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import DatasetSplit, Example
from models.industrial_llm.recipes import Recipe

if TYPE_CHECKING:
    import torch
    import transformers
else:
    torch = LazyModule("torch")
    transformers = LazyModule("transformers")

TEMPLATE = Path(__file__).parents[3] / "models" / "chat_templates" / "industrial_dialogue.jinja"
TURN_END = "\n\n"
RECIPE = Recipe("made-up/base", {"failure_mode": 3}, learning_rate=0.02, batch=4, together=2)


def corpus() -> Mapping[str, DatasetSplit]:
    """Work orders whose failure mode is determined by the second word."""
    modes = {"leaks": "Leaking", "shakes": "Vibration", "squeals": "Noise", "boils": "Overheating"}
    train = tuple(
        Example("failure_mode", "made_up", "en", f"part{number} {word}", mode)
        for number in range(8)
        for word, mode in modes.items()
    )
    return {"failure_mode": DatasetSplit(train, train[:4], train[4:8])}


def base(folder: Path) -> Path:
    """Write weights, tokenizer, chat template and turn ends in the layout of served weights."""
    words = ["<pad>", "<eos>", "<bos>", "<unk>", TURN_END, *sorted(_words())]
    tokenizer = _tokenizer(words)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    model = transformers.Gemma3ForCausalLM(_config(len(words)))
    model.generation_config.eos_token_id = [1, words.index(TURN_END)]
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def _tokenizer(words: list[str]) -> "transformers.PreTrainedTokenizerFast":
    numbered = {word: number for number, word in enumerate(words)}
    split = Tokenizer(WordLevel(numbered, unk_token="<unk>"))
    # Blank lines and words are tokens; a single space belongs to the following word.
    split.pre_tokenizer = Split(Regex(r"\n\n|\n| ?[^\s]+"), behavior="isolated")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=split,
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>",
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
    )


def _words() -> Iterable[str]:
    task = TASKS["failure_mode"]
    texts = [
        "\n",
        "User: Assistant:",
        *(text for some in task.instructions.values() for text in some),
        *(one.text for one in corpus()["failure_mode"].train),
        *task.labels,
    ]
    words = {"\n"}
    for text in texts:
        for word in text.split():
            words |= {word, f" {word}"}
    return words


def _config(words: int) -> "transformers.Gemma3TextConfig":
    return transformers.Gemma3TextConfig(
        vocab_size=words,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=32,
        max_position_embeddings=256,
        # Random embeddings must differ enough for an adapter to distinguish the words.
        initializer_range=0.3,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
