"""Find the specialists that a request may call, and read its text for their inputs.

Only models that the key may call are found, whatever the text, a document or a tool's result says.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from gateway.call.errors import ParameterInvalid, WrongEndpoint
from gateway.call.hosted_tools import HostedTools
from gateway.call.values import ParsedRequest, Principal, ResolvedModel
from gateway.collaboration.helpers import Helper, HelperKind
from gateway.collaboration.plan import Question
from gateway.collaboration.tools import MAX_TOOLS, SpecialistTool, rank_tools
from gateway.inference.asset_inputs import AssetInputs
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.hosted_tools.assets import AskedAsset, AssetReader, without_empty
from gateway.inference.hosted_tools.helpers import (
    AskedModel,
    HelperFinder,
    require_priced,
)
from gateway.inference.hosted_tools.recognition import recognise
from gateway.inference.model_selection import ModelSelector
from gateway.inference.parsing import Parser
from gateway.upstream.availability import Availability
from gateway.upstream.signatures import Signatures
from gateway.wire.hosted_tools.choice import unknown_function
from gateway.wire.hosted_tools.steps import user_texts
from infra.errors import AppError
from models.arguments import Extraction, extract
from models.catalog import SPECIALIST_TASKS, Catalog, Task
from models.languages import language_of

# Own models whose signatures are read for a request that names no models.
_MAX_OWN_MODELS = 32
# A longer text takes the extractor more time than other calls may wait.
_MAX_TEXT_IN_LOOP = 16_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A specialist that may be called: the tool, and the model behind it."""

    tool: SpecialistTool
    resolved: ResolvedModel


@dataclass(frozen=True, slots=True)
class ReadQuestion:
    """A question with what was read for its tools, and the model behind each tool.

    `models` are other language models that may be asked; with `can_search`, the documents of
    `file_search` may be searched again. `asset` is the asset that the text names.
    """

    question: Question
    resolved: Mapping[str, ResolvedModel]
    models: tuple[AskedModel, ...] = ()
    can_search: bool = False
    asset: AskedAsset | None = None

    @property
    def has_new_inputs(self) -> bool:
        """Return whether the newest message states an input, or names an asset that has some."""
        if self.question.has_new_readings:
            return True
        return self.asset is not None and self.asset.gives_inputs

    @property
    def helpers(self) -> tuple[Helper, ...]:
        """Return what the language model may ask beside specialists."""
        models = tuple(one.helper for one in self.models)
        return (Helper(HelperKind.SEARCH), *models) if self.can_search else models

    def require_tools(self) -> None:
        """Raise ParameterInvalid if there is nothing to call or to ask but the documents."""
        if not self.question.tools and not self.models:
            raise ParameterInvalid(
                "There is no specialist that this API key may call now.", param="tools"
            )


