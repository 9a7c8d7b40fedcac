"""Model selection by columns, text, latency budget and price; without calls or a database."""

from dataclasses import replace
from uuid import UUID

import pytest

from gateway.call.errors import ModelNotFound, ModelNotPriced, ParameterInvalid
from gateway.call.values import ModelPrices
from gateway.inference.model_selection import (
    ModelSelector,
    SelectionCriteria,
    next_fallback,
    parse_fallback,
    parse_latency_budget,
    selection_headers,
)
from models.catalog import Catalog, CatalogInvalid, Model, Route
from models.routing.classifier import RouteClassifier
from tests.support.builders import BEARING_LIFE, CATALOG, CONTROL_CHART, INDUSTRIAL, SPECIALIST

CLASSIFIER = RouteClassifier.load()
OEE = "OEE of the shift: 480 min planned, 430 run, 0.9 min each, 440 made, 432 good"
POEM = "Write a poem about the night shift"


def language(name: str, price: int, latency_ms: int | None, **values: object) -> Model:
    """A language model with this price per output token."""
    prices = {"CNY": {"input_tokens": 1, "output_tokens": price}}
    model = replace(CATALOG.models[INDUSTRIAL], id=name, prices=prices, latency_ms=latency_ms)
    return replace(model, fallbacks=(), **values)


def priced(*models: Model) -> dict[str, ModelPrices]:
    return {one.id: ModelPrices(UUID(int=1), one.prices["CNY"]) for one in models}


def chooser(*models: Model) -> ModelSelector:
    return ModelSelector(Catalog({one.id: one for one in models}), CLASSIFIER)


CHEAP = language("cheap", 1, 300)
DEAR = language("dear", 9, 60)
UNKNOWN = language("unknown", 0, None)
ALL = priced(CHEAP, DEAR, UNKNOWN)


class TestTextModelSelection:
    @pytest.mark.parametrize(
        ("budget", "model", "reason"),
        [
            (None, "unknown", "cheapest of 3"),
            (5000, "cheap", "cheapest of 2 within 5000 ms"),
            (299, "dear", "the only one within 299 ms"),
            (60, "dear", "the only one within 60 ms"),
            (59, "dear", "the fastest model; none is known to respond within 59 ms"),
        ],
    )
    def test_cheapest_model_within_latency_budget_is_selected(
        self, budget: int | None, model: str, reason: str
    ) -> None:
        choice = chooser(UNKNOWN, CHEAP, DEAR).select_for_text(
            SelectionCriteria(ALL, output_tokens=5, budget_ms=budget)
        )
        assert (choice.model.id, choice.reason) == (model, reason)

    def test_request_that_needs_reasoning_gets_a_model_that_can_reason(self) -> None:
        budgets = {"low": 1, "medium": 2, "high": 3}
        thinker = language("thinker", 99, None, reasoning=budgets)
        prices = priced(CHEAP, DEAR, thinker)
        needs = SelectionCriteria(prices, output_tokens=5, needs_reasoning=True)
        assert chooser(CHEAP, thinker).select_for_text(needs).model is thinker
        assert chooser(CHEAP, DEAR).select_for_text(needs).model is CHEAP  # none can: parsing tells
        first = replace(thinker, id="first", fallbacks=("cheap", "thinker"))
        both = chooser(first, CHEAP, thinker)
        assert both.select_by_name(first, prices, needs_reasoning=True).fallbacks == (thinker,)
        assert both.select_by_name(first, prices).fallbacks == (CHEAP, thinker)

    def test_prices_are_weighted_by_expected_input_and_output(self) -> None:
        """One model has the cheaper input, the other the cheaper output."""
        asks = replace(DEAR, prices={"CNY": {"input_tokens": 9, "output_tokens": 1}})
        dear_answers = language("answers", 5, 300)
        both, prices = chooser(dear_answers, asks), priced(dear_answers, asks)
        assert (
            both.select_for_text(SelectionCriteria(prices, input_tokens=1, output_tokens=9)).model
            is asks
        )
        assert (
            both.select_for_text(SelectionCriteria(prices, input_tokens=9, output_tokens=1)).model
            is dear_answers
        )

    def test_faster_model_is_selected_at_equal_price(self) -> None:
        swift = language("swift", 1, 10)
        choice = chooser(CHEAP, swift).select_for_text(
            SelectionCriteria(priced(CHEAP, swift), output_tokens=1)
        )
        assert choice.model is swift

    def test_prompt_over_context_length_selects_model_with_longer_context(self) -> None:
        short = language("short", 0, 10, context_length=100)
        both, prices = chooser(short, DEAR), priced(short, DEAR)
        assert (
            both.select_for_text(SelectionCriteria(prices, input_tokens=60, output_tokens=40)).model
            is short
        )
        assert (
            both.select_for_text(SelectionCriteria(prices, input_tokens=61, output_tokens=40)).model
            is DEAR
        )

    def test_only_models_with_a_price_are_selected(self) -> None:
        both = chooser(CHEAP, DEAR)
        assert both.select_for_text(SelectionCriteria(priced(DEAR))).model is DEAR
        with pytest.raises(ModelNotPriced):
            both.select_for_text(SelectionCriteria({}))

    def test_catalog_without_text_models_raises_model_not_found(self) -> None:
        with pytest.raises(ModelNotFound):
            chooser(CATALOG.models[SPECIALIST]).select_for_text(SelectionCriteria({}))


