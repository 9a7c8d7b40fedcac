"""Count or bound the tokens of a prompt before it is sent.

Tokens are counted with the model's own tokenizer if its weights folder is on this machine, else
bounded by the size of the body. The weights folders are those of serving. Requests are interpreted
as vLLM does; this module repeats its rules.
"""

import asyncio
import json
import math
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

from models.catalog import Model

# Tokens that a template may add to any prompt, beside the 26 bytes of `{"model":"","messages":[]}`.
_TEMPLATE_OVERHEAD_TOKENS = 64
# Tokens that an embedding model may add to each input: the prefix and the special tokens.
_INPUT_OVERHEAD_TOKENS = 16
# Larger prompts are encoded in a thread: at about 0.15 ms per KiB they would block the event loop.
_MAX_INLINE_BYTES = 16 << 10
# The fields whose effect on the prompt is known; any other could add tokens.
_KNOWN_FIELDS = frozenset(
    """
    model messages prompt input stream stream_options max_tokens max_completion_tokens min_tokens
    n best_of seed stop stop_token_ids ignore_eos include_stop_str_in_output skip_special_tokens
    temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty logit_bias
    logprobs top_logprobs echo response_format tool_choice parallel_tool_calls user metadata store
    service_tier encoding_format dimensions reasoning_effort thinking_token_budget""".split()
)

# Not supported here: templates that loop over content parts, and `strftime_now`.
_UNSUPPORTED_TEMPLATE = re.compile(r"\bin\s+[\w.\[\]'\"]*content\b|\bstrftime_now\b")
_EmptyList = Annotated[list[Any], msgspec.Meta(max_length=0)] | None


