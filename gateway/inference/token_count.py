"""How many tokens a prompt has, before it is sent.

Owns counting with the model's own tokenizer where its weights folder lies on this machine, and what
bounds a prompt where it does not. The folders are serving's; how a request is read is vLLM's, whose
rules are repeated here.
"""

import asyncio
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jinja2
import msgspec
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from gateway.call.values import Operation
from models.catalog import Model

# What a template may say in any case, beside the 26 bytes of `{"model":"","messages":[]}`.
_TEMPLATE_FIXED = 64
# Above this a prompt is encoded in a thread: at about 0.15 ms for a KiB it would hold others up.
_INLINE_BYTES = 16 << 10
_PROMPT = {"chat": "messages", "text_completion": "prompt", "embeddings": "input"}
# Fields that leave the prompt as it is; of any other, and of an engine's next, nobody knows.
_NEUTRAL = frozenset(
    """
    model messages prompt input stream stream_options max_tokens max_completion_tokens min_tokens
    n best_of seed stop stop_token_ids ignore_eos include_stop_str_in_output skip_special_tokens
    temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty logit_bias
    logprobs top_logprobs echo response_format tool_choice parallel_tool_calls user metadata store
    service_tier encoding_format dimensions""".split()
)

# Not done here: parts, which vLLM gives to a template that loops over them, and this name.
_BEYOND = re.compile(r"\bin\s+[\w.\[\]'\"]*content\b|\bstrftime_now\b")
_Nothing = Annotated[list[Any], msgspec.Meta(max_length=0)] | None


