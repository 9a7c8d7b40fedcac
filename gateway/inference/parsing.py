"""Parse request bodies and resolve the model that answers: by name, by version or selected."""

import re
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from gateway.call.errors import ModelNotFound, WrongEndpoint
from gateway.call.tags import VARIANT_TAG, VERSION_TAG, parse_tags
from gateway.call.values import (
    AccountVariant,
    Call,
    ModelSelection,
    Operation,
    ParsedRequest,
    Principal,
    ResolvedModel,
)
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.inference.endpoints.table import find_endpoint
from gateway.inference.model_selection import (
    ModelSelector,
    next_fallback,
    parse_fallback,
    parse_latency_budget,
)
from gateway.plant.questions.recognition import may_ask_plant, may_ask_value
from gateway.registry.variants import PREFIX as VARIANT_PREFIX
from gateway.registry.variants import parse_pinned_id
from gateway.upstream.availability import Availability, find_catalog_model, model_not_served
from gateway.wire.hosted_tools import offer_plant_graph, offer_specialist
from gateway.wire.hosted_tools.steps import user_texts
from infra import ids
from infra.errors import AppError
from models.catalog import AUTO, Catalog, Model, Task

# More would make an error unreadable.
_MAX_NAMED_MODELS = 6
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}")


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
        if call.service_tier is not None:
            request = replace(request, service_tier=call.service_tier)
        return request if tags is None else replace(request, tags={**tags, **(request.tags or {})})

    def require_fallback(
        self, call: Call, body: bytes, principal: Principal, request: ParsedRequest, error: AppError
    ) -> ParsedRequest:
        """Return the request for the next fallback model. Raises the error if none is left."""
        fallback = self.fallback_request(call, body, principal, request)
        if fallback is None:
            raise error
        return fallback

    def fallback_request(
        self, call: Call, body: bytes, principal: Principal, request: ParsedRequest
    ) -> ParsedRequest | None:
        """Return the same request for the next fallback model, or None if there is none left."""
        selection = None if request.selection is None else next_fallback(request.selection)
        if selection is None:
            return None
        decoded = find_endpoint(call.operation).decode(call, body, principal)
        fallback = decoded.for_model(_resolve_shared_model(selection.model, principal))
        return replace(
            fallback,
            tags=request.tags,
            selection=selection,
            retrieval=None,  # the passages are in the body already
            citations=request.citations,
        )

    def _parse_untagged(self, call: Call, body: bytes, principal: Principal) -> ParsedRequest:
        """Parse a request without the tags of its X-Maas-Tags header, which `parse` adds."""
        endpoint = find_endpoint(call.operation)
        decoded = endpoint.decode(call, body, principal)
        if endpoint.is_job:
            model = self._find_served_model(decoded.name, endpoint)
            return decoded.for_model(ResolvedModel(model, model.id, model.id))
        selection = self._select(call, endpoint, decoded, principal)
        if selection is not None:
            selection = self._require_served_selection(selection)
            resolved = _resolve_shared_model(selection.model, principal)
            request = replace(decoded.for_model(resolved), selection=selection)
            is_chat = endpoint.operation is Operation.CHAT or endpoint.wire_format is not None
            if not is_chat or decoded.name != AUTO:
                return request
            if request.retrieval is not None:  # answered from the files that are named
                return request
            if selection.suggested_model_id is None:
                return _offer_graph(request, call, may_ask_plant)
            return offer_specialist(request, selection.suggested_model_id, call.headers)
        resolved = self.resolve_model(decoded.name, decoded.version, endpoint, principal)
        request = decoded.for_model(resolved)
        is_assistant = resolved.model.assistant is not None
        if is_assistant and endpoint.operation is Operation.CHAT:
            request = _offer_graph(request, call, may_ask_value)
        if resolved.public_name not in principal.variants:
            return request
        return replace(request, tags=variant_tags(resolved))

    def _select(
        self, call: Call, endpoint: Endpoint, decoded: DecodedRequest, principal: Principal
    ) -> ModelSelection | None:
        """Select the model for `auto`, or the fallbacks of a named model.

        Returns None if the request names a model without fallbacks.
        """
        is_fallback_allowed = parse_fallback(call.headers)
        if decoded.name == AUTO:
            if decoded.criteria is None or endpoint.select_model is None:
                raise WrongEndpoint(
                    "`auto` is not supported at this endpoint. Set `model` to a model id.",
                    param="model",
                )
            criteria = replace(decoded.criteria, budget_ms=parse_latency_budget(call.headers))
            selection = endpoint.select_model(self._selector, criteria)
            return replace(selection, fallbacks=()) if is_fallback_allowed is False else selection
        if (
            not is_fallback_allowed
            or decoded.version is not None
            or decoded.name in principal.variants
        ):
            return None
        model = self._find_model(decoded.name, endpoint)
        return self._selector.select_by_name(model, principal.model_prices, decoded.needs_reasoning)

    def resolve_model(
        self,
        name: str,
        version: str | None,
        endpoint: Endpoint,
        principal: Principal,
    ) -> ResolvedModel:
        """Return the catalog model, fine-tuned variant or version that answers to a model name.

        Raises ModelNotFound, ModelNotInstalled, WrongEndpoint.
        """
        variant = principal.variants.get(name)
        if variant is None and version is None:
            pinned_version = parse_pinned_id(name, principal.variants)
            if pinned_version is not None:
                return self.resolve_model(*pinned_version, endpoint, principal)
        if variant is None:
            model = self._find_served_model(name, endpoint)
            if version is None:
                return _resolve_shared_model(model, principal)
            # The version becomes part of the upstream URL.
            if not _VERSION.fullmatch(version):
                raise _version_not_found(name)
            return ResolvedModel(model, f"{model.id}/versions/{version}", model.id)
        return resolve_variant(
            self._find_served_model(variant.base_model_id, endpoint), name, variant, version
        )

    def resolve_model_of_field(
        self, name: str, endpoint: Endpoint, principal: Principal, param: str
    ) -> ResolvedModel:
        """Return the model that a field other than `model` names.

        Raises as `resolve_model`, for that field.
        """
        try:
            return self.resolve_model(name, None, endpoint, principal)
        except AppError as error:
            error.param = param
            raise

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

    def _find_served_model(self, name: str, endpoint: Endpoint) -> Model:
        """Return a served model. Raises ModelNotFound, ModelNotInstalled, WrongEndpoint."""
        model = self._find_model(name, endpoint)
        self._availability.require_served(model)
        return model

    def _find_model(self, name: str, endpoint: Endpoint) -> Model:
        """Return a model that the endpoint serves. Raises ModelNotFound, WrongEndpoint."""
        try:
            model = find_catalog_model(self._catalog, name)
        except ModelNotFound as error:
            raise self._with_served_models(error, endpoint) from None
        if model.task not in endpoint.tasks:
            raise WrongEndpoint(
                f"The model {model.id!r} is for {model.task} and not available at this endpoint.",
                param="model",
            )
        return model

    def _with_served_models(self, error: ModelNotFound, endpoint: Endpoint) -> ModelNotFound:
        """Return the error with the models of the endpoint, if they are few."""
        names = [
            model.id
            for model in self._catalog.models.values()
            if model.task in endpoint.tasks and self._availability.is_served(model)
        ]
        if not 0 < len(names) <= _MAX_NAMED_MODELS:
            return error
        return ModelNotFound(
            f"{error.message} This endpoint serves {', '.join(names)}.", param=error.param
        )