class _TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """A text part of a message."""

    text: str


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """A text-only message. The fields after `name` occur in answers that a client sends back."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[str | _TextPart] | None = None
    name: str | None = None
    annotations: _EmptyList = None
    audio: None = None
    function_call: None = None
    reasoning: str | None = None
    refusal: None = None
    tool_calls: _EmptyList = None
    reasoning_content: str | None = None

    @property
    def has_reasoning(self) -> bool:
        """Whether the message repeats the thoughts of an answer, which templates may leave out."""
        return bool(self.reasoning or self.reasoning_content)


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """Where a request has its prompt, and how the model's server turns it into tokens.

    With `is_chat`, `field` holds messages that the model's chat template renders; otherwise it
    holds texts or token ids. With `is_embedding`, the server adds a prefix and special tokens to
    each input, special tokens also to token ids. With `is_pairs`, each text of `field` is read
    together with the query. With `has_policy`, the template adds a policy of unknown length.
    """

    field: str
    is_chat: bool = False
    is_embedding: bool = False
    is_pairs: bool = False
    has_policy: bool = False


RequestFields = Mapping[str, msgspec.Raw]
_MESSAGES = msgspec.json.Decoder(list[_Message])
_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str])
_INPUTS = msgspec.json.Decoder(str | list[str | int | list[int]])
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


def max_prompt_tokens_by_size(body_bytes: int, context_length: int | None) -> int:
    """Return an upper bound of a text prompt's tokens, from the size of its JSON body.

    A token covers at least one byte of text, JSON is never shorter than its text in UTF-8, and the
    JSON around a message is longer than the special tokens around it. The bound holds for text
    only, and with a context length for a single prompt only: see max_prompt_tokens.
    """
    size = body_bytes + _TEMPLATE_OVERHEAD_TOKENS
    return size if context_length is None else min(size, context_length)


def max_prompt_tokens(
    model: Model, prompt: PromptFormat, fields: RequestFields, body: bytes
) -> int | None:
    """Return an upper bound of the tokens of all prompts of a request. Returns None if unbounded.

    Images, tools and template settings can have more tokens than bytes: only the context length
    limits them. In a list each prompt may have the context length.
    """
    limit = model.context_length
    if prompt.is_embedding:
        return _max_input_tokens(fields, limit)
    if prompt.has_policy:
        return limit
    if prompt.is_pairs:
        return _max_pair_tokens(prompt, fields, limit)
    if not prompt.is_chat:
        is_list = bytes(fields.get(prompt.field, b"")).startswith(b"[")
        return max_prompt_tokens_by_size(_normalised_size(body), None if is_list else limit)
    is_text_only = _has_only_known_fields(fields) and _messages(fields, prompt) is not None
    return max_prompt_tokens_by_size(_normalised_size(body), limit) if is_text_only else limit


def _max_input_tokens(fields: RequestFields, context_length: int | None) -> int | None:
    """Return an upper bound of the tokens of embedding inputs. Returns None if they are invalid.

    The size of the JSON is no bound here: the model adds a prefix to each text, and its NFKC
    normalization makes up to eleven bytes of one.
    """
    try:
        inputs = _INPUTS.decode(fields["input"])
    except (*_DECODE_ERRORS, KeyError):
        return None
    is_single = isinstance(inputs, str) or all(isinstance(item, int) for item in inputs)
    texts = [inputs] if is_single else inputs
    sizes = (_INPUT_OVERHEAD_TOKENS + _max_tokens_of(text) for text in texts)
    limit = math.inf if context_length is None else context_length
    return sum(int(min(size, limit)) for size in sizes)


def _max_pair_tokens(
    prompt: PromptFormat, fields: RequestFields, context_length: int | None
) -> int | None:
    """Return an upper bound of the tokens of all pairs of query and text. None if invalid."""
    try:
        query, texts = _TEXT.decode(fields["query"]), _TEXTS.decode(fields[prompt.field])
    except (*_DECODE_ERRORS, KeyError):
        return None
    query_tokens = _max_tokens_of(query)
    limit = math.inf if context_length is None else context_length
    sizes = (_INPUT_OVERHEAD_TOKENS + query_tokens + _max_tokens_of(text) for text in texts)
    return sum(int(min(size, limit)) for size in sizes)


def _max_tokens_of(text: Any) -> int:
    """Return an upper bound of an input's tokens: the bytes of a text, or its token ids."""
    if not isinstance(text, str):
        return len(text) if isinstance(text, list) else 1
    forms = (text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFKC")))
    return max(len(form.encode(errors="replace")) for form in forms)


class PromptTokenCounter:
    """Counts prompt tokens for the models whose weights folder is below `data_dir`.

    A tokenizer is loaded at its first use and cached; a missing folder is not.
    """

    def __init__(self, data_dir: Path) -> None:
        self._weights_folder = data_dir / "weights"
        self._tokenizers: dict[str, _LoadedTokenizer | None] = {}
        self._load_lock = asyncio.Lock()

    async def count(
        self, model: Model, prompt: PromptFormat | None, fields: RequestFields
    ) -> int | None:
        """Return the prompt tokens that the engine will report. Returns None if not known.

        `prompt` is None if the endpoint meters no tokens.
        """
        if prompt is None:
            return None
        raw = fields.get(prompt.field)
        if raw is None or not _has_only_known_fields(fields):
            return None
        tokenizer = await self._get_tokenizer(model)
        if tokenizer and len(bytes(raw)) > _MAX_INLINE_BYTES:
            return await asyncio.to_thread(tokenizer.count, prompt, fields)
        return tokenizer.count(prompt, fields) if tokenizer else None

    async def count_text(self, model: Model, text: str) -> int | None:
        """Return the tokens of a text that the model could write. Returns None if not known."""
        tokenizer = await self._get_tokenizer(model)
        return None if tokenizer is None else tokenizer.count_text(text)

    async def _get_tokenizer(self, model: Model) -> "_LoadedTokenizer | None":
        """Return the model's tokenizer, loading it once. Returns None without a weights folder."""
        name = model.engine_id  # an adapter uses the tokenizer of its base model
        if name in self._tokenizers:
            return self._tokenizers[name]
        async with self._load_lock:  # prevents duplicate loads at a cold start
            if name not in self._tokenizers:
                folder = await asyncio.to_thread(_newest_folder, self._weights_folder, name)
                if folder is None:
                    return None
                self._tokenizers[name] = await asyncio.to_thread(_load_tokenizer, folder)
        return self._tokenizers[name]


@dataclass(frozen=True, slots=True)
class _LoadedTokenizer:
    """A tokenizer and the renderer of its chat template; None if the template is unsupported."""

    tokenizer: Any
    render: Callable[[list[_Message], Mapping[str, Any]], str] | None

    def count(self, prompt: PromptFormat, fields: RequestFields) -> int | None:
        """Return the prompt tokens of a request. Returns None if they cannot be counted."""
        if prompt.is_chat:
            return self._count_chat(_messages(fields, prompt), _reasoning_options(fields))
        special_tokens = (
            self.tokenizer.num_special_tokens_to_add(False) if prompt.is_embedding else 0
        )
        try:
            return self._count_inputs(_INPUTS.decode(fields[prompt.field]), special_tokens)
        except _DECODE_ERRORS:
            return None

    def count_text(self, text: str) -> int:
        """Return the tokens of a text without special tokens."""
        return self._count_encoded([text], add_special_tokens=False)

    def _count_chat(
        self, messages: list[_Message] | None, options: Mapping[str, Any]
    ) -> int | None:
        """Return the tokens of a chat rendered with the template and its options."""
        if messages is None or self.render is None:
            return None
        if any(message.has_reasoning for message in messages):
            return None
        try:
            text = self.render(messages, options)
        except Exception:  # a template is a program that may raise anything
            return None
        # The template has already written the special tokens.
        return self._count_encoded([text], add_special_tokens=False)

    def _count_inputs(
        self, prompt: str | list[str | int | list[int]], special_tokens: int
    ) -> int | None:
        """Return the tokens of one or several prompts; token ids get `special_tokens` added."""
        if isinstance(prompt, str):
            return self._count_encoded([prompt])
        if prompt and all(isinstance(item, int) for item in prompt):
            return len(prompt) + special_tokens
        texts = [item for item in prompt if isinstance(item, str)]
        tokens = [len(item) + special_tokens for item in prompt if isinstance(item, list)]
        if not prompt or len(texts) + len(tokens) != len(prompt):
            return None
        return sum(tokens) + (self._count_encoded(texts) if texts else 0)

    def _count_encoded(self, texts: list[str], add_special_tokens: bool = True) -> int:
        """Return the total tokens of several texts, by default with their special tokens."""
        # A batch, even of one text: encode() would hold the GIL.
        batch = self.tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
        return sum(map(len, batch))


def _has_only_known_fields(fields: RequestFields) -> bool:
    """Return whether the effect of every field on the prompt is known."""
    if fields.keys() <= _KNOWN_FIELDS:
        return True
    return all(name in _KNOWN_FIELDS or bytes(raw) == b"null" for name, raw in fields.items())


def _reasoning_options(fields: RequestFields) -> dict[str, Any]:
    """Return the template options that vLLM derives from `reasoning_effort`."""
    raw = fields.get("reasoning_effort")
    if raw is None or bytes(raw) == b"null":
        return {}
    effort = msgspec.json.decode(raw)
    return {"reasoning_effort": effort, "enable_thinking": effort != "none"}


def _normalised_size(body: bytes) -> int:
    """Return the larger of the body's size and its size in NFC, which Qwen's tokenizers encode.

    NFC can triple the bytes of a character, but never exceeds those of its JSON escape.
    """
    if body.isascii():
        return len(body)
    text = body.decode(errors="replace")
    return max(len(body), len(unicodedata.normalize("NFC", text).encode()))


def _messages(fields: RequestFields, prompt: PromptFormat) -> list[_Message] | None:
    """Return the decoded messages. Returns None if they are not text only."""
    try:
        return _MESSAGES.decode(fields[prompt.field])
    except (*_DECODE_ERRORS, KeyError):
        return None


def _template_message(message: _Message) -> dict[str, str]:
    """Return a message as the chat template gets it; vLLM joins text parts with newlines."""
    content = message.content or ""
    if not isinstance(content, str):
        content = "\n".join(part if isinstance(part, str) else part.text for part in content)
    name = {} if message.name is None else {"name": message.name}
    return {"role": message.role, "content": content, **name}


def _newest_folder(weights: Path, model_id: str) -> Path | None:
    """Return the newest weights folder of a model. Returns None if there is none."""
    name = model_id.replace("/", "--")
    # The part after the last hyphen is the digest: `a-*` would also match the model `a-b`.
    folders = [path for path in weights.glob("[!.]*-*") if path.name.rpartition("-")[0] == name]
    return max(folders, key=lambda path: path.stat().st_mtime, default=None)


def _load_tokenizer(folder: Path) -> _LoadedTokenizer | None:
    """Load the tokenizer and chat template of a weights folder. Returns None on failure."""
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # the library raises no narrower exception
        return None
    # A tokenizer file may ask for truncation and padding, which the engines do not apply.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        return _LoadedTokenizer(tokenizer, _chat_template_renderer(folder))
    except (OSError, ValueError, jinja2.TemplateError):
        return _LoadedTokenizer(tokenizer, None)


def _chat_template_renderer(
    folder: Path,
) -> Callable[[list[_Message], Mapping[str, Any]], str] | None:
    """Return a renderer of the folder's chat template, sandboxed, with transformers' helpers."""
    source = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if _UNSUPPORTED_TEMPLATE.search(source):
        return None
    special_tokens = {key: value for key, value in settings.items() if key.endswith("_token")}
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _raise_exception
    environment.filters["tojson"] = _to_json
    template = environment.from_string(source)
    template_values = {
        **special_tokens,
        "tools": None,
        "documents": None,
        "add_generation_prompt": True,
    }
    supports_developer = "developer" in source

    def render(messages: list[_Message], options: Mapping[str, Any]) -> str:
        """Return the prompt text of messages. Raises TemplateError for an unsupported role."""
        # vLLM renames `developer` to `system` if the template does not support the role.
        if not supports_developer and any(message.role == "developer" for message in messages):
            raise jinja2.TemplateError("The template does not support the role developer.")
        rendered = [_template_message(message) for message in messages]
        return template.render({**template_values, **options}, messages=rendered)

    return render


def _to_json(value: object, **options: Any) -> str:
    """Return JSON as transformers' `tojson` filter does; Jinja's own escapes HTML."""
    return json.dumps(value, **{"ensure_ascii": False} | options)


def _raise_exception(message: str) -> None:
    """Raise TemplateError; chat templates call this function to reject messages."""
    raise jinja2.TemplateError(message)