class TestTextClassification:
    ours = ModelSelector(CATALOG, CLASSIFIER)
    prices = priced(*CATALOG.models.values())

    def test_language_model_is_selected_with_suggested_specialist(self) -> None:
        choice = self.ours.select_for_text(SelectionCriteria(self.prices, OEE))
        suggested = CATALOG.models[choice.suggested_model_id or ""]
        assert suggested.route is not None
        assert (choice.model.id, suggested.route.task) == (INDUSTRIAL, "oee")
        assert choice.reason.startswith("task oee (")

    @pytest.mark.parametrize("text", [POEM, "", "  ", "写一首关于夜班的诗"])
    def test_text_without_matching_task_has_no_suggestion(self, text: str) -> None:
        assert (
            self.ours.select_for_text(SelectionCriteria(self.prices, text)).suggested_model_id
            is None
        )

    def test_specialist_without_price_is_not_suggested(self) -> None:
        prices = priced(CATALOG.models[INDUSTRIAL])
        assert self.ours.select_for_text(SelectionCriteria(prices, OEE)).suggested_model_id is None

    def test_specialist_is_selected_if_any_endpoint_is_allowed(self) -> None:
        choice = self.ours.select_for_any_endpoint(SelectionCriteria(self.prices, OEE))
        assert choice.model.route is not None
        assert choice.model.route.task == "oee"
        assert (
            self.ours.select_for_any_endpoint(SelectionCriteria(self.prices, POEM)).model.id
            == INDUSTRIAL
        )

    def test_task_without_specialist_selects_language_model(self) -> None:
        """The specialist of the closest other task is not selected."""
        own = Catalog(
            {INDUSTRIAL: CATALOG.models[INDUSTRIAL], SPECIALIST: CATALOG.models[SPECIALIST]}
        )
        choice = ModelSelector(own, CLASSIFIER).select_for_any_endpoint(
            SelectionCriteria(self.prices, OEE)
        )
        assert (choice.model.id, choice.suggested_model_id) == (INDUSTRIAL, None)
        assert next(iter(choice.task_confidences)) == "oee"

    def test_model_with_unknown_task_is_rejected(self) -> None:
        odd = replace(CHEAP, route=Route("alchemy"))
        with pytest.raises(CatalogInvalid, match="'alchemy'"):
            chooser(odd)


