"""A catalog file for one more language model: `maas up --model`, `make run MODEL=…`."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from infra.errors import AppError
from models.catalog import Model, Prices, Task
from models.catalog.profiles import Hardware, hardware_of

_DEFAULT_HUB = "https://huggingface.co"
_TIMEOUT_S = 20.0
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_UNUSABLE_IN_ID = re.compile(r"[^a-z0-9._-]+")
# The longest context by hardware: key-value memory grows with it.
_MAX_CONTEXT: Mapping[Hardware, int] = MappingProxyType({Hardware.CPU: 8192, Hardware.GPU: 32768})
_DEFAULT_CONTEXT = 4096
_GENERATING = ("ForCausalLM", "ForConditionalGeneration")
_ENGINE: Mapping[Hardware, Mapping[str, Any]] = MappingProxyType(
    {
        Hardware.CPU: {"dtype": "bfloat16", "max_num_seqs": 16},
        Hardware.GPU: {"tensor_parallel_size": 1, "gpu_memory_utilization": 0.85},
    }
)
_CONCURRENCY: Mapping[Hardware, int] = MappingProxyType({Hardware.CPU: 16, Hardware.GPU: 256})
# vLLM's parsers of tool calls by the beginning of the architecture's name.
_TOOL_PARSERS: Mapping[str, str] = MappingProxyType(
    {"Qwen2": "hermes", "Qwen3": "hermes", "Llama": "llama3_json", "Mistral": "mistral"}
)
_PER = 1_000_000
_HEADER = """\
# Written by `maas up --model`. It is written again at each such start: to change it, copy it and
# name the copy in MAAS_CATALOG. The prices are those of the built-in language model.
"""

Fetch = Callable[[str], "httpx.Response"]
"""Sends a GET request to a URL. Raises httpx.HTTPError."""


class ModelNotObtainable(AppError):
    """The model named by `--model` is not in a folder, cache or hub, or generates no text."""

    code = "model_not_obtainable"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A language model to serve: its id in the catalog, source and configuration."""

    id: str
    source: str
    config: Mapping[str, Any]

    @property
    def architecture(self) -> str:
        """Return the model's class in transformers, empty if it is not stated."""
        return str(next(iter(self.config.get("architectures") or ()), ""))

    def context_length(self, profile: str) -> int:
        """Return the context length: the model's own, but at most the profile's limit."""
        text_config = self.config.get("text_config") or {}
        own = self.config.get("max_position_embeddings") or text_config.get(
            "max_position_embeddings"
        )
        return min(
            own if isinstance(own, int) else _DEFAULT_CONTEXT, _MAX_CONTEXT[hardware_of(profile)]
        )


