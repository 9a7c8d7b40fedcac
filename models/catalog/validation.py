"""Check what catalog entries say about each other: fallbacks, bases, aliases and upstreams."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.catalog.entries import AUTO, EXTERNAL, ON_BASE, Model, Route, Task
from models.catalog.files import CatalogFile
from models.catalog.parsing import ParsedModel, ParsedUpstream
from models.catalog.problems import ProblemList, advice

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
# Tasks of OpenAI's API and of rerankers, which upstreams speak.
UPSTREAM_TASKS = frozenset({Task.TEXT_GENERATION, Task.EMBEDDING, Task.RERANK, Task.MODERATION})
ModelsById = Mapping[str, Sequence[Model]]


def group_by_id(models: Sequence[ParsedModel]) -> ModelsById:
    """Return the models of all profiles by id: several if profiles have entries of their own."""
    grouped: dict[str, list[Model]] = {}
    for parsed in models:
        grouped.setdefault(parsed.model.id, []).append(parsed.model)
    return grouped


def check_models(models: Sequence[ParsedModel], problems: ProblemList) -> None:
    """Report models that contradict others: of the same id, their fallbacks or their base."""
    by_id = group_by_id(models)
    for parsed in models:
        first = by_id[parsed.model.id][0]
        if (first.task, first.prices) != (parsed.model.task, parsed.model.prices):
            text = "must have the same task and prices in all profiles."
            problems.add(parsed.file, text, parsed.label)
        _check_fallbacks(parsed, by_id, problems)
        _check_base(parsed, by_id, problems)
        _check_reasoning(parsed, by_id, problems)
        if parsed.model.weights.kind == EXTERNAL:
            _check_external(parsed, problems)


def _check_fallbacks(parsed: ParsedModel, by_id: ModelsById, problems: ProblemList) -> None:
    """Report fallbacks that do not accept the same requests."""
    for name in parsed.model.fallbacks:
        accepts = any(_accept_same_requests(parsed.model, other) for other in by_id.get(name, ()))
        if name == parsed.model.id or not accepts:
            text = f"{name!r} is not another model that accepts the same requests."
            problems.add(parsed.file, text, parsed.label, "fallbacks")


def _accept_same_requests(model: Model, other: Model) -> bool:
    """Return whether two models have the same task and the same columns."""
    no_route = Route()
    route, other_route = (entry.route or no_route for entry in (model, other))
    has_same_columns = (route.inputs, route.optional) == (other_route.inputs, other_route.optional)
    return model.task is other.task and has_same_columns


def _check_base(parsed: ParsedModel, by_id: ModelsById, problems: ProblemList) -> None:
    """Report a model whose base, engine settings or profiles are invalid."""
    model = parsed.model
    if (model.base is None) != (model.weights.kind not in ON_BASE):
        text = "weights of the kind `adapter` or `base` need a base, and only they can have one."
        problems.add(parsed.file, text, parsed.label, "base")
        return
    if model.base is None:
        return
    bases = [
        base
        for base in by_id.get(model.base, ())
        if base.task is Task.TEXT_GENERATION and base.base is None
    ]
    if not bases:
        text = f"is {model.base!r}, which is not a text model with its own engine."
        problems.add(parsed.file, text, parsed.label, "base")
        return
    base_profiles = {profile for base in bases for profile in base.profiles}
    if model.engine or model.concurrency or not set(model.profiles) <= base_profiles:
        text = (
            f"runs on the engine of {model.base!r} and must not set engine, concurrency or "
            "profiles."
        )
        problems.add(parsed.file, text, parsed.label)


def _check_reasoning(parsed: ParsedModel, by_id: ModelsById, problems: ProblemList) -> None:
    """Report a model that may reason on an engine that does not report reasoning.

    Without a parser its thoughts would be a part of the answer.
    """
    model = parsed.model
    if not model.reasoning or model.weights.kind == EXTERNAL:
        return
    bases = by_id.get(model.base or "", ())
    sharing = [base for base in bases if not set(base.profiles).isdisjoint(model.profiles)]
    engines = [model] if model.base is None else sharing
    parsers = [engine.engine.get("reasoning_parser") for engine in engines]
    if model.task is not Task.TEXT_GENERATION or not all(parsers):
        text = "is only allowed for a text model whose engine sets `reasoning_parser`."
        problems.add(parsed.file, text, parsed.label, "reasoning")


def _check_external(parsed: ParsedModel, problems: ProblemList) -> None:
    """Report fields of a model without weights that only own servers can fulfil."""
    model = parsed.model
    if model.task not in UPSTREAM_TASKS:
        allowed = ", ".join(sorted(UPSTREAM_TASKS))
        text = f"is missing. Only models with these tasks need none: {allowed}."
        problems.add(parsed.file, text, parsed.label, "weights")
    for name in ("adapter", "retrieval", "engine", "concurrency"):
        if getattr(model, name):
            text = "is only allowed with `weights`, for own servers."
            problems.add(parsed.file, text, parsed.label, name)


def merge_retired(
    files: Sequence[CatalogFile], by_id: ModelsById, problems: ProblemList
) -> Mapping[str, str]:
    """Return the replacing model's id by retired model id; report invalid ones.

    A replacement is a model of the catalog, of any profile; a retired id is not.
    """
    retired: dict[str, str] = {}
    for file in files:
        for name, replacement in file.retired.items():
            if name in by_id or replacement not in by_id:
                text = (
                    f"retires {name!r} in favour of {replacement!r}: the first must not be a model "
                    "of the catalog, the second must be one."
                )
                problems.add(file.name, text, "", f"retired.{name}")
            retired[name] = replacement
    return MappingProxyType(retired)


def merge_aliases(
    files: Sequence[CatalogFile],
    by_id: ModelsById,
    retired: Mapping[str, str],
    problems: ProblemList,
) -> Mapping[str, str]:
    """Return the id of the model that answers by alias; report aliases that lead to no model."""
    targets: dict[str, tuple[str, str]] = {}
    for file in files:
        for name, target in file.aliases.items():
            reason = _alias_problem(name, by_id, retired, targets)
            if reason is not None:
                problems.add(file.name, reason, "", f"aliases.{name}")
            targets.setdefault(name, (target, file.name))
    aliases: dict[str, str] = {}
    for name, (target, file_name) in targets.items():
        resolved = _resolve_alias(name, targets, by_id)
        if resolved is None:
            text = (
                "leads back to itself."
                if _is_cycle(name, targets)
                else f"names no model. {advice(target, by_id)}"
            )
            problems.add(file_name, text, "", f"aliases.{name}")
        else:
            aliases[name] = resolved
    return MappingProxyType(aliases)


def _alias_problem(
    name: str,
    by_id: ModelsById,
    retired: Mapping[str, str],
    targets: Mapping[str, tuple[str, str]],
) -> str | None:
    """Return why a text cannot be an alias, or None."""
    if name in by_id or name in retired or name == AUTO:
        return "is already the id of a model, which an alias cannot replace."
    if name in targets:
        return f"is defined in {targets[name][1]} too."
    if _ALIAS.fullmatch(name) is None:
        return "must be letters, digits, dots, hyphens, slashes and underscores, at most 100."
    return None


def _resolve_alias(
    name: str, targets: Mapping[str, tuple[str, str]], by_id: ModelsById
) -> str | None:
    """Return the model's id to which an alias leads, also by other aliases, or None."""
    visited: set[str] = set()
    while name in targets and name not in visited:
        visited.add(name)
        name = targets[name][0]
    return name if name in by_id else None


def _is_cycle(name: str, targets: Mapping[str, tuple[str, str]]) -> bool:
    """Return whether following an alias leads to an alias that was followed before."""
    visited: set[str] = set()
    while name in targets:
        if name in visited:
            return True
        visited.add(name)
        name = targets[name][0]
    return False


def check_upstreams(
    upstreams: Sequence[ParsedUpstream], by_id: ModelsById, problems: ProblemList
) -> None:
    """Report upstreams for models that the catalog lacks or that upstreams cannot serve."""
    for parsed in upstreams:
        for name in parsed.upstream.models:
            field = f"models.{name}"
            if name not in by_id:
                text = f"is not a model of the catalog. {advice(name, by_id)}"
                problems.add(parsed.file, text, parsed.label, field)
            elif by_id[name][0].task not in UPSTREAM_TASKS:
                text = f"has the task {by_id[name][0].task}, which upstreams do not serve."
                problems.add(parsed.file, text, parsed.label, field)