def _resolve_shared_model(model: Model, principal: Principal) -> ResolvedModel:
    """Return the catalog model, or the promoted version that replaces it."""
    version = principal.promoted_versions.get(model.id)
    upstream_name = model.id if version is None else _variant_upstream_name(model, version)
    return ResolvedModel(model, upstream_name, model.id, version)


def resolve_variant(
    model: Model, name: str, variant: AccountVariant, version: str | None
) -> ResolvedModel:
    """Return a version of a fine-tuned model, by default the current one. Raises ModelNotFound."""
    number = variant.current_version if version is None else _parse_version_number(version)
    version_id = variant.versions.get(number)
    if version_id is None:
        raise _version_not_found(name)
    upstream_name = _variant_upstream_name(model, version_id)
    return ResolvedModel(model, upstream_name, name, version_id, number)


def variant_tags(resolved: ResolvedModel) -> dict[str, str]:
    """Return the tags that name the variant which responds, and its version."""
    tags = {VARIANT_TAG: resolved.public_name}
    if resolved.version is not None:
        tags[VERSION_TAG] = str(resolved.version)
    return tags


def _parse_version_number(version: str) -> int:
    """Return the version number, or -1, which no version has, if it is not a number."""
    return int(version) if version.isdecimal() and len(version) < 10 else -1


def _variant_upstream_name(model: Model, version_id: UUID) -> str:
    """Return the name of a fine-tuned variant or shared-model version on its model server."""
    upstream_name = ids.format_id(VARIANT_PREFIX, version_id)
    # The text server splits this name at the colon.
    return (
        f"{model.engine_id}:{upstream_name}"
        if model.task is Task.TEXT_GENERATION
        else upstream_name
    )


def _version_not_found(name: str) -> ModelNotFound:
    """Return the error for a version that the model does not have."""
    return ModelNotFound(
        f"The model {name[:100]!r} has no such version. GET /v1/models lists the versions.",
        param="version",
    )


def _offer_graph(
    request: ParsedRequest, call: Call, may_ask: Callable[[str], bool]
) -> ParsedRequest:
    """Return a chat that may be answered from the plant graph, if its words may ask for that."""
    texts = user_texts(request) if "messages" in request.request_fields else ()
    if not texts or not may_ask(texts[-1]):
        return request
    return offer_plant_graph(request, call.headers)
