"""Parse merged entries to models, and `[[upstream]]` entries to upstreams."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from infra.secrets.named_secrets import is_secret_name
from models.catalog.entries import (
    DEFAULT_BATCH_PERCENT,
    EXTERNAL,
    GGUF,
    WEIGHT_KINDS,
    Assistant,
    FileSearch,
    GuardFormat,
    Model,
    Prices,
    Retrieval,
    Route,
    Task,
    Weights,
)
from models.catalog.files import CatalogFile
from models.catalog.merging import ModelEntry
from models.catalog.pricing import parse_prices
from models.catalog.problems import ProblemList, advice
from models.catalog.profiles import PROFILES
from models.catalog.schema import UPSTREAM_FIELDS, check_fields
from models.catalog.upstreams import DEFAULT_PRIORITY, Upstream
from models.catalog.weight_packages import WeightPackages
from models.reasoning import parse_budgets

_REQUIRED = ("task", "description", "meters")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
# Headers that the gateway sets itself.
_OWN_HEADERS = frozenset(
    """authorization host content-length content-type transfer-encoding connection x-request-id
    traceparent""".split()
)
_MAX_UPSTREAM_NAME = 200
_GGUF_FIELDS = frozenset({"revision", "packages", "quantization", "base_name"})
_QUANTIZATIONS = ("int8",)
_NO_BUDGETS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ParsedModel:
    """A model with the file of its entry, for messages."""

    model: Model
    file: str

    @property
    def label(self) -> str:
        """Return how messages name the entry."""
        return f"the model {self.model.id!r}"


@dataclass(frozen=True, slots=True)
class ParsedUpstream:
    """An upstream with the file of its entry, for messages."""

    upstream: Upstream
    file: str

    @property
    def label(self) -> str:
        """Return how messages name the entry."""
        return f"the upstream {self.upstream.name!r}"


def parse_models(entries: Sequence[ModelEntry], problems: ProblemList) -> list[ParsedModel]:
    """Return the models of the valid entries; report problems of the others."""
    parsed = (_parse_model(entry, problems) for entry in entries)
    return [model for model in parsed if model is not None]


def _parse_model(entry: ModelEntry, problems: ProblemList) -> ParsedModel | None:
    """Return the model of an entry, or None after reporting why it is not valid."""
    fields, file, label = entry.fields, entry.file, entry.label
    count = len(problems.problems)
    weights = _parse_weights(entry, problems)
    required = _REQUIRED if weights.kind == EXTERNAL else (*_REQUIRED, "licence")
    for name in required:
        if name not in fields and name not in entry.invalid_fields:
            problems.add(file, "is missing.", label, name)
    prices = parse_prices(fields.get("meters", {}), file, label, "meters", problems)
    cost = parse_prices(fields.get("cost", {}), file, label, "cost", problems)
    if len(problems.problems) > count or entry.invalid_fields:
        return None
    try:
        return ParsedModel(_build_model(fields, weights, prices, cost), file)
    except (TypeError, ValueError) as error:
        problems.add(file, f"{error}.", label)
        return None


def _build_model(
    fields: Mapping[str, Any], weights: Weights, prices: Prices, cost: Prices
) -> Model:
    """Build a model from checked fields. Raises ValueError for fields that exclude each other."""
    return Model(
        id=fields["id"],
        task=Task(fields["task"]),
        profiles=tuple(fields.get("profiles", PROFILES)),
        description=fields["description"],
        licence=fields.get("licence", "not stated"),
        weights=weights,
        prices=prices,
        context_length=fields.get("context_length"),
        concurrency=fields.get("concurrency"),
        base=fields.get("base"),
        adapter=fields.get("adapter"),
        route=_parse_route(fields["route"]) if "route" in fields else None,
        latency_ms=fields.get("latency_ms"),
        batch_percent=fields.get("batch_percent", DEFAULT_BATCH_PERCENT),
        guard_format=GuardFormat(fields.get("guard_format", GuardFormat.MODERATIONS)),
        fallbacks=tuple(fields.get("fallbacks", ())),
        retrieval=Retrieval(**fields["retrieval"]) if "retrieval" in fields else None,
        reasoning=parse_budgets(fields["reasoning"]) if "reasoning" in fields else _NO_BUDGETS,
        engine=MappingProxyType(dict(fields.get("engine", {}))),
        cost=cost,
        assistant=Assistant(**fields["assistant"]) if "assistant" in fields else None,
        file_search=FileSearch(**fields.get("file_search", {})),
    )


def _parse_weights(entry: ModelEntry, problems: ProblemList) -> Weights:
    """Return an entry's weights; `external` if it has none."""
    table = entry.fields.get("weights")
    if table is None:
        return Weights(EXTERNAL, "")
    for name in ("kind", "source"):
        if not isinstance(table.get(name), str):
            problems.add(entry.file, "must be a text.", entry.label, f"weights.{name}")
            return Weights(EXTERNAL, "")
    if table["kind"] not in WEIGHT_KINDS:
        text = f"has the value {table['kind']!r:.60}. {advice(table['kind'], WEIGHT_KINDS)}"
        problems.add(entry.file, text, entry.label, "weights.kind")
    _check_gguf(table, entry, problems)
    return Weights(**table)


def _check_gguf(table: Mapping[str, Any], entry: ModelEntry, problems: ProblemList) -> None:
    """Report fields of weights that only GGUF files have, or with wrong values."""
    for name in _GGUF_FIELDS & table.keys():
        if table["kind"] != GGUF:
            text = f"is only allowed for weights of the kind {GGUF!r}."
            problems.add(entry.file, text, entry.label, f"weights.{name}")
    quantization = table.get("quantization", _QUANTIZATIONS[0])
    if quantization not in _QUANTIZATIONS:
        text = f"has the value {quantization!r:.60}. {advice(quantization, _QUANTIZATIONS)}"
        problems.add(entry.file, text, entry.label, "weights.quantization")
    if "packages" in table:
        try:
            WeightPackages.parse(table["packages"])
        except ValueError as error:
            problems.add(entry.file, f"{error}.", entry.label, "weights.packages")


