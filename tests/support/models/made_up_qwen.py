"""A tiny model of Qwen3.5's architecture with random weights, a tokenizer and a chat template.

Like the real one it has linear attention in three of four blocks, a part that reads pictures, and a
template that opens the reasoning of an answer, or an empty one. Its tokens are bytes, so any text
can be written and read. It needs no download.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import torch
    import transformers
else:
    torch = LazyModule("torch")
    transformers = LazyModule("transformers")

LINEAR_LAYERS = {
    *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    *("in_proj_qkv", "in_proj_z", "in_proj_a", "in_proj_b", "out_proj"),
}
_SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
)
# Marks that the parsers look for; not special, so that they stay in the text, as Qwen3.5's.
_MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
_TEMPLATE = """
{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{% if loop.last and message.role == "assistant" %}<think>

</think>

{% endif %}{{ message.content }}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% else %}<think>
{% endif %}
{%- endif %}"""


def made_up_qwen(folder: Path) -> Path:
    """Write weights, tokenizer and chat template in the layout of Qwen3.5's checkpoints."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    model: Any = transformers.Qwen3_5ForConditionalGeneration(_config(tokenizer))
    ends = [tokenizer.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config.eos_token_id = ends
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """A tokenizer of bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    split = Tokenizer(BPE({letter: number for number, letter in enumerate(letters)}, []))
    split.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split.decoder = decoders.ByteLevel()
    split.add_special_tokens([AddedToken(name, special=True) for name in _SPECIAL])
    split.add_tokens([AddedToken(name, special=False) for name in _MARKS])
    fast: Any = transformers.PreTrainedTokenizerFast
    return fast(
        tokenizer_object=split,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=_TEMPLATE,
    )


def _config(tokenizer: Any) -> "transformers.Qwen3_5Config":
    """Four blocks: three with linear attention, one with full attention."""
    number = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 64,
        "linear_num_key_heads": 1,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "max_position_embeddings": 2048,
        "initializer_range": 0.2,
        "eos_token_id": number("<|im_end|>"),
        "pad_token_id": number("<|endoftext|>"),
    }
    vision = {
        "depth": 1,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 64,
        "num_position_embeddings": 16,
    }
    return transformers.Qwen3_5Config(
        text_config=text,
        vision_config=vision,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
