"""Prompt token counts equal the engine's and never exceed their upper bound.

Tests with real tokenizers run where the converted weights are on this machine.
"""

import asyncio
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gateway.inference import token_count
from gateway.inference.token_count import (
    PromptFormat,
    PromptTokenCounter,
    max_prompt_tokens,
    max_prompt_tokens_by_size,
)
from gateway.wire import body as bodies
from tests.support import builders
from tests.support.gateway.decoded import prompt_of
from tests.support.gateway.token_texts import MANY, TEXT, a_model, characters, written

BUILD = Path(__file__).parents[3] / "build"
GEMMA = next(iter(sorted((BUILD / "weights").glob(f"{builders.CHAT}-*"))), None)
needs_gemma = pytest.mark.skipif(GEMMA is None, reason="no Gemma weights below build/weights")

CHAT, COMPLETION, EMBEDDINGS = map(prompt_of, ("chat", "text_completion", "embeddings"))
TEMPLATE = """{{ bos_token }} {% for message in messages %}
{%- if message.role == "tool" or message.content == "fail" %}{{ raise_exception("no") }}{% endif -%}
{{ message.role }} {{ message.content }} {% endfor %}
{%- if add_generation_prompt %}assistant{% endif %}"""

TOKEN_IDS = st.lists(st.integers(0, 9), max_size=40)
ROLES = st.sampled_from(["system", "developer", "user", "assistant"])
CONTENT = st.one_of(TEXT, st.lists(TEXT.map(lambda text: {"type": "text", "text": text})))
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": CONTENT}), min_size=1)
TINY = st.integers(1, 200).map(lambda count: [{"role": "assistant"}] * count)
PROMPTS = st.one_of(
    TEXT,
    st.lists(TEXT, min_size=1),
    TOKEN_IDS.filter(bool),
    st.lists(TOKEN_IDS, min_size=1),
)