class SpecialistTools:
    """Finds specialists and reads questions, for one gateway process."""

    def __init__(
        self,
        catalog: Catalog,
        parser: Parser,
        availability: Availability,
        signatures: Signatures,
        selector: ModelSelector,
        asset_inputs: AssetInputs,
    ) -> None:
        self._assets = AssetReader(asset_inputs)
        self._catalog = catalog
        self._parser = parser
        self._availability = availability
        self._signatures = signatures
        self._selector = selector
        self._helpers = HelperFinder(parser)

    async def read(
        self, principal: Principal, request: ParsedRequest, hosted: HostedTools
    ) -> ReadQuestion:
        """Return the question of a chat, with its tools ranked and what its text states.

        Raises ModelNotFound, ModelNotInstalled, ModelNotAllowed, ModelNotPriced and WrongEndpoint
        for a model that the request names, PlantNodeNotFound for an asset that its tool names, and
        ParameterInvalid for a function of its `tool_choice` that no tool has.
        """
        texts = user_texts(request)
        newest = texts[-1] if texts else ""
        prediction = self._selector.predict_task(newest)
        asks_now = prediction.specialist_task is not None or len(texts) < 2
        if not asks_now:
            prediction = self._selector.predict_task("\n".join(texts))  # an answer to a question
        linked = await self._assets.link(principal, texts, hosted)
        models = self._helpers.find_models(principal, hosted)
        asked = {one.helper.model for one in models}
        names = tuple(name for name in hosted.models if name not in asked)
        if not hosted.models:
            names = self._names_for(principal)
        own: frozenset[str] = frozenset()
        if linked is not None and not hosted.is_requested:
            own = frozenset(self._own_names(principal)) - set(names)
            names = (*names, *sorted(own))
        is_named = bool(hosted.models) and hosted.is_requested
        found = await asyncio.gather(
            *(self._candidate(principal, name, is_named) for name in names)
        )
        candidates = {one.tool.model: one for one in found if one is not None}
        if hosted.function is not None:
            candidates, models = _with_function(hosted.function, candidates, models)
        tools = rank_tools(
            [one.tool for one in candidates.values()], prediction.confidences, newest, MAX_TOOLS
        )
        extractions = await _extract_all(texts, tools)
        question = Question(
            texts, language_of(newest), tools, extractions, frozenset(), asks_now=asks_now
        )
        question = recognise(question, prediction, self._selector.predict_task)
        asset = None
        if linked is not None:
            question, asset = await self._assets.add(principal, question, linked)
            question = without_empty(question, own)
            asks_now = asks_now or asset.gives_inputs
            question = replace(question, asks_now=asks_now)
        resolved = {tool.model: candidates[tool.model].resolved for tool in tools}
        can_search = request.retrieval is not None and hosted.function is None
        return ReadQuestion(question, resolved, models, can_search, asset)

    def _names_for(self, principal: Principal) -> tuple[str, ...]:
        """Return the specialists that a key may call: catalog models, and the account's own."""
        shared = (
            model.id
            for model in self._catalog.models.values()
            if model.task in SPECIALIST_TASKS
            and model.task is not Task.IMAGE_CLASSIFICATION
            and not model.weights.needs_fitting
            and model.id in principal.model_prices
            and self._availability.is_served(model)
        )
        return (*shared, *self._own_names(principal))

    def _own_names(self, principal: Principal) -> tuple[str, ...]:
        """Return the account's own specialists that the key may call."""
        own = (
            name
            for name, variant in principal.variants.items()
            if (base := self._catalog.find(variant.base_model_id)) is not None
            and base.task in SPECIALIST_TASKS
            and base.id in principal.model_prices
        )
        return tuple(own)[:_MAX_OWN_MODELS]

    async def _candidate(self, principal: Principal, name: str, is_named: bool) -> Candidate | None:
        """Return a specialist with its signature, None if its server does not tell it.

        Raises the errors of the model's name if the request names it.
        """
        try:
            resolved = self._parser.resolve_model_of_field(name, PREDICTIONS, principal, "tools")
            _require_callable(principal, resolved, name)
        except AppError:
            if is_named:
                raise
            return None
        signature = await self._signatures.find(resolved, principal.account_id)
        if signature is None:
            return None
        model = resolved.model
        is_own = resolved.public_name in principal.variants
        version = signature.version if resolved.version is None else str(resolved.version)
        tool = SpecialistTool(
            model=resolved.public_name,
            description=model.description,
            signature=signature,
            version=version,
            task=None
            if model.route is None or (is_own and not model.route.inputs)
            else model.route.task,
        )
        return Candidate(tool, resolved)


def _with_function(
    name: str, candidates: Mapping[str, Candidate], models: tuple[AskedModel, ...]
) -> tuple[dict[str, Candidate], tuple[AskedModel, ...]]:
    """Return the specialist or language model with a function. Raises ParameterInvalid."""
    named = {model: one for model, one in candidates.items() if one.tool.name == name}
    asked = tuple(one for one in models if one.helper.name == name and not named)
    if not named and not asked:
        raise unknown_function(name)
    return named, asked


async def _extract_all(
    texts: tuple[str, ...], tools: tuple[SpecialistTool, ...]
) -> dict[str, Extraction]:
    """Return what the texts state for each tool; long texts are read in a thread."""
    work = partial(_extract_each, texts, tools)
    if sum(len(text) for text in texts) * max(1, len(tools)) <= _MAX_TEXT_IN_LOOP:
        return work()
    return await asyncio.to_thread(work)


def _extract_each(
    texts: tuple[str, ...], tools: tuple[SpecialistTool, ...]
) -> dict[str, Extraction]:
    """Return what the texts state for each tool, by model."""
    return {tool.model: extract(texts, tool.fields) for tool in tools}


def _require_callable(principal: Principal, resolved: ResolvedModel, name: str) -> None:
    """Raise ModelNotAllowed, ModelNotPriced or WrongEndpoint for a model that cannot be called."""
    model = resolved.model
    is_own = resolved.public_name in principal.variants
    if model.weights.needs_fitting and not is_own:
        raise WrongEndpoint(
            f"The model {name[:100]!r} answers only after you have trained your own.",
            param="tools",
        )
    require_priced(principal, resolved, name)
