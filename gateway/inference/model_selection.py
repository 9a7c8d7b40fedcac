"""Choosing: which model answers where the client asks for `auto`, and which may stand in for it.

Language models by the latency budget and the price; specialists by the columns of the rows, then by
the words, then in the same way. Owns these rules, their two headers and what is told of a choice.
Pure, and calls no model.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from billing.rating.quantities import Quantities, rate
from gateway.call.errors import ModelNotFound, ModelNotPriced, ParameterInvalid
from gateway.call.values import Choice, Priced
from models.catalog import SPECIALIST_TASKS, Catalog, CatalogInvalid, Model, Route, Task
from models.routing.classifier import RouteClassifier

LATENCY_HEADER = b"x-maas-latency-ms"
FALLBACK_HEADER = b"x-maas-fallback"
MOST_MS = 3_600_000
# A text's tokens are guessed by its bytes, for every model alike: only prices are compared.
BYTES_A_TOKEN = 4
LIKELY_OUTPUT = 256
_NEAREST = 3
_LISTED = 4


Serves = Callable[[Model], bool]
"""Whether a model is served now."""


def _all(_model: Model) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Wish:
    """What a choice goes by: the words, the columns of the rows, the budget, and what each model
    costs the account. Tokens are what a call like this is likely to consume."""

    prices: Mapping[str, Priced]
    text: str = ""
    columns: frozenset[str] = frozenset()
    rows: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    budget_ms: int | None = None

    def cost(self, model: Model) -> int:
        """In nano-units."""
        meter = "images" if model.counts_images else "rows"
        likely = Quantities(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            **{meter: self.rows},
        )
        return rate(likely, self.prices[model.id].prices)


class Chooser:
    """Chooses among the models of one catalog that have a route and are served."""

    def __init__(
        self, catalog: Catalog, classifier: RouteClassifier, serves: Serves = _all
    ) -> None:
        """`serves` says whether a model is served now.

        Raises CatalogInvalid where a route is for a task that the classifier does not know.
        """
        self._catalog = catalog
        self._serves = serves
        self._classifier = classifier
        models = catalog.models.values()
        routed = [(model, model.route) for model in models if model.route is not None]
        self._every_language = [one for one, _ in routed if one.task is Task.TEXT_GENERATION]
        self._every_specialist = [both for both in routed if both[0].task in SPECIALIST_TASKS]
        unknown = {route.task for _, route in routed}.difference(classifier.tasks)
        if unknown:
            raise CatalogInvalid(f"The catalog has a route for {min(unknown)!r}, no known task.")

    @property
    def _language(self) -> list[Model]:
        return [one for one in self._every_language if self._serves(one)]

    @property
    def _specialists(self) -> list[tuple[Model, Route]]:
        return [both for both in self._every_specialist if self._serves(both[0])]

    def for_text(self, wish: Wish) -> Choice:
        """The language model for a text; a specialist that would do its task is told beside it.

        Raises ModelNotFound, ModelNotPriced.
        """
        confidences, specialists = self._asked_for(wish)
        model, why = _best(self._language, wish)
        suggested = _best(specialists, wish)[0].id if specialists else None
        return self._choice(model, _reason(confidences, why), wish, confidences, suggested)

    def for_rows(self, wish: Wish) -> Choice:
        """The specialist that takes these columns; of several, the one that the words ask for.

        Raises ParameterInvalid naming the nearest, ModelNotPriced.
        """
        able = [both for both in self._specialists if both[1].takes(wish.columns)]
        if not able:
            raise self._no_such_columns(wish)
        confidences, _ = self._asked_for(wish)
        told, tasks = "columns", {route.task for _, route in able}
        if len(tasks) > 1 and confidences:
            asked = next(task for task in confidences if task in tasks)
            able = [both for both in able if both[1].task == asked]
            told = f"columns, then task {asked}"
        model, why = _best([one for one, _ in able], wish)
        return self._choice(model, f"{told}; {why}", wish, confidences)

    def for_either(self, wish: Wish) -> Choice:
        """What answers a request whose address is still open. Raises as the others do."""
        if wish.columns:
            return self.for_rows(wish)
        confidences, specialists = self._asked_for(wish)
        model, why = _best(specialists or self._language, wish)
        return self._choice(model, _reason(confidences, why), wish, confidences)

    def for_name(self, model: Model, prices: Mapping[str, Priced]) -> Choice:
        """A model that was asked for by name, where others may stand in for it."""
        return self._choice(model, "asked for by name", Wish(prices), {})

    def doing(self, task: str) -> list[Model]:
        """The specialists for a task."""
        return [model for model, route in self._specialists if route.task == task]

    def _asked_for(self, wish: Wish) -> tuple[Mapping[str, float], list[Model]]:
        """How likely the words ask for each task, and the specialists that surely do theirs."""
        if not wish.text.strip():
            return {}, []
        judgement = self._classifier.judge(wish.text)
        doing = self.doing(judgement.specialist_task or "")
        return judgement.confidences, [model for model in doing if model.id in wish.prices]

    def _choice(
        self,
        model: Model,
        reason: str,
        wish: Wish,
        confidences: Mapping[str, float],
        suggested: str | None = None,
    ) -> Choice:
        found = (self._catalog.find(name) for name in model.fallbacks)
        able = (one for one in found if one is not None and one.id in wish.prices)
        others = tuple(one for one in able if self._serves(one))
        return Choice(model, reason, others, confidences, suggested)

    def _no_such_columns(self, wish: Wish) -> ParameterInvalid:
        known = [(model.id, route) for model, route in self._specialists if route.inputs]
        known.sort(key=lambda one: len(one[1].inputs ^ (wish.columns - one[1].optional)))
        nearest = [_difference(name, route, wish) for name, route in known[:_NEAREST]]
        return ParameterInvalid(
            f"No model takes just these columns. The nearest: {'; '.join(nearest)}.",
            param="instances",
        )


def next_choice(choice: Choice) -> Choice | None:
    """The first that stands in for a chosen model; None where there is none left."""
    if not choice.others:
        return None
    reason = f"stands in for {choice.model.id}, which cannot be reached"
    return Choice(choice.others[0], reason, choice.others[1:], choice.confidences, choice.suggested)


def as_headers(choice: Choice) -> dict[str, str]:
    """The headers that tell of a choice."""
    told = {"x-maas-model": choice.model.id, "x-maas-route-reason": choice.reason}
    if choice.suggested is not None:
        told["x-maas-suggested-model"] = choice.suggested
    return told


def budget_of(headers: Mapping[bytes, bytes]) -> int | None:
    """The client's latency budget in milliseconds. Raises ParameterInvalid."""
    said = headers.get(LATENCY_HEADER)
    if said is None:
        return None
    text = said.strip()
    if not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= MOST_MS:
        raise ParameterInvalid(
            f"X-Maas-Latency-Ms is a whole number of milliseconds, 1 to {MOST_MS}.",
            param="X-Maas-Latency-Ms",
        )
    return int(text)