def find_served_model(name: str, fetch: Fetch | None = None) -> ServedModel:
    """Return the model of a folder or of a Hugging Face id, which may be in the local cache.

    Raises ModelNotObtainable.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        source, config = str(folder.resolve()), _read_folder(folder)
    elif not _HUB_ID.fullmatch(name):
        raise ModelNotObtainable(
            f"{name!r} is neither a folder nor a Hugging Face id such as Qwen/Qwen3-1.7B."
        )
    else:
        source, config = name, _read_cache(name) or _read_hub(name, fetch or _fetch)
    model_id = _UNUSABLE_IN_ID.sub("-", Path(source).name.lower()).strip("-._")
    model = ServedModel(model_id or "model", source, config)
    if not model.architecture.endswith(_GENERATING):
        raise ModelNotObtainable(
            f"{name!r} is not a language model that generates text: its architecture is "
            f"{model.architecture or 'not stated'}."
        )
    return model


def _read_folder(folder: Path) -> Mapping[str, Any]:
    """Return the configuration of a model's folder. Raises ModelNotObtainable."""
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise ModelNotObtainable(
            f"The folder {folder} has no weights in the Hugging Face format (*.safetensors, *.bin)."
        )
    try:
        return _parse_config((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelNotObtainable(
            f"The folder {folder} has no readable config.json. It must be in the Hugging Face "
            "format."
        ) from None


def _read_cache(name: str) -> Mapping[str, Any] | None:
    """Return the configuration from the local cache of Hugging Face's libraries, or None."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    folder = home / "hub" / f"models--{name.replace('/', '--')}" / "snapshots"
    for file in sorted(folder.glob("*/config.json")):
        if any(file.parent.glob("*.safetensors")):
            return _parse_config(file.read_text(encoding="utf-8"))
    return None


def _read_hub(name: str, fetch: Fetch) -> Mapping[str, Any]:
    """Return the configuration from the hub that HF_ENDPOINT names. Raises ModelNotObtainable."""
    hub = os.environ.get("HF_ENDPOINT", _DEFAULT_HUB).rstrip("/")
    try:
        response = fetch(f"{hub}/{name}/resolve/main/config.json")
    except httpx.HTTPError as error:
        raise ModelNotObtainable(
            f"{name!r} is not on this machine, and the hub {hub} cannot be reached "
            f"({type(error).__name__}). Set MODEL to a folder, or HF_ENDPOINT to a mirror."
        ) from None
    if response.status_code in (401, 403):
        raise ModelNotObtainable(
            f"The hub {hub} refuses {name!r} (status {response.status_code}): it does not exist, "
            "or its licence must be accepted there and HF_TOKEN set."
        )
    if response.status_code != 200:
        raise ModelNotObtainable(
            f"The hub {hub} has no configuration of {name!r} (status {response.status_code}). "
            "Check the id."
        )
    try:
        return _parse_config(response.text)
    except ValueError:
        raise ModelNotObtainable(f"The hub's configuration of {name!r} is not JSON.") from None


def _fetch(url: str) -> httpx.Response:
    """Send a GET request with the hub's token, if there is one."""
    token = os.environ.get("HF_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.get(url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_S)


def _parse_config(text: str) -> Mapping[str, Any]:
    """Return a model's configuration. Raises ValueError if it is not a JSON object."""
    config = json.loads(text)
    if not isinstance(config, dict):
        raise ValueError("not a JSON object")
    return config


def render_catalog_file(
    model: ServedModel, profile: str, prices: Prices, replaced: Iterable[Model] = ()
) -> str:
    """Return the catalog file that serves the model, in place of the `replaced` models if any."""
    engine = dict(_ENGINE[hardware_of(profile)])
    for prefix, parser in _TOOL_PARSERS.items():
        if model.architecture.startswith(prefix):
            engine |= {"enable_auto_tool_choice": True, "tool_call_parser": parser}
    lines = [
        _HEADER,
        "[[model]]",
        f"id = {_text(model.id)}",
        f"task = {_text(Task.TEXT_GENERATION.value)}",
        f"profiles = [{_text(profile)}]",
        f"description = {_text(f'{Path(model.source).name}, served by this machine')}",
        'licence = "see the model"',
        f"context_length = {model.context_length(profile)}",
        f"concurrency = {_CONCURRENCY[hardware_of(profile)]}",
        'route = { task = "language" }',
        f'weights = {{ kind = "hub", source = {_text(model.source)} }}',
        "[model.engine]",
        *(f"{name} = {json.dumps(value)}" for name, value in engine.items()),
        "[model.meters]",
        *_price_lines(prices),
    ]
    for other in dict.fromkeys(one.id for one in replaced):
        if other != model.id:
            lines += ["", "[[model]]", f"id = {_text(other)}", "profiles = []"]
    return "\n".join(lines) + "\n"


def _price_lines(prices: Prices) -> list[str]:
    """Return the price of each token meter per million as a line of TOML."""
    meters = sorted({meter for row in prices.values() for meter in row if "tokens" in meter})
    return [
        f"{meter} = {{ per = {_PER}, "
        + ", ".join(
            f"{currency} = {_text(_amount(row[meter]))}"
            for currency, row in prices.items()
            if meter in row
        )
        + " }"
        for meter in meters
    ]


def _amount(nano: int) -> str:
    """Return the exact price of a million units, of which one costs this many nano-units."""
    whole, thousandths = divmod(nano, 1_000)
    return f"{whole}.{thousandths:03d}"


def _text(value: str) -> str:
    """Return a text as a TOML string."""
    return json.dumps(value, ensure_ascii=False)