class _Part(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message of text alone. What follows `name` comes from answers that are sent back."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[str | _Part] | None = None
    name: str | None = None
    annotations: _Nothing = None
    audio: None = None
    function_call: None = None
    reasoning: None = None
    refusal: None = None
    tool_calls: _Nothing = None


Fields = Mapping[str, msgspec.Raw]
_MESSAGES = msgspec.json.Decoder(list[_Message])
_INPUTS = msgspec.json.Decoder(str | list[str | int | list[int]])
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def prompt_bound(body_bytes: int, context_length: int | None) -> int:
    """What a text prompt has at most, by the size of the JSON that asks for it.

    A token covers a byte of text or more, no JSON is shorter than its text in UTF-8, and what
    frames a message or an input in JSON is longer than what marks it for the model. It holds for
    text alone, and with a context length for one prompt alone: see worst_prompt.
    """
    size = body_bytes + _TEMPLATE_FIXED
    return size if context_length is None else min(size, context_length)


def worst_prompt(model: Model, operation: Operation, fields: Fields, body: bytes) -> int | None:
    """What the prompts of a request have at most; None where nothing limits them.

    Pictures, tools and template settings can be more tokens than bytes: the context length alone
    limits them. The prompts of a list have that length each.
    """
    limit = model.context_length
    if operation is not Operation.CHAT:
        several = bytes(fields.get(_PROMPT.get(operation, ""), b"")).startswith(b"[")
        return prompt_bound(_normalised_size(body), None if several else limit)
    text_alone = _neutral(fields) and _messages(fields) is not None
    return prompt_bound(_normalised_size(body), limit) if text_alone else limit


class PromptCounter:
    """Counts prompts for the models whose weights folder is below `data_dir`.

    A tokenizer is loaded at its first use and kept; a folder that is not there is looked for again.
    """

    def __init__(self, data_dir: Path) -> None:
        self._weights = data_dir / "weights"
        self._loaded: dict[str, _Loaded | None] = {}
        self._loading = asyncio.Lock()

    async def count(self, model: Model, operation: Operation, fields: Fields) -> int | None:
        """The prompt tokens that the engine will report, or None where that is not known."""
        raw = fields.get(_PROMPT.get(operation, ""))
        if raw is None or not _neutral(fields):
            return None
        loaded = await self._tokenizer(model)
        if loaded and len(bytes(raw)) > _INLINE_BYTES:
            return await asyncio.to_thread(loaded.count, operation, fields)
        return loaded.count(operation, fields) if loaded else None

    async def _tokenizer(self, model: Model) -> "_Loaded | None":
        name = model.engine_id  # an adapter reads and writes its base's tokens
        if name in self._loaded:
            return self._loaded[name]
        async with self._loading:  # else each call of a cold start would load it once more
            if name not in self._loaded:
                folder = await asyncio.to_thread(_newest_folder, self._weights, name)
                if folder is None:
                    return None
                self._loaded[name] = await asyncio.to_thread(_load, folder)
        return self._loaded[name]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A tokenizer, and how a chat is rendered where that can be done here."""

    tokenizer: Any
    render: Callable[[list[_Message]], str] | None

    def count(self, operation: Operation, fields: Fields) -> int | None:
        if operation is Operation.CHAT:
            return self._chat(fields)
        # Tokens that the caller made are framed by our encoder, but not by vLLM.
        framed = operation is Operation.EMBEDDINGS
        frame = self.tokenizer.num_special_tokens_to_add(False) if framed else 0
        try:
            return self._inputs(_INPUTS.decode(fields[_PROMPT[operation]]), frame)
        except _UNREADABLE:
            return None

    def _chat(self, fields: Fields) -> int | None:
        messages = _messages(fields)
        if messages is None or self.render is None:
            return None
        try:
            text = self.render(messages)
        except Exception:  # a template is a program: it may refuse, or fail, in any way
            return None
        # The template has written what the tokenizer would add.
        return self._encoded([text], add_special_tokens=False)

    def _inputs(self, given: str | list[str | int | list[int]], frame: int) -> int | None:
        if isinstance(given, str):
            return self._encoded([given])
        if given and all(isinstance(item, int) for item in given):
            return len(given) + frame
        texts = [item for item in given if isinstance(item, str)]
        tokens = [len(item) + frame for item in given if isinstance(item, list)]
        if not given or len(texts) + len(tokens) != len(given):
            return None
        return sum(tokens) + (self._encoded(texts) if texts else 0)

    def _encoded(self, texts: list[str], add_special_tokens: bool = True) -> int:
        # Of a batch, even of one: encode() alone would keep the interpreter to itself meanwhile.
        batch = self.tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
        return sum(map(len, batch))


def _neutral(fields: Fields) -> bool:
    return all(name in _NEUTRAL or bytes(raw) == b"null" for name, raw in fields.items())


def _normalised_size(body: bytes) -> int:
    """The body's size, or that in NFC where it is more: Qwen's tokenizers count that text's bytes.

    NFC makes up to three times the bytes of a character, but never more than its JSON escape has.
    """
    text = "" if body.isascii() else body.decode(errors="replace")
    return max(len(body), len(unicodedata.normalize("NFC", text).encode()))


def _messages(fields: Fields) -> list[_Message] | None:
    """The messages, or None where they are more than text."""
    try:
        return _MESSAGES.decode(fields["messages"])
    except (*_UNREADABLE, KeyError):
        return None


def _shown(message: _Message) -> dict[str, str]:
    """What a template sees of a message; vLLM joins the parts of a text with line ends."""
    content = message.content or ""
    if not isinstance(content, str):
        content = "\n".join(part if isinstance(part, str) else part.text for part in content)
    name = {} if message.name is None else {"name": message.name}
    return {"role": message.role, "content": content, **name}


def _newest_folder(weights: Path, model_id: str) -> Path | None:
    name = model_id.replace("/", "--")
    # What follows the last hyphen is the digest: `a-*` would find the model `a-b` as well.
    found = [path for path in weights.glob("[!.]*-*") if path.name.rpartition("-")[0] == name]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _load(folder: Path) -> _Loaded | None:
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # the library raises nothing narrower
        return None
    # MiniLM's file asks for cutting and padding to 128 tokens, which the engines do not do.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        return _Loaded(tokenizer, _renderer(folder))
    except (OSError, ValueError, jinja2.TemplateError):
        return _Loaded(tokenizer, None)


def _renderer(folder: Path) -> Callable[[list[_Message]], str] | None:
    """The folder's chat template, in the sandbox, with what transformers offers to it."""
    source = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if _BEYOND.search(source):
        return None
    special = {key: value for key, value in settings.items() if key.endswith("_token")}
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _raise_exception
    environment.filters["tojson"] = _as_json
    template = environment.from_string(source)
    given = {**special, "tools": None, "documents": None, "add_generation_prompt": True}
    knows_developer = "developer" in source

    def render(messages: list[_Message]) -> str:
        # vLLM calls a developer `system` where the template does not know the word.
        if not knows_developer and any(one.role == "developer" for one in messages):
            raise jinja2.TemplateError("The template knows no developer.")
        return template.render(given, messages=[_shown(one) for one in messages])

    return render


def _as_json(value: object, **how: Any) -> str:
    """As transformers does it: jinja's own is for HTML."""
    return json.dumps(value, **{"ensure_ascii": False} | how)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