def fallback_allowed(headers: Mapping[bytes, bytes]) -> bool | None:
    """Whether the client lets other models stand in; None where it does not say.

    Raises ParameterInvalid.
    """
    said = headers.get(FALLBACK_HEADER)
    if said is None:
        return None
    if said not in (b"allow", b"deny"):
        raise ParameterInvalid("X-Maas-Fallback is `allow` or `deny`.", param="X-Maas-Fallback")
    return said == b"allow"


def _best(models: Sequence[Model], wish: Wish) -> tuple[Model, str]:
    """The cheapest that holds the budget, else the fastest; and why, in words.

    Raises ModelNotFound, ModelNotPriced.
    """
    if not models:
        raise ModelNotFound("No model that could answer this is served here.", param="model")
    able = [model for model in models if model.id in wish.prices]
    if not able:
        raise ModelNotPriced("No model that could answer this has a price here.", param="model")
    able = [model for model in able if _holds(model, wish)] or able
    if wish.budget_ms is None:
        return _cheapest(able, wish), _among(able, "")
    timely = [model for model in able if _latency(model) <= wish.budget_ms]
    within = f" within {wish.budget_ms} ms"
    if timely:
        return _cheapest(timely, wish), _among(timely, within)
    return min(able, key=_latency), f"the fastest, as none is known to answer{within}"


def _cheapest(models: Sequence[Model], wish: Wish) -> Model:
    return min(models, key=lambda model: (wish.cost(model), _latency(model)))


def _among(models: Sequence[Model], within: str) -> str:
    return (f"cheapest of {len(models)}" if len(models) > 1 else "the only one") + within


def _holds(model: Model, wish: Wish) -> bool:
    """Whether prompt and answer are likely to fit into the model's context."""
    return wish.input_tokens + wish.output_tokens <= (model.context_length or math.inf)


def _latency(model: Model) -> float:
    """What nobody measured promises nothing."""
    return math.inf if model.latency_ms is None else model.latency_ms


def _reason(confidences: Mapping[str, float], why: str) -> str:
    if not confidences:
        return why
    task = next(iter(confidences))
    return f"task {task} ({confidences[task]:.2f}); {why}"


def _difference(name: str, route: Route, wish: Wish) -> str:
    surplus = wish.columns - route.inputs - route.optional
    parts = (("lacking", route.inputs - wish.columns), ("surplus", surplus))
    told = [f"{word} {_listed(names)}" for word, names in parts if names]
    return f"{name} ({', '.join(told)})"


def _listed(names: frozenset[str]) -> str:
    listed = [repr(name[:40]) for name in sorted(names)[:_LISTED]]
    return " ".join(listed) + (" and more" if len(names) > _LISTED else "")