def _parse_route(route: Mapping[str, Any]) -> Route:
    """Parse an entry's TOML table `route`: when `auto` selects the model. Raises ValueError."""
    inputs, optional = (frozenset(route.get(key, ())) for key in ("inputs", "optional"))
    if not inputs and "task" not in route:
        raise ValueError("a route must have a task or inputs")
    return Route(route.get("task"), inputs, optional)


def parse_upstreams(files: Sequence[CatalogFile], problems: ProblemList) -> list[ParsedUpstream]:
    """Return the upstreams of all files; report invalid ones and names that are there twice."""
    parsed: dict[str, ParsedUpstream] = {}
    for file in files:
        for number, table in enumerate(file.upstreams, start=1):
            upstream = _parse_upstream(table, number, file.name, problems)
            if upstream is None:
                continue
            name = upstream.upstream.name
            if name in parsed:
                text = f"is defined in {parsed[name].file} too. Give each upstream its own name."
                problems.add(file.name, text, upstream.label, "name")
            parsed.setdefault(name, upstream)
    return list(parsed.values())


def _parse_upstream(
    table: Mapping[str, Any], number: int, file: str, problems: ProblemList
) -> ParsedUpstream | None:
    """Return an upstream, or None after reporting why it is not valid."""
    name, count = table.get("name"), len(problems.problems)
    label = f"the upstream {name!r}" if isinstance(name, str) else f"upstream number {number}"
    fields = check_fields(table, UPSTREAM_FIELDS, file, label, problems)
    for field in ("name", "url", "models"):
        if field not in table:
            problems.add(file, "is missing.", label, field)
    headers, models = fields.get("headers", {}), fields.get("models", {})
    has_secrets = "api_key_secret" in fields or bool(headers)
    if "url" in fields and (wrong := _url_problem(fields["url"], has_secrets)) is not None:
        problems.add(file, wrong, label, "url")
    _check_secrets(fields, file, label, problems)
    _check_upstream_models(models, file, label, problems)
    costs = _parse_costs(fields.get("cost", {}), models, file, label, problems)
    if len(problems.problems) > count:
        return None
    upstream = Upstream(
        name=fields["name"],
        url=fields["url"].rstrip("/"),
        models=MappingProxyType(dict(models)),
        api_key_secret=fields.get("api_key_secret"),
        header_secrets=MappingProxyType({key.lower(): value for key, value in headers.items()}),
        costs=costs,
        priority=fields.get("priority", DEFAULT_PRIORITY),
        concurrency=fields.get("concurrency"),
    )
    return ParsedUpstream(upstream, file)


def _url_problem(url: str, has_secrets: bool) -> str | None:
    """Return what is wrong with the URL of an upstream, or None."""
    try:
        parts = urlsplit(url)
        is_usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no port
        return "is not a URL."
    if parts.scheme not in ("http", "https") or not is_usable or any(map(str.isspace, url)):
        return "must be a URL such as https://api.example.com/v1."
    if parts.query or parts.fragment:
        return "must not have a query or fragment."
    if parts.username is not None or parts.password is not None:
        return "must not hold credentials. Name a secret in `api_key_secret`."
    if parts.scheme == "http" and has_secrets and not _is_private(parts.hostname or ""):
        return "must begin with https:// because secrets are sent to it."
    return None


def _is_private(host: str) -> bool:
    """Return whether a host is this machine or a private address."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def _check_secrets(fields: Mapping[str, Any], file: str, label: str, problems: ProblemList) -> None:
    """Report invalid names of secrets and headers that the gateway sets itself."""
    secrets = {f"headers.{header}": name for header, name in fields.get("headers", {}).items()}
    if "api_key_secret" in fields:
        secrets["api_key_secret"] = fields["api_key_secret"]
    for field, name in secrets.items():
        if not is_secret_name(name):
            text = (
                "must be the name of a secret, not its value: lower-case letters, digits and "
                "underscores, not `key`."
            )
            problems.add(file, text, label, field)
    for header in fields.get("headers", {}):
        if _HEADER.fullmatch(header) is None or header.lower() in _OWN_HEADERS:
            text = "is not a header that an upstream can be given."
            problems.add(file, text, label, f"headers.{header}")


def _check_upstream_models(
    models: Mapping[str, str], file: str, label: str, problems: ProblemList
) -> None:
    """Report a missing or invalid name of a model on the upstream."""
    for model, name in models.items():
        if not 0 < len(name) <= _MAX_UPSTREAM_NAME or not name.isprintable():
            text = f"must be the model's name on the server, 1 to {_MAX_UPSTREAM_NAME} characters."
            problems.add(file, text, label, f"models.{model}")


def _parse_costs(
    costs: Mapping[str, Any],
    models: Mapping[str, str],
    file: str,
    label: str,
    problems: ProblemList,
) -> Mapping[str, Prices]:
    """Return the cost prices of an upstream by model."""
    parsed: dict[str, Prices] = {}
    for model, meters in costs.items():
        if model not in models:
            text = f"is for a model that the upstream does not serve. {advice(model, models)}"
            problems.add(file, text, label, f"cost.{model}")
        elif not isinstance(meters, dict):
            problems.add(file, "must be a table of meters.", label, f"cost.{model}")
        else:
            parsed[model] = parse_prices(meters, file, label, f"cost.{model}", problems)
    return MappingProxyType(parsed)
