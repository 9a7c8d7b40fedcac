"""Warnings about operators' catalog files, and what they change of the built-in catalog."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from models.catalog.entries import EXTERNAL, Meter, Model, Prices, Task
from models.catalog.loading import CatalogContents
from models.catalog.upstreams import OWN_SERVERS, Upstream

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class CatalogWarning:
    """Something in valid catalog files that is probably not intended."""

    entry: str
    message: str


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """A difference from the built-in catalog; `before` is None for a new entry."""

    entry: str
    field: str
    before: Any
    after: Any


def list_warnings(
    contents: CatalogContents, secrets: Collection[str], has_other_servers: bool
) -> list[CatalogWarning]:
    """Return the warnings about catalog files.

    `secrets` are the names of secrets that are set. `has_other_servers` is True if MAAS_SERVING_URL
    names servers, which may serve models without weights.
    """
    served = {model for upstream in contents.upstreams for model in upstream.models}
    warnings = [*_secret_warnings(contents.upstreams, secrets)]
    for model in contents.models:
        label = f"the model {model.id!r}"
        if model.weights.kind == EXTERNAL and model.id not in served and not has_other_servers:
            warnings.append(CatalogWarning(label, "No upstream serves it, so it is not offered."))
        if model.task is Task.TEXT_GENERATION and model.context_length is None:
            text = "`context_length` is not set: calls without max_tokens reserve 1,048,576 tokens."
            warnings.append(CatalogWarning(label, text))
        for place, cost in _costs_by_upstream(model, contents.upstreams):
            texts = _price_warnings(model.prices, cost)
            warnings += (CatalogWarning(f"{label} on {place}", text) for text in texts)
    # Entries of one model for several profiles have the same prices.
    return list(dict.fromkeys(warnings))


def _costs_by_upstream(
    model: Model, upstreams: Collection[Upstream]
) -> Iterator[tuple[str, Prices]]:
    """Yield what a model costs on own servers and on each upstream, where that is known."""
    if model.cost:
        yield OWN_SERVERS, model.cost
    for upstream in upstreams:
        if model.id in upstream.costs:
            yield f"the upstream {upstream.name!r}", upstream.costs[model.id]


def _price_warnings(prices: Prices, cost: Prices) -> Iterator[str]:
    """Yield each meter whose list price is below its cost, or whose cost is not known."""
    for currency, row in prices.items():
        costs = cost.get(currency)
        if costs is None:
            yield f"There is no cost in {currency}: the margin of calls in {currency} is unknown."
            continue
        for meter in sorted({*row, *costs}):
            price, paid = _effective(row, meter), _effective(costs, meter)
            if paid is None:
                yield f"There is no cost of {meter} in {currency}: the margin is unknown."
            elif (price or 0) < paid:
                yield (
                    f"The list price of 1,000,000 {meter} is {currency} "
                    f"{_per_million(price or 0)}, below the cost of {currency} "
                    f"{_per_million(paid)}."
                )


def _effective(row: Mapping[str, int], meter: str) -> int | None:
    """Return the price of a meter; cached input tokens without one cost as much as others."""
    if meter == Meter.CACHED_INPUT_TOKENS and meter not in row:
        return row.get(Meter.INPUT_TOKENS)
    return row.get(meter)


def _per_million(nano: int) -> str:
    """Return the price of a million units, of which one costs this many nano-units."""
    return f"{Decimal(nano) / 1_000:f}"


def _secret_warnings(
    upstreams: Collection[Upstream], secrets: Collection[str]
) -> Iterator[CatalogWarning]:
    """Yield secrets that are missing, that no upstream uses, or that are sent without TLS."""
    for upstream in upstreams:
        label = f"the upstream {upstream.name!r}"
        for name in sorted(upstream.secret_names - set(secrets)):
            text = (
                f"The secret `{name}` is not set here; gateways without it do not use the upstream."
            )
            yield CatalogWarning(label, text)
        if upstream.secret_names and not _is_protected(upstream.url):
            yield CatalogWarning(label, "Its secrets are sent without TLS.")
    used = {name for upstream in upstreams for name in upstream.secret_names}
    for name in sorted(set(secrets) - used):
        yield CatalogWarning(f"the secret `{name}`", "No upstream uses it.")


def _is_protected(url: str) -> bool:
    """Return whether requests to a URL are encrypted or do not leave this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def list_changes(built_in: CatalogContents, contents: CatalogContents) -> list[CatalogChange]:
    """Return what operators' files change of the built-in catalog."""
    before, after = _by_key(built_in.models), _by_key(contents.models)
    changes = [
        change
        for key, model in after.items()
        for change in _model_changes(_label(key, after), before.get(key), model)
    ]
    changes += [
        CatalogChange(_label(key, before), "", model.id, None)
        for key, model in before.items()
        if key not in after
    ]
    for kind, old, new in (
        ("alias", built_in.aliases, contents.aliases),
        ("retired", built_in.retired, contents.retired),
    ):
        changes += [
            CatalogChange(f"the {kind} {name!r}", "", old.get(name), target)
            for name, target in new.items()
            if old.get(name) != target
        ]
    changes += [
        CatalogChange(f"the upstream {upstream.name!r}", "", None, upstream.url)
        for upstream in contents.upstreams
    ]
    return changes


def _by_key(models: Collection[Model]) -> dict[_Key, Model]:
    """Return the models by id and number, as one id may have an entry per profile."""
    keyed: dict[_Key, Model] = {}
    for model in models:
        keyed[(model.id, sum(key[0] == model.id for key in keyed))] = model
    return keyed


def _label(key: _Key, models: Mapping[_Key, Model]) -> str:
    """Return how the report names an entry: by its profiles too, if its id has several entries."""
    profiles = ", ".join(models[key].profiles)
    return f"the model {key[0]!r}" + (f" ({profiles})" if (key[0], 1) in models else "")


def _model_changes(label: str, before: Model | None, after: Model) -> Iterator[CatalogChange]:
    """Yield the changed fields of a model; a new model is one change."""
    if before is None:
        yield CatalogChange(label, "", None, after.description)
        return
    for field in fields(Model):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        if field.name in ("prices", "cost"):
            yield from _price_changes(label, field.name, old, new)
        else:
            yield CatalogChange(label, field.name, _plain(old), _plain(new))


def _price_changes(label: str, field: str, old: Prices, new: Prices) -> Iterator[CatalogChange]:
    """Yield the changed prices, in nano-units, by currency and meter."""
    for currency in sorted({*old, *new}):
        before, after = old.get(currency, {}), new.get(currency, {})
        for meter in sorted({*before, *after}):
            if before.get(meter) != after.get(meter):
                place = f"{field}.{currency}.{meter}"
                yield CatalogChange(label, place, before.get(meter), after.get(meter))


def _plain(value: Any) -> Any:
    """Return a field's value as JSON can show it."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else repr(value)
