"""Parse request bodies and resolve the model that answers: by name, by version or selected."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.errors import EndpointUnsupported, ModelNotFound, WrongEndpoint
from gateway.call.tags import VARIANT_TAG, parse_tags
from gateway.call.values import (
    AccountVariant,
    Call,
    ModelSelection,
    Operation,
    ParsedRequest,
    Principal,
    ResolvedModel,
)
from gateway.inference.model_selection import (
    BYTES_PER_TOKEN,
    EXPECTED_OUTPUT_TOKENS,
    ModelSelector,
    SelectionCriteria,
    next_fallback,
    parse_fallback,
    parse_latency_budget,
)
from gateway.registry.variants import PREFIX as VARIANT_PREFIX
from gateway.registry.variants import parse_pinned_id
from gateway.upstream.availability import Availability, find_catalog_model, model_not_served
from gateway.wire import fine_tuning, inference, openai, requests
from infra import ids
from models.catalog import AUTO, SPECIALIST_TASKS, Catalog, Model, Task

_TASKS_BY_OPERATION: Mapping[Operation, frozenset[Task]] = {
    Operation.CHAT: frozenset({Task.TEXT_GENERATION}),
    Operation.TEXT_COMPLETION: frozenset({Task.TEXT_GENERATION}),
    Operation.EMBEDDINGS: frozenset({Task.EMBEDDING}),
    Operation.PREDICTIONS: SPECIALIST_TASKS,
    Operation.INFER: SPECIALIST_TASKS,
    Operation.ADAPTATION: SPECIALIST_TASKS | {Task.TEXT_GENERATION},
}

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}")


@dataclass(frozen=True, slots=True)
class _DecodedRequest:
    """A decoded request whose model is not resolved yet.

    `for_model` returns the parsed request for a model. `criteria` select the model for `auto`; None
    if the endpoint does not support `auto`.
    """

    name: str
    for_model: Callable[[ResolvedModel], ParsedRequest]
    version: str | None = None
    criteria: SelectionCriteria | None = None


class Parser:
    """Parses requests for the served models of one catalog."""

    def __init__(
        self, catalog: Catalog, selector: ModelSelector, availability: Availability
    ) -> None:
        self.catalog = self._catalog = catalog
        self._selector = selector
        self._availability = availability

    def parse(self, call: Call, body: bytes, principal: Principal) -> ParsedRequest:
        """Parse a request to a catalog model or one of the account's variants.

        Raises BodyNotJson, ParameterInvalid, ModelNotFound, ModelNotInstalled, WrongEndpoint,
        EndpointUnsupported, and ModelNotPriced if the model must be selected.
        """
        tags, request = parse_tags(call.headers), self._parse_untagged(call, body, principal)
        return request if tags is None else replace(request, tags={**tags, **(request.tags or {})})

    def fallback_request(
        self, call: Call, body: bytes, principal: Principal, request: ParsedRequest
    ) -> ParsedRequest | None:
        """Return the same request for the next fallback model. Returns None if there is none."""
        selection = None if request.selection is None else next_fallback(request.selection)
        if selection is None:
            return None
        fallback = _decode(call, body, principal).for_model(
            _resolve_shared_model(selection.model, principal)
        )
        return replace(
            fallback, tags=request.tags, selection=selection, citations=request.citations
        )

    def _parse_untagged(self, call: Call, body: bytes, principal: Principal) -> ParsedRequest:
        """Parse a request without its X-Maas-Tags header."""
        match call.operation:
            case Operation.ADAPTATION:
                job = fine_tuning.parse_job_request(body)
                return fine_tuning.build_fine_tuning_request(
                    self._find_served_model(job.model, call.operation), b""
                )
            case Operation.UNSUPPORTED:
                raise EndpointUnsupported(
                    "This service has no such address. /docs lists what it has."
                )
            case _:
                decoded = _decode(call, body, principal)
                selection = self._select(call, decoded, principal)
                if selection is not None:
                    selection = self._require_served_selection(selection)
                    resolved = _resolve_shared_model(selection.model, principal)
                    return replace(decoded.for_model(resolved), selection=selection)
                resolved = self.resolve_model(
                    decoded.name, decoded.version, call.operation, principal
                )
                request = decoded.for_model(resolved)
                if resolved.public_name not in principal.variants:
                    return request
                return replace(request, tags={VARIANT_TAG: resolved.public_name})

    def _select(
        self, call: Call, decoded: _DecodedRequest, principal: Principal
    ) -> ModelSelection | None:
        """Select the model for `auto`, or the fallbacks of a named model.

        Returns None if the request names a model without fallbacks.
        """
        is_fallback_allowed = parse_fallback(call.headers)
        if decoded.name == AUTO:
            if decoded.criteria is None:
                raise WrongEndpoint("Name the model: `auto` chooses none here.", param="model")
            criteria = replace(decoded.criteria, budget_ms=parse_latency_budget(call.headers))
            has_columns = call.operation is Operation.PREDICTIONS
            select = (
                self._selector.select_for_rows if has_columns else self._selector.select_for_text
            )
            selection = select(criteria)
            return replace(selection, fallbacks=()) if is_fallback_allowed is False else selection
        if (
            not is_fallback_allowed
            or decoded.version is not None
            or decoded.name in principal.variants
        ):
            return None
        return self._selector.select_by_name(
            self._find_model(decoded.name, call.operation), principal.model_prices
        )

    def resolve_model(
        self,
        name: str,
        version: str | None,
        operation: Operation,
        principal: Principal,
    ) -> ResolvedModel:
        """Return the model that answers to a name and version.

        Raises ModelNotFound, ModelNotInstalled, WrongEndpoint.
        """
        variant = principal.variants.get(name)
        if variant is None and version is None:
            pinned_version = parse_pinned_id(name, principal.variants)
            if pinned_version is not None:
                return self.resolve_model(*pinned_version, operation, principal)
        if variant is None:
            model = self._find_served_model(name, operation)
            if version is None:
                return _resolve_shared_model(model, principal)
            # The version becomes part of the upstream URL.
            if not _VERSION.fullmatch(version):
                raise _version_not_found(name)
            return ResolvedModel(model, f"{model.id}/versions/{version}", model.id)
        return resolve_variant(
            self._find_served_model(variant.base_model_id, operation), name, variant, version
        )

    def _require_served_selection(self, selection: ModelSelection) -> ModelSelection:
        """Return the selection, or its fallback if its model is not served.

        Raises ModelNotInstalled.
        """
        if self._availability.is_served(selection.model):
            return selection
        fallback = next_fallback(selection)
        if fallback is None:
            raise model_not_served(selection.model.id)
        return fallback

    def _find_served_model(self, name: str, operation: Operation) -> Model:
        """Raises ModelNotFound, ModelNotInstalled, WrongEndpoint."""
        model = self._find_model(name, operation)
        self._availability.require_served(model)
        return model

    def _find_model(self, name: str, operation: Operation) -> Model:
        """Return a model that supports the operation. Raises ModelNotFound, WrongEndpoint."""
        model = find_catalog_model(self._catalog, name)
        if model.task not in _TASKS_BY_OPERATION[operation]:
            raise WrongEndpoint(
                f"The model {model.id!r} is for {model.task}, which this endpoint does not do.",
                param="model",
            )
        return model


def _decode(call: Call, body: bytes, principal: Principal) -> _DecodedRequest:
    """Decode a body in the format of its endpoint. Raises BodyNotJson, ParameterInvalid."""
    match call.operation:
        case Operation.INFER:
            for_model = partial(inference.build_infer_request, body=body, headers=call.headers)
            return _DecodedRequest(call.model_in_path or "", for_model, call.version_in_path)
        case Operation.PREDICTIONS:
            prediction = inference.parse_prediction_request(body)
            public_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
            for_model = partial(inference.build_prediction_request, prediction, public_id=public_id)
            rows = prediction.instances
            columns = frozenset(rows[0])
            criteria = SelectionCriteria(
                principal.model_prices, prediction.task, columns, len(rows)
            )
            return _DecodedRequest(prediction.model, for_model, criteria=criteria)
        case _:
            request = openai.parse_openai_request(call.operation, body)

            def for_engine(resolved: ResolvedModel) -> ParsedRequest:
                return openai.build_openai_request(request, resolved, call.path, body)

            if request.model != AUTO:
                return _DecodedRequest(request.model, for_engine)
            return _DecodedRequest(
                request.model, for_engine, criteria=_text_criteria(request, body, principal)
            )


def _text_criteria(
    request: requests.GenerationRequest | requests.EmbeddingRequest,
    body: bytes,
    principal: Principal,
) -> SelectionCriteria | None:
    """Return the selection criteria of a text request. Returns None for embeddings."""
    if not isinstance(request, requests.GenerationRequest):
        return None
    return SelectionCriteria(
        principal.model_prices,
        openai.prompt_text(request),
        input_tokens=len(body) // BYTES_PER_TOKEN,
        output_tokens=openai.requested_max_tokens(request) or EXPECTED_OUTPUT_TOKENS,
    )


def _resolve_shared_model(model: Model, principal: Principal) -> ResolvedModel:
    """Return the catalog model, or the promoted version that replaces it."""
    version = principal.promoted_versions.get(model.id)
    upstream_name = model.id if version is None else _variant_upstream_name(model, version)
    return ResolvedModel(model, upstream_name, model.id, version)


def resolve_variant(
    model: Model, name: str, variant: AccountVariant, version: str | None
) -> ResolvedModel:
    """Return a version of a variant, by default the current one. Raises ModelNotFound."""
    number = variant.current_version if version is None else _parse_version_number(version)
    version_id = variant.versions.get(number)
    if version_id is None:
        raise _version_not_found(name)
    return ResolvedModel(model, _variant_upstream_name(model, version_id), name, version_id)


def _parse_version_number(version: str) -> int:
    """Return the version number, or -1, which no version has, if it is not a number."""
    return int(version) if version.isdecimal() and len(version) < 10 else -1


def _variant_upstream_name(model: Model, version_id: UUID) -> str:
    """Return the name of a variant or version on its model server."""
    upstream_name = ids.format_id(VARIANT_PREFIX, version_id)
    # The text server splits this name at the colon.
    return (
        f"{model.engine_id}:{upstream_name}"
        if model.task is Task.TEXT_GENERATION
        else upstream_name
    )


def _version_not_found(name: str) -> ModelNotFound:
    return ModelNotFound(f"The model {name[:100]!r} has no such version.", param="version")
