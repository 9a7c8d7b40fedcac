"""Choose the model of requests with model `auto`, and the fallback models of any request.

Language models are selected by latency budget, then by price; specialists by the columns of the
rows, then by the task of the text, then by budget and price. Selection calls no model.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from billing.rating.quantities import Quantities, rate
from gateway.call.errors import ModelNotFound, ModelNotPriced, ParameterInvalid
from gateway.call.values import ModelPrices, ModelSelection, Principal
from models.catalog import SPECIALIST_TASKS, Catalog, CatalogInvalid, Model, Route, Task
from models.catalog.problems import advice
from models.routing.classifier import RouteClassifier, TaskPrediction

LATENCY_HEADER = b"x-maas-latency-ms"
FALLBACK_HEADER = b"x-maas-fallback"
MAX_LATENCY_MS = 3_600_000
# Tokens are estimated from bytes, for every model alike: the estimate only compares prices.
BYTES_PER_TOKEN = 4
EXPECTED_OUTPUT_TOKENS = 256
_MAX_NEAREST = 3
_MAX_LISTED_NAMES = 4


IsServed = Callable[[Model], bool]
"""Returns whether a model is served now."""


def _always_served(_model: Model) -> bool:
    """Return True: the default of a selector without availability checks."""
    return True


@dataclass(frozen=True, slots=True)
class SelectionCriteria:
    """What a model is selected by: text, columns, latency budget and the account's prices.

    `input_tokens` and `output_tokens` are the expected consumption. `needs_reasoning` is True if
    the request asks the model to reason.
    """

    prices: Mapping[str, ModelPrices]
    text: str = ""
    columns: frozenset[str] = frozenset()
    rows: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    budget_ms: int | None = None
    needs_reasoning: bool = False

    def cost(self, model: Model) -> int:
        """Return the expected cost of the call with a model, in nano-units."""
        meter = "images" if model.counts_images else "rows"
        likely = Quantities(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            **{meter: self.rows},
        )
        return rate(likely, self.prices[model.id].prices)


class ModelSelector:
    """Selects among the models of one catalog that have a route and are served."""

    def __init__(
        self, catalog: Catalog, classifier: RouteClassifier, is_served: IsServed = _always_served
    ) -> None:
        """Raises CatalogInvalid if a route is for a task that the classifier does not know."""
        self._catalog = catalog
        self._is_served = is_served
        self._classifier = classifier
        self.check(catalog)

    def check(self, catalog: Catalog) -> None:
        """Raise CatalogInvalid if a route is for a task that the classifier does not know."""
        unknown_tasks = unknown_route_tasks(catalog, self._classifier)
        if unknown_tasks:
            raise CatalogInvalid(
                f"The catalog has a route for the unknown task {min(unknown_tasks)!r}. "
                f"{advice(min(unknown_tasks), self._classifier.tasks)}"
            )

    @property
    def _text_models(self) -> list[Model]:
        """Return the served language models among which `auto` may choose."""
        return [
            model
            for model in self._catalog.models.values()
            if model.route is not None
            and model.task is Task.TEXT_GENERATION
            and self._is_served(model)
        ]

    @property
    def _specialists(self) -> list[tuple[Model, Route]]:
        """Return the served specialists among which `auto` may choose, with their routing rules."""
        return [
            (model, model.route)
            for model in self._catalog.models.values()
            if model.route is not None and model.task in SPECIALIST_TASKS and self._is_served(model)
        ]

    def select_for_text(self, criteria: SelectionCriteria) -> ModelSelection:
        """Select the language model for a text, and suggest a specialist for its task.

        Raises ModelNotFound, ModelNotPriced.
        """
        confidences, specialists = self._classify(criteria)
        model, reason = _select_best(_able_to_reason(self._text_models, criteria), criteria)
        suggested_model_id = _select_best(specialists, criteria)[0].id if specialists else None
        return self._selection(
            model, _with_task(confidences, reason), criteria, confidences, suggested_model_id
        )

    def select_for_rows(self, criteria: SelectionCriteria) -> ModelSelection:
        """Select the specialist that accepts these columns; of several, by the task of the text.

        Raises ParameterInvalid, which names the closest models, and ModelNotPriced.
        """
        candidates = [entry for entry in self._specialists if entry[1].accepts(criteria.columns)]
        if not candidates:
            raise self._columns_error(criteria)
        confidences, _ = self._classify(criteria)
        matched_by, tasks = "columns", {route.task for _, route in candidates}
        if len(tasks) > 1 and confidences:
            task = next(task for task in confidences if task in tasks)
            candidates = [entry for entry in candidates if entry[1].task == task]
            matched_by = f"columns, then task {task}"
        model, reason = _select_best([model for model, _ in candidates], criteria)
        return self._selection(model, f"{matched_by}; {reason}", criteria, confidences)

    def select_for_moderation(self, criteria: SelectionCriteria) -> ModelSelection:
        """Select the first served moderation model of the catalog that the account has a price for.

        Raises ModelNotFound.
        """
        for model in self._catalog.with_task(Task.MODERATION):
            if model.id in criteria.prices and self._is_served(model):
                return self._selection(model, "the first moderation model", criteria, {})
        raise ModelNotFound("This deployment has no moderation model.", param="model")

    def select_for_any_endpoint(self, criteria: SelectionCriteria) -> ModelSelection:
        """Select a model before the endpoint is known: a specialist if one fits.

        Raises ModelNotFound, ModelNotPriced, ParameterInvalid.
        """
        if criteria.columns:
            return self.select_for_rows(criteria)
        confidences, specialists = self._classify(criteria)
        model, reason = _select_best(specialists or self._text_models, criteria)
        return self._selection(model, _with_task(confidences, reason), criteria, confidences)

    def select_by_name(
        self, model: Model, prices: Mapping[str, ModelPrices], needs_reasoning: bool = False
    ) -> ModelSelection:
        """Return the selection of a model requested by name, with its fallbacks."""
        criteria = SelectionCriteria(prices, needs_reasoning=needs_reasoning)
        return self._selection(model, "requested by name", criteria, {})

    def predict_task(self, text: str) -> TaskPrediction:
        """Return the probabilities of the tasks that a text may ask for."""
        return self._classifier.predict(text)

    def specialists_for_task(self, task: str) -> list[Model]:
        """Return the served specialists for a task."""
        return [model for model, route in self._specialists if route.task == task]

    def specialists_for_columns(
        self, columns: frozenset[str], prices: Mapping[str, ModelPrices]
    ) -> list[Model]:
        """Return the served, priced specialists that accept exactly these columns."""
        return [
            model
            for model, route in self._specialists
            if model.id in prices and route.accepts(columns)
        ]

    def _classify(self, criteria: SelectionCriteria) -> tuple[Mapping[str, float], list[Model]]:
        """Return the task probabilities of the text, and the specialists of a task if certain."""
        if not criteria.text.strip():
            return {}, []
        classification = self._classifier.predict(criteria.text)
        specialists = self.specialists_for_task(classification.specialist_task or "")
        return classification.confidences, [
            model for model in specialists if model.id in criteria.prices
        ]

    def _selection(
        self,
        model: Model,
        reason: str,
        criteria: SelectionCriteria,
        confidences: Mapping[str, float],
        suggested_model_id: str | None = None,
    ) -> ModelSelection:
        """Return the selection of a model with its served, priced fallbacks."""
        fallback_models = (self._catalog.find(name) for name in model.fallbacks)
        candidates = (
            fallback
            for fallback in fallback_models
            if fallback is not None
            and fallback.id in criteria.prices
            and (fallback.reasoning or not criteria.needs_reasoning)
        )
        fallbacks = tuple(fallback for fallback in candidates if self._is_served(fallback))
        return ModelSelection(model, reason, fallbacks, confidences, suggested_model_id)

    def _columns_error(self, criteria: SelectionCriteria) -> ParameterInvalid:
        """Return the error for columns that no model accepts, naming the closest models."""
        routed_models = [(model.id, route) for model, route in self._specialists if route.inputs]
        routed_models.sort(
            key=lambda entry: len(entry[1].inputs ^ (criteria.columns - entry[1].optional))
        )
        nearest = [
            _describe_column_mismatch(name, route, criteria)
            for name, route in routed_models[:_MAX_NEAREST]
        ]
        return ParameterInvalid(
            f"No model takes exactly these columns. Closest models: {'; '.join(nearest)}.",
            param="instances",
        )


def specialist_for(selector: ModelSelector, task: str, principal: Principal) -> str:
    """Return the specialist for a task in words. Raises ParameterInvalid if it is not certain."""
    found = selector.predict_task(task).specialist_task if task.strip() else None
    models = [
        model
        for model in selector.specialists_for_task(found or "")
        if model.id in principal.model_prices
    ]
    if not models:
        message = (
            "`auto` needs the words of a specialist's task in `task`, such as `remaining life`, "
            "if the request names an asset. Or name the model."
        )
        raise ParameterInvalid(message, param="task")
    return _select_best(models, SelectionCriteria(principal.model_prices))[0].id


def unknown_route_tasks(catalog: Catalog, classifier: RouteClassifier) -> set[str]:
    """Return the tasks of routes that the classifier cannot predict."""
    routes = (model.route for model in catalog.models.values() if model.route is not None)
    tasks = {route.task for route in routes if route.task is not None}
    return tasks.difference(classifier.tasks)


def _able_to_reason(models: Sequence[Model], criteria: SelectionCriteria) -> Sequence[Model]:
    """Return the models that can reason if the request needs it; all if none of them can."""
    if not criteria.needs_reasoning:
        return models
    return [model for model in models if model.reasoning] or models


def next_fallback(selection: ModelSelection) -> ModelSelection | None:
    """Return the selection of the next fallback model. Returns None if there is none left."""
    if not selection.fallbacks:
        return None
    reason = f"fallback for {selection.model.id}, which is not reachable"
    return ModelSelection(
        selection.fallbacks[0],
        reason,
        selection.fallbacks[1:],
        selection.task_confidences,
        selection.suggested_model_id,
    )


def selection_headers(selection: ModelSelection) -> dict[str, str]:
    """Return the response headers that describe a selection."""
    headers = {"x-maas-model": selection.model.id, "x-maas-route-reason": selection.reason}
    if selection.suggested_model_id is not None:
        headers["x-maas-suggested-model"] = selection.suggested_model_id
    return headers


def parse_latency_budget(headers: Mapping[bytes, bytes]) -> int | None:
    """Return X-Maas-Latency-Ms in milliseconds. Returns None if absent. Raises ParameterInvalid."""
    header = headers.get(LATENCY_HEADER)
    if header is None:
        return None
    value = header.strip()
    if not value.isdigit() or len(value) > 9 or not 1 <= int(value) <= MAX_LATENCY_MS:
        raise ParameterInvalid(
            f"X-Maas-Latency-Ms must be a whole number of milliseconds from 1 to {MAX_LATENCY_MS}.",
            param="X-Maas-Latency-Ms",
        )
    return int(value)


def parse_fallback(headers: Mapping[bytes, bytes]) -> bool | None:
    """Return whether X-Maas-Fallback allows fallbacks. Returns None if absent.

    Raises ParameterInvalid.
    """
    header = headers.get(FALLBACK_HEADER)
    if header is None:
        return None
    if header not in (b"allow", b"deny"):
        raise ParameterInvalid(
            "X-Maas-Fallback must be `allow` or `deny`.", param="X-Maas-Fallback"
        )
    return header == b"allow"


def _select_best(models: Sequence[Model], criteria: SelectionCriteria) -> tuple[Model, str]:
    """Return the cheapest model within the latency budget, else the fastest, and the reason.

    Raises ModelNotFound, ModelNotPriced.
    """
    if not models:
        raise ModelNotFound(
            "This deployment serves no model for this request. GET /v1/models lists the models.",
            param="model",
        )
    candidates = [model for model in models if model.id in criteria.prices]
    if not candidates:
        raise ModelNotPriced(
            "No model for this request has a price in your plan. Contact the platform operator.",
            param="model",
        )
    candidates = [model for model in candidates if _fits_context(model, criteria)] or candidates
    if criteria.budget_ms is None:
        return _cheapest(candidates, criteria), _describe_price_rank(candidates, "")
    within_budget = [model for model in candidates if _latency_ms(model) <= criteria.budget_ms]
    budget_text = f" within {criteria.budget_ms} ms"
    if within_budget:
        return _cheapest(within_budget, criteria), _describe_price_rank(within_budget, budget_text)
    return min(
        candidates, key=_latency_ms
    ), f"the fastest model; none is known to respond{budget_text}"


def _cheapest(models: Sequence[Model], criteria: SelectionCriteria) -> Model:
    """Return the model with the lowest expected cost, then the lowest latency."""
    return min(models, key=lambda model: (criteria.cost(model), _latency_ms(model)))


def _describe_price_rank(models: Sequence[Model], budget_text: str) -> str:
    """Return the reason for a selection by price, such as `cheapest of 3 within 50 ms`."""
    return (f"cheapest of {len(models)}" if len(models) > 1 else "the only one") + budget_text


def _fits_context(model: Model, criteria: SelectionCriteria) -> bool:
    """Return whether the expected prompt and answer fit into the model's context length."""
    return criteria.input_tokens + criteria.output_tokens <= (model.context_length or math.inf)


def _latency_ms(model: Model) -> float:
    """Return the model's latency in milliseconds, infinite if it was not measured."""
    return math.inf if model.latency_ms is None else model.latency_ms


def _with_task(confidences: Mapping[str, float], reason: str) -> str:
    """Return the reason of a selection, preceded by the text's most probable task."""
    if not confidences:
        return reason
    task = next(iter(confidences))
    return f"task {task} ({confidences[task]:.2f}); {reason}"


def _describe_column_mismatch(name: str, route: Route, criteria: SelectionCriteria) -> str:
    """Name, for an error message, the columns a request lacks and those the model rejects."""
    surplus = criteria.columns - route.inputs - route.optional
    parts = (("lacking", route.inputs - criteria.columns), ("surplus", surplus))
    differences = [f"{word} {_format_names(names)}" for word, names in parts if names]
    return f"{name} ({', '.join(differences)})"


def _format_names(names: frozenset[str]) -> str:
    """Return the first column names, quoted, for an error message."""
    quoted = [repr(name[:40]) for name in sorted(names)[:_MAX_LISTED_NAMES]]
    return " ".join(quoted) + (" and more" if len(names) > _MAX_LISTED_NAMES else "")
