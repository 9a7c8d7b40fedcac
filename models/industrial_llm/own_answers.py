"""Let a model begin its own text answers, to train that it answers so with functions offered too.

Nobody wrote answers to the requests that no function fits. What the model says to them without
functions is what it is to say with them: only the choice of a text is trained, not its content.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from models.industrial_llm.chat import user_message
from models.industrial_llm.choices import CALL_STARTS
from models.industrial_llm.encoding import DialogueEncoder

TOKENS = 8
_TOGETHER = 24


def begin_answers(
    model: Any, encoder: DialogueEncoder, requests: Sequence[str], tokens: int = TOKENS
) -> Mapping[str, str]:
    """Return the first tokens of the model's greedy answer as text, by request.

    Requests whose answer ends within these tokens, or begins as no text may, have none.
    """
    unique = sorted(set(requests), key=lambda text: (len(text), text))
    beginnings = dict[str, str]()
    for start in range(0, len(unique), _TOGETHER):
        part = unique[start : start + _TOGETHER]
        for text, beginning in zip(part, _generate(model, encoder, part, tokens), strict=True):
            if beginning and beginning[0] not in CALL_STARTS:
                beginnings[text] = beginning
    return beginnings


def _generate(
    model: Any, encoder: DialogueEncoder, requests: Sequence[str], tokens: int
) -> list[str]:
    """Return the greedy continuations of a few requests; empty for one that ends early."""
    tokenizer = encoder.tokenizer
    prompts = [encoder.render_prompt([user_message(text)]) for text in requests]
    inputs = tokenizer(
        prompts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
    ).to(model.device)
    model.eval()
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16):
        outputs = model.generate(
            **inputs, max_new_tokens=tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id
        )
    model.train()
    generated = outputs[:, inputs["input_ids"].shape[1] :].tolist()
    return [
        "" if encoder.end_tokens.intersection(one) else tokenizer.decode(one) for one in generated
    ]