class TestColumnMatching:
    ours = ModelSelector(CATALOG, CLASSIFIER)
    prices = priced(*CATALOG.models.values())

    @pytest.mark.parametrize(
        "model", [one for one in CATALOG.models.values() if one.route and one.route.inputs]
    )
    def test_specialist_is_selected_by_its_columns(self, model: Model) -> None:
        assert model.route is not None
        choice = self.ours.select_for_rows(
            SelectionCriteria(self.prices, columns=model.route.inputs, rows=2)
        )
        assert (choice.model, choice.reason) == (model, "columns; the only one")

    @pytest.mark.parametrize(
        "model", [one for one in CATALOG.models.values() if one.route and one.route.optional]
    )
    def test_optional_columns_are_accepted_and_unknown_columns_rejected(self, model: Model) -> None:
        assert model.route is not None
        whole = model.route.inputs | model.route.optional
        assert (
            self.ours.select_for_rows(SelectionCriteria(self.prices, columns=whole)).model == model
        )
        with pytest.raises(ParameterInvalid, match="surplus 'odd'") as refused:
            self.ours.select_for_rows(SelectionCriteria(self.prices, columns=whole | {"odd"}))
        assert f"{model.id} (surplus 'odd')" in refused.value.message
        with pytest.raises(ParameterInvalid, match="lacking"):
            self.ours.select_for_rows(SelectionCriteria(self.prices, columns=model.route.optional))

    def test_error_names_closest_models_and_column_differences(self) -> None:
        chart = CATALOG.models[CONTROL_CHART].route
        assert chart is not None
        given = (chart.inputs - {"deviation"}) | {"sigma"}
        with pytest.raises(ParameterInvalid) as refused:
            self.ours.select_for_rows(SelectionCriteria(self.prices, columns=given))
        assert refused.value.param == "instances"
        told = f"Closest models: {CONTROL_CHART} (lacking 'deviation', surplus 'sigma'); "
        assert told in refused.value.message

    def test_error_for_many_columns_is_shortened(self) -> None:
        given = frozenset(f"column {number}" for number in range(500))
        with pytest.raises(ParameterInvalid) as refused:
            self.ours.select_for_rows(SelectionCriteria(self.prices, columns=given | {"x" * 9999}))
        assert len(refused.value.message) < 1200

    def test_text_decides_between_models_with_same_columns(self) -> None:
        first, second = (CATALOG.models[name] for name in (BEARING_LIFE, CONTROL_CHART))
        assert first.route is not None
        twin = replace(second, route=replace(first.route, task="control_chart"))
        both, prices = chooser(first, twin), priced(first, twin)
        wish = SelectionCriteria(
            prices, "which points of the chart violate a rule", first.route.inputs, 1
        )
        choice = both.select_for_rows(wish)
        assert choice.model is twin
        assert choice.reason == "columns, then task control_chart; the only one"
        assert (
            both.select_for_rows(replace(wish, text="hours until the bearing fails")).model is first
        )

    def test_specialist_without_a_task_is_selected_by_columns_and_not_by_text(self) -> None:
        chart = CATALOG.models[CONTROL_CHART]
        assert chart.route is not None
        untrained = replace(chart, route=replace(chart.route, task=None))
        text_model = CATALOG.models[INDUSTRIAL]
        both, prices = chooser(text_model, untrained), priced(text_model, untrained)
        wish = SelectionCriteria(prices, "which points of the chart violate a rule")
        choice = both.select_for_any_endpoint(replace(wish, columns=chart.route.inputs, rows=1))
        assert (choice.model, choice.reason) == (untrained, "columns; the only one")
        by_text = both.select_for_any_endpoint(wish)
        assert (by_text.model, by_text.suggested_model_id) == (text_model, None)

    def test_cheapest_of_models_with_same_columns_is_selected_without_text(self) -> None:
        first, second = (CATALOG.models[name] for name in (BEARING_LIFE, CONTROL_CHART))
        twin = replace(second, route=first.route)
        assert first.route is not None
        choice = chooser(twin, first).select_for_rows(
            SelectionCriteria(priced(first, twin), columns=first.route.inputs, rows=1)
        )
        assert (choice.model, choice.reason) == (first, "columns; cheapest of 2")


class TestFallbackSelection:
    def test_fallbacks_with_a_price_are_in_catalog_order(self) -> None:
        first = replace(CHEAP, fallbacks=("dear", "gone", "unknown"))
        three, prices = chooser(first, DEAR, UNKNOWN), priced(first, DEAR, UNKNOWN)
        assert three.select_by_name(first, prices).fallbacks == (DEAR, UNKNOWN)
        assert three.select_by_name(first, priced(first, UNKNOWN)).fallbacks == (UNKNOWN,)

    def test_each_fallback_is_named_in_response_headers(self) -> None:
        first = replace(CHEAP, fallbacks=("dear", "unknown"))
        choice = chooser(first, DEAR, UNKNOWN).select_by_name(first, priced(first, DEAR, UNKNOWN))
        second = next_fallback(choice)
        assert second is not None
        assert selection_headers(second) == {
            "x-maas-model": "dear",
            "x-maas-route-reason": "fallback for cheap, which is not reachable",
        }
        third = next_fallback(second)
        assert third is not None
        assert (third.model, next_fallback(third)) == (UNKNOWN, None)


class TestSelectionHeaders:
    @pytest.mark.parametrize(
        ("said", "budget"), [(b"1", 1), (b" 250 ", 250), (b"3600000", 3600000)]
    )
    def test_latency_budget_is_parsed(self, said: bytes, budget: int) -> None:
        assert parse_latency_budget({b"x-maas-latency-ms": said}) == budget
        assert parse_latency_budget({}) is None

    @pytest.mark.parametrize(
        "said",
        [b"", b"0", b"-5", b"1.5", b"fast", b"250ms", b"3600001", b"9" * 99, b"\xb2", b"1 0"],
    )
    def test_invalid_latency_budget_is_rejected(self, said: bytes) -> None:
        with pytest.raises(ParameterInvalid) as refused:
            parse_latency_budget({b"x-maas-latency-ms": said})
        assert refused.value.param == "X-Maas-Latency-Ms"

    def test_fallback_header_accepts_only_allow_and_deny(self) -> None:
        assert parse_fallback({}) is None
        assert parse_fallback({b"x-maas-fallback": b"allow"}) is True
        assert parse_fallback({b"x-maas-fallback": b"deny"}) is False
        with pytest.raises(ParameterInvalid) as refused:
            parse_fallback({b"x-maas-fallback": b"maybe"})
        assert refused.value.param == "X-Maas-Fallback"

    def test_selection_headers_are_printable_ascii(self) -> None:
        for model in CATALOG.models.values():
            choice = ModelSelector(CATALOG, CLASSIFIER).select_by_name(model, {})
            assert all(
                value.isascii() and value.isprintable()
                for value in selection_headers(choice).values()
            )
        assert all(task.isascii() for task in CLASSIFIER.tasks)