async def count(
    counter: PromptTokenCounter, prompt_format: PromptFormat, name: str = "tiny", **body: Any
) -> int | None:
    return await counter.count(a_model(name), prompt_format, bodies.decode_fields(written(body)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A weights folder with a tokenizer of one token per word that adds two tokens to each text."""
    vocabulary = {"?": 0, "<s>": 1, "</s>": 2}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    # A tokenizer file may ask for both; neither may change the count.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    made = tmp_path / "weights" / "tiny-test"
    made.mkdir(parents=True)
    tokenizer.save(str(made / "tokenizer.json"))
    (made / "tokenizer_config.json").write_text('{"bos_token": "<s>", "add_bos_token": true}')
    (made / "chat_template.jinja").write_text(TEMPLATE)
    return made


@pytest.fixture
def counter(folder: Path) -> PromptTokenCounter:
    return PromptTokenCounter(folder.parents[1])


@pytest.mark.parametrize(
    ("given", "completion", "embeddings"),
    [
        ("a b c", 5, 5),
        ("", 2, 2),
        (["a b", "c"], 7, 7),
        ([7, 8, 9], 3, 5),
        ([[7, 8], [9]], 3, 7),
        (["a", [7, 8]], 5, 7),
        ([1, "a"], None, None),
        ([], None, None),
        ([True], None, None),
        ({"text": "a"}, None, None),
        (None, None, None),
        ("w " * 20_000, 20_002, 20_002),
    ],
)
async def test_completion_prompts_and_embedding_inputs_are_counted(
    counter: PromptTokenCounter, given: Any, completion: int | None, embeddings: int | None
) -> None:
    assert await count(counter, COMPLETION, prompt=given) == completion
    assert await count(counter, EMBEDDINGS, input=given) == embeddings


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 5),
        ({"reasoning_effort": None}, 5),
        ({"reasoning_effort": "none"}, 7),
        ({"reasoning_effort": "low", "thinking_token_budget": 9}, 6),
    ],
)
async def test_prompt_of_a_model_that_can_reason_depends_on_the_effort(
    folder: Path, fields: dict[str, Any], expected: int
) -> None:
    """vLLM sets `enable_thinking` from the effort; templates write the marks accordingly."""
    template = """{%- if enable_thinking is defined %} <think>
        {%- if not enable_thinking %} </think>{% endif %}{% endif %}"""
    (folder / "chat_template.jinja").write_text(TEMPLATE + template)
    counter = PromptTokenCounter(folder.parents[1])
    messages = [{"role": "user", "content": "a b"}]
    assert await count(counter, CHAT, messages=messages, **fields) == expected


async def test_thoughts_that_are_sent_back_are_bounded_and_not_counted(
    counter: PromptTokenCounter,
) -> None:
    """Templates leave the thoughts of earlier answers out, or not."""
    message = {"role": "assistant", "content": "a", "reasoning_content": "w " * 30}
    assert await count(counter, CHAT, messages=[message]) is None
    body = written({"messages": [message]})
    bound = max_prompt_tokens(a_model("tiny"), CHAT, bodies.decode_fields(body), body)
    assert bound == len(body) + 64


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "user", "content": "a b"}], 5),
        ([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], 6),
        ([{"role": "user", "content": ["a", {"type": "text", "text": "b c"}]}], 6),
        ([{"role": "assistant", "content": None, "tool_calls": [], "refusal": None}], 3),
        ([{"role": "user", "content": "w " * 20_000}], 20_003),
        ([{"role": "user", "content": "fail"}], None),
        ([{"role": "developer", "content": "a"}], None),
        ([{"role": "tool", "content": "a"}], None),
        ([{"role": "assistant", "tool_calls": [{"id": "a"}]}], None),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]}], None),
        ([{"role": "user", "content": {"text": "a"}}], None),
        ([{"role": "user", "content": "a", "unheard_of": "b"}], None),
    ],
)
async def test_chat_messages_are_counted(
    counter: PromptTokenCounter, messages: Any, expected: int | None
) -> None:
    assert await count(counter, CHAT, messages=messages) == expected


@pytest.mark.parametrize(
    "field",
    [
        {"tools": [{"type": "function"}]},
        {"documents": []},
        {"chat_template_kwargs": {}},
        {"add_generation_prompt": False},
        {"continue_final_message": True},
        {"truncate_prompt_tokens": 1},
        {"unheard_of": 1},
    ],
)
async def test_chat_with_field_that_may_change_prompt_is_not_counted(
    counter: PromptTokenCounter, field: dict[str, Any]
) -> None:
    messages = [{"role": "user", "content": "a"}]
    assert await count(counter, CHAT, messages=messages, **field) is None
    assert await count(counter, CHAT, messages=messages, **dict.fromkeys(field)) == 4


async def test_unreadable_prompt_is_not_counted(counter: PromptTokenCounter) -> None:
    for raw in (rb'["\ud800"]', b"[" * 100_000 + b"]" * 100_000):
        fields = {"prompt": msgspec.Raw(raw), "messages": msgspec.Raw(raw)}
        assert await counter.count(a_model("tiny"), COMPLETION, fields) is None
        assert await counter.count(a_model("tiny"), CHAT, fields) is None
    assert await counter.count(a_model("tiny"), None, {}) is None


@pytest.mark.parametrize(
    "template",
    [
        "{% for part in messages[0]['content'] %}{{ part.text }}{% endfor %}",
        "{{ messages[0].content.__class__.__mro__ }}",
        "{% if %}",
        None,
    ],
)
async def test_chat_with_template_that_cannot_be_rendered_is_not_counted(
    folder: Path, counter: PromptTokenCounter, template: str | None
) -> None:
    (folder / "chat_template.jinja").unlink()
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    assert await count(counter, CHAT, messages=[{"role": "user", "content": "a"}]) is None
    assert await count(counter, COMPLETION, prompt="a") == 3


async def test_tokenizer_folder_added_later_is_used_and_broken_folder_is_not(folder: Path) -> None:
    counter = PromptTokenCounter(folder.parents[1])
    assert await count(counter, COMPLETION, "absent", prompt="a") is None
    os.rename(folder, folder.with_name("absent-test"))
    assert await count(counter, COMPLETION, "absent", prompt="a") == 3
    (folder.parent / "broken-test").mkdir()
    assert await count(counter, COMPLETION, "broken", prompt="a") is None
    assert await count(PromptTokenCounter(folder / "none"), COMPLETION, prompt="a") is None


async def test_newest_tokenizer_folder_of_model_is_used(
    folder: Path, counter: PromptTokenCounter
) -> None:
    for name, time in (("tiny-older", 1), ("tiny-er-test", 1 << 40), (".tiny-part", 1 << 40)):
        (folder.parent / name).mkdir()
        os.utime(folder.parent / name, (time, time))
    assert await count(counter, COMPLETION, prompt="a") == 3


async def test_tokenizer_is_loaded_once_and_large_prompts_are_counted_in_a_thread(
    counter: PromptTokenCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    to_thread = asyncio.to_thread

    async def noted(function: Any, *arguments: Any) -> Any:
        moved.append(function.__name__)
        return await to_thread(function, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", noted)
    await asyncio.gather(*(count(counter, COMPLETION, prompt="a") for _ in range(5)))
    assert moved == ["_newest_folder", "_load_tokenizer"]
    assert await count(counter, COMPLETION, prompt="w " * 20_000) == 20_002
    assert moved[2:] == ["count"]


def test_token_bound_by_body_size_is_capped_by_context() -> None:
    assert max_prompt_tokens_by_size(100, None) == 164
    assert max_prompt_tokens_by_size(100, 4096) == 164
    assert max_prompt_tokens_by_size(10_000, 4096) == 4096


@pytest.mark.parametrize(
    ("prompt", "body", "expected"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "a"}]}, 108),
        (CHAT, {"messages": [{"role": "user", "content": "a"}], "tools": [{}]}, 1000),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 1000),
        (COMPLETION, {"prompt": "w" * 5000}, 1000),
        (COMPLETION, {"prompt": ["w" * 5000]}, 5079),  # each prompt has the context's length
        (COMPLETION, {"prompt": "\U0001d160" * 10}, 197),  # 40 bytes that are 120 in NFC
        (EMBEDDINGS, {"input": "abc"}, 19),
        (EMBEDDINGS, {"input": ["a", "bc"]}, 35),  # each input gets a prefix
        (EMBEDDINGS, {"input": ["w" * 5000, "a"]}, 1017),
        (EMBEDDINGS, {"input": "\ufdfa"}, 49),  # 3 bytes that are 33 in NFKC
        (EMBEDDINGS, {"input": [1, 2, 3]}, 19),
        (EMBEDDINGS, {"input": [[1, 2], "a"]}, 35),
        (EMBEDDINGS, {"input": {"text": "a"}}, None),
        (EMBEDDINGS, {}, None),
    ],
)
def test_token_bound_of_each_prompt_form(
    prompt: PromptFormat, body: dict[str, Any], expected: int | None
) -> None:
    raw = written(body)
    assert max_prompt_tokens(a_model("a", 1000), prompt, bodies.decode_fields(raw), raw) == expected


def test_token_bound_of_chat_with_tools_needs_a_context_length() -> None:
    raw = written({"messages": [], "tools": [{}]})
    assert max_prompt_tokens(a_model("a"), CHAT, bodies.decode_fields(raw), raw) is None


def test_nfc_of_each_character_is_not_longer_than_its_json_escape() -> None:
    for char in characters():
        size = len(unicodedata.normalize("NFC", char).encode())
        assert size <= len(json.dumps(char)) - 2 or char.isascii()


@needs_gemma
def test_gemma_tokens_of_each_character_do_not_exceed_its_bytes() -> None:
    _no_more_tokens_than_bytes(_tokenizer(GEMMA))


@needs_gemma
def test_gemma_template_overhead_is_within_json_overhead(counter: PromptTokenCounter) -> None:
    loaded = token_count._load_tokenizer(GEMMA or Path())
    assert loaded is not None
    assert loaded.render is not None
    fixed = len(loaded.render([], {}).removeprefix("<bos>").encode()) + 1
    assert fixed <= token_count._TEMPLATE_OVERHEAD_TOKENS + len(b'{"model":"","messages":[]}')
    for role in ("system", "developer", "user", "assistant"):
        message = msgspec.json.decode(written({"role": role}), type=token_count._Message)
        added = len(loaded.render([message], {}).removeprefix("<bos>").encode()) + 1 - fixed
        assert added <= len(written({"role": role})) + 1


@pytest.fixture(scope="module")
def real() -> PromptTokenCounter:
    return PromptTokenCounter(BUILD)


@needs_gemma
@MANY
@given(messages=MESSAGES | TINY, escaped=st.booleans())
async def test_gemma_chat_count_stays_within_bound(
    real: PromptTokenCounter, messages: Any, escaped: bool
) -> None:
    await _below_bound(real, builders.CHAT, CHAT, {"model": "", "messages": messages}, escaped)


@needs_gemma
@MANY
@given(prompt=PROMPTS, escaped=st.booleans())
async def test_gemma_completion_count_stays_within_bound(
    real: PromptTokenCounter, prompt: Any, escaped: bool
) -> None:
    await _below_bound(real, builders.CHAT, COMPLETION, {"prompt": prompt}, escaped)


DIALOGUES = [
    [("user", "What is the capital of France?")],
    [("system", "You are brief. "), ("user", "  法国的首都是哪里？\n")],
    [("user", "你好"), ("assistant", "你好！有什么可以帮你？"), ("user", "讲一个关于月亮的故事。")],
    [("developer", "Plain words."), ("user", "Hi <eos> 😀\n\n\n  x"), ("assistant", "")],
    [("user", "word " * 4000)],
]


@needs_gemma
@pytest.mark.parametrize("dialogue", DIALOGUES)
async def test_gemma_chat_count_equals_transformers(
    real: PromptTokenCounter, reference: Any, dialogue: list[tuple[str, str]]
) -> None:
    messages = [{"role": role, "content": content} for role, content in dialogue]
    expected = reference.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert await count(real, CHAT, builders.CHAT, messages=messages) == len(expected)


@needs_gemma
@pytest.mark.parametrize("text", ["", "Hello", "  四  个  空格 ", "a\n\n\nb<bos>c\x00\ufffd"])
async def test_gemma_completion_count_equals_transformers(
    real: PromptTokenCounter, reference: Any, text: str
) -> None:
    expected = len(reference(text, add_special_tokens=True).input_ids)
    assert await count(real, COMPLETION, builders.CHAT, prompt=text) == expected


@pytest.fixture(scope="module")
def reference() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(GEMMA, local_files_only=True)


async def _below_bound(
    counter: PromptTokenCounter,
    name: str,
    prompt: PromptFormat,
    body: dict[str, Any],
    escaped: bool,
) -> None:
    raw = written(body, escaped)
    counted = await counter.count(a_model(name), prompt, bodies.decode_fields(raw))
    assert counted is not None
    assert counted <= max_prompt_tokens_by_size(len(raw), None)


def _tokenizer(folder: Path | None) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str((folder or Path()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _no_more_tokens_than_bytes(tokenizer: Tokenizer) -> None:
    chars = characters()
    encoded = tokenizer.encode_batch_fast(chars, add_special_tokens=False)
    pairs = zip(chars, encoded, strict=True)
    assert not [char for char, encoding in pairs if len(encoding) > len(char.encode())]
