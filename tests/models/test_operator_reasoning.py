"""Operators' catalog files: models that reason, and models with the weights of their base."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.catalog import Catalog, CatalogInvalid, load_catalog

THINKER, SAME, PLAIN = "thinker", "same-weights", "plain"
BUDGETS = {"low": 10, "medium": 20, "high": 30}
TOML_BUDGETS = "reasoning = { low = 10, medium = 20, high = 30 }"
BUILT_IN = f"""
[[model]]
id = "{THINKER}"
task = "text-generation"
profiles = ["gpu"]
description = "d"
licence = "l"
weights = {{ kind = "hub", source = "x" }}
engine = {{ reasoning_parser = "p" }}
{TOML_BUDGETS}
meters.input_tokens = {{ per = 1, CNY = "1" }}

[[model]]
id = "{SAME}"
task = "text-generation"
profiles = ["gpu"]
description = "d"
licence = "l"
base = "{THINKER}"
weights = {{ kind = "base", source = "" }}
{TOML_BUDGETS}
meters.input_tokens = {{ per = 1, CNY = "1" }}

[[model]]
id = "{PLAIN}"
task = "text-generation"
profiles = ["cpu"]
description = "d"
licence = "l"
weights = {{ kind = "hub", source = "x" }}
meters.input_tokens = {{ per = 1, CNY = "1" }}
"""
UPSTREAM = f"""
[[upstream]]
name = "provider"
url = "https://api.example.com/v1"
models = {{ "{THINKER}" = "their-thinker", "{SAME}" = "their-other" }}
"""
Load = Callable[..., Catalog]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads the built-in catalog above with an operator's file of this text."""

    def load_text(text: str, profile: str = "gpu") -> Catalog:
        built_in, file = tmp_path / "catalog.toml", tmp_path / "operator.toml"
        built_in.write_text(BUILT_IN, encoding="utf-8")
        file.write_text(text, encoding="utf-8")
        return load_catalog(profile, built_in, [file])

    return load_text


def problem(load: Load, text: str) -> str:
    """The only problem of an operator's file."""
    with pytest.raises(CatalogInvalid) as caught:
        load(text)
    (found,) = caught.value.problems
    return found.text


def change(model: str, line: str) -> str:
    return f'[[model]]\nid = "{model}"\n{line}\n'


class TestReasoning:
    def test_budgets_are_replaced_as_a_whole(self, load: Load) -> None:
        text = change(THINKER, "reasoning = { low = 1, medium = 1, high = 2 }")
        models = load(text).models
        assert models[THINKER].reasoning == {"low": 1, "medium": 1, "high": 2}
        assert models[SAME].reasoning == BUDGETS

    def test_false_removes_reasoning(self, load: Load) -> None:
        models = load(change(THINKER, "reasoning = false")).models
        assert models[THINKER].reasoning == {}
        assert models[SAME].reasoning == BUDGETS

    def test_new_model_may_say_that_it_does_not_reason(self, load: Load) -> None:
        more = 'task = "text-generation"\ndescription = "d"\nreasoning = false\n'
        text = change("bought", f'{more}meters.input_tokens = {{ per = 1, CNY = "1" }}')
        assert load(text).models["bought"].reasoning == {}

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("true", "`reasoning` must have a token budget for each of low, medium, high."),
            ("{ low = 1, high = 2 }", "must have a token budget for each of low, medium, high."),
            ("{ low = 0, medium = 1, high = 2 }", "`reasoning` must give `low` a whole number"),
            ("{ low = 3, medium = 2, high = 4 }", "must not give a higher effort fewer tokens."),
        ],
    )
    def test_invalid_budgets_are_refused_with_the_field(
        self, load: Load, value: str, message: str
    ) -> None:
        found = problem(load, change(THINKER, f"reasoning = {value}"))
        assert message in found
        assert "operator.toml: the model 'thinker' is not valid: `reasoning` must" in found

    def test_engine_without_a_parser_is_refused(self, load: Load) -> None:
        found = problem(load, change(PLAIN, TOML_BUDGETS))
        assert "`reasoning` is only allowed for a text model whose engine sets" in found

    def test_parser_that_is_removed_is_missed_on_each_model_of_the_engine(self, load: Load) -> None:
        with pytest.raises(CatalogInvalid) as caught:
            load(change(THINKER, 'engine = { reasoning_parser = "" }'))
        entries = [found.entry for found in caught.value.problems]
        assert entries == ["the model 'thinker'", "the model 'same-weights'"]

    def test_model_that_only_upstreams_serve_needs_no_parser(self, load: Load) -> None:
        more = f'task = "text-generation"\ndescription = "d"\n{TOML_BUDGETS}\n'
        text = change("bought", f'{more}meters.input_tokens = {{ per = 1, CNY = "1" }}')
        assert load(text).models["bought"].reasoning == BUDGETS


class TestWeightsOfABase:
    def test_operators_model_answers_with_the_weights_of_a_built_in_one(self, load: Load) -> None:
        more = f'task = "text-generation"\ndescription = "d"\nlicence = "l"\nbase = "{THINKER}"\n'
        more += 'profiles = ["gpu"]\nweights = { kind = "base", source = "" }\n'
        text = change("ours", f'{more}meters.input_tokens = {{ per = 1, CNY = "2" }}')
        model = load(text).models["ours"]
        assert (model.engine_id, model.weights.kind, model.reasoning) == (THINKER, "base", {})

    def test_base_weights_without_a_base_are_refused(self, load: Load) -> None:
        found = problem(load, change(PLAIN, 'weights = { kind = "base", source = "" }'))
        assert "`base` weights of the kind `adapter` or `base` need a base" in found

    def test_upstream_of_another_profile_keeps_reasoning_and_needs_no_base(
        self, load: Load
    ) -> None:
        models = load(UPSTREAM, profile="cpu").models
        for name in (THINKER, SAME):
            model = models[name]
            assert (model.weights.kind, model.base, model.engine) == ("external", None, {})
            assert model.reasoning == BUDGETS
