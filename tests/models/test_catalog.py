"""The model catalog: loading and validation."""

from pathlib import Path

import pytest

from models.catalog import (
    CATALOG_FILE,
    Assistant,
    CatalogInvalid,
    FileSearch,
    Meter,
    Route,
    Task,
    load_catalog,
)

ENTRY = """
[[model]]
id = "m"
task = "embedding"
profiles = ["cpu"]
description = "d"
licence = "l"
weights = {{ kind = "hub", source = "x" }}
[model.meters]
input_tokens = {{ per = {per}, CNY = "{price}" }}
"""


def write(path: Path, text: str) -> Path:
    file = path / "catalog.toml"
    file.write_text(text, encoding="utf-8")
    return file


TEXT = """
[[model]]
id = "{id}"
task = "text-generation"
profiles = {profiles}
description = "d"
licence = "l"
{more}
[model.meters]
input_tokens = {{ per = 1, CNY = "1" }}
"""
ENGINE = TEXT.format(id="base", profiles='["cpu"]', more='weights = { kind = "hub", source = "x" }')
WEIGHTS = 'weights = { kind = "adapter", source = "x" }'


def adapter(more: str = "", base: str = "base", profiles: str = '["cpu"]', id: str = "a") -> str:
    return TEXT.format(id=id, profiles=profiles, more=f'base = "{base}"\n{WEIGHTS}\n{more}')


class TestRetiredModels:
    def test_retired_model_has_replacement_and_is_not_found(self, tmp_path: Path) -> None:
        text = ENTRY.format(per=1, price="1") + '[retired]\n"old" = "m"\n'
        catalog = load_catalog("cpu", write(tmp_path, text))
        assert catalog.retired == {"old": "m"}
        assert catalog.find("old") is None
        assert catalog.filter(lambda _: True).retired == {"old": "m"}

    @pytest.mark.parametrize("line", ['"m" = "m"', '"old" = "older"'])
    def test_invalid_replacement_is_rejected(self, tmp_path: Path, line: str) -> None:
        text = f"{ENTRY.format(per=1, price='1')}[retired]\n{line}\n"
        with pytest.raises(CatalogInvalid, match="retires"):
            load_catalog("cpu", write(tmp_path, text))

    @pytest.mark.parametrize("profile", ["cpu", "gpu"])
    def test_replacement_has_task_of_retired_model(self, profile: str) -> None:
        catalog = load_catalog(profile)
        assert set(catalog.retired) == {"minilm-l6-v2"}
        assert catalog.models[catalog.retired["minilm-l6-v2"]].task is Task.EMBEDDING

    def test_retired_model_as_fallback_is_rejected(self, tmp_path: Path) -> None:
        text = ENTRY.format(per=1, price="1").replace("licence", 'fallbacks = ["old"]\nlicence')
        with pytest.raises(CatalogInvalid, match="'old' is not another model"):
            load_catalog("cpu", write(tmp_path, text + '[retired]\n"old" = "m"\n'))


class TestCatalogLoading:
    @pytest.mark.parametrize("profile", ["cpu", "gpu"])
    def test_committed_catalog_has_every_task_in_each_profile(self, profile: str) -> None:
        catalog = load_catalog(profile)
        for task in set(Task) - {Task.RERANK, Task.MODERATION}:  # of operators' catalogs only
            assert catalog.with_task(task)
        for model in catalog.models.values():
            assert set(model.prices) == {"CNY", "USD"}
            assert all(price > 0 for row in model.prices.values() for price in row.values())

    def test_price_is_converted_to_nano_units(self, tmp_path: Path) -> None:
        file = write(tmp_path, ENTRY.format(per=1_000_000, price="0.5"))
        model = load_catalog("cpu", file).models["m"]
        assert model.prices["CNY"][Meter.INPUT_TOKENS] == 500

    def test_adapter_uses_engine_of_base_model(self, tmp_path: Path) -> None:
        models = load_catalog("cpu", write(tmp_path, ENGINE + adapter())).models
        assert [models[name].engine_id for name in ("base", "a")] == ["base", "base"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (TEXT.format(id="a", profiles='["cpu"]', more=WEIGHTS), "only they can have one"),
            (ENGINE.replace("weights", 'base = "base"\nweights'), "only they can have one"),
            (adapter(base="nonesuch"), "not a text model"),
            (ENTRY.format(per=1, price="1") + adapter(base="m"), "not a text model"),
            (ENGINE + adapter() + adapter(base="a", id="b"), "not a text model"),
            (ENGINE + adapter("concurrency = 4"), "must not set engine"),
            (ENGINE + adapter("engine = { dtype = 'float16' }"), "must not set engine"),
            (ENGINE + adapter(profiles='["cpu", "gpu"]'), "must not set engine"),
        ],
    )
    def test_invalid_adapter_entry_is_rejected(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        with pytest.raises(CatalogInvalid, match=message):
            load_catalog("cpu", write(tmp_path, text))

    def test_model_may_answer_with_the_weights_of_its_base(self, tmp_path: Path) -> None:
        same = adapter().replace('kind = "adapter", source = "x"', 'kind = "base", source = ""')
        model = load_catalog("cpu", write(tmp_path, ENGINE + same)).models["a"]
        assert (model.engine_id, model.weights.kind) == ("base", "base")

    def test_id_may_have_an_entry_for_each_profile(self, tmp_path: Path) -> None:
        more = '[model.engine]\ndtype = "{}"'
        weights = 'weights = {{ kind = "hub", source = "{}" }}\n' + more
        both = "".join(
            TEXT.format(id="a", profiles=f'["{one}"]', more="").replace(
                "[model.meters]", weights.format(one, one) + "\n[model.meters]"
            )
            for one in ("cpu", "gpu")
        )
        file = write(tmp_path, both)
        for profile in ("cpu", "gpu"):
            model = load_catalog(profile, file).models["a"]
            assert (model.weights.source, model.engine["dtype"]) == (profile, profile)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('["gpu"]', '["gpu", "cpu"]', "'a'.*twice for one profile"),
            ('CNY = "1"', 'CNY = "2"', "same task and prices"),
            ("text-generation", "embedding", "same task and prices"),
        ],
    )
    def test_entries_of_one_id_must_be_the_same_product(
        self, tmp_path: Path, old: str, new: str, message: str
    ) -> None:
        hub = 'weights = { kind = "hub", source = "x" }'
        first, second = (
            TEXT.format(id="a", profiles=f'["{one}"]', more=hub) for one in ("cpu", "gpu")
        )
        with pytest.raises(CatalogInvalid, match=message):
            load_catalog("cpu", write(tmp_path, first + second.replace(old, new)))

    def test_base_is_the_entry_of_the_same_profile(self, tmp_path: Path) -> None:
        gpu = ENGINE.replace('["cpu"]', '["gpu"]')
        text = ENGINE + gpu + adapter(profiles='["gpu"]')
        assert load_catalog("gpu", write(tmp_path, text)).models["a"].engine_id == "base"
        with pytest.raises(CatalogInvalid, match="must not set engine"):
            load_catalog("gpu", write(tmp_path, ENGINE + adapter(profiles='["gpu"]')))

    def test_reasoning_needs_an_engine_with_a_reasoning_parser(self, tmp_path: Path) -> None:
        budgets = "reasoning = { low = 1, medium = 2, high = 3 }"
        parser = "engine = { reasoning_parser = 'qwen3' }"
        silent = ENGINE.replace("weights", f"{budgets}\nweights")
        thinking = ENGINE.replace("weights", f"{budgets}\n{parser}\nweights")
        models = load_catalog("cpu", write(tmp_path, thinking + adapter(budgets))).models
        assert [dict(models[name].reasoning) for name in ("base", "a")] == [
            {"low": 1, "medium": 2, "high": 3}
        ] * 2
        for text in (silent, ENGINE + adapter(budgets)):
            with pytest.raises(CatalogInvalid, match="sets `reasoning_parser`"):
                load_catalog("cpu", write(tmp_path, text))

    def test_industrial_model_is_the_same_product_in_each_profile(self) -> None:
        small = load_catalog("cpu").with_task(Task.TEXT_GENERATION)[0]
        large = load_catalog("gpu").models[small.id]
        assert (small.prices, small.adapter, small.task) == (
            large.prices,
            large.adapter,
            large.task,
        )
        assert small.adapter is not None
        assert not small.reasoning
        assert large.reasoning

    def test_priced_meters_determine_counted_units(self, tmp_path: Path) -> None:
        entry = ENTRY.format(per=1, price="0.05")
        by_rows = entry.replace("input_tokens", "rows")
        by_images = entry.replace("input_tokens", "images").replace('"m"', '"eye"')
        minutes = 'adaptation_seconds = { per = 60, CNY = "0.60" }'
        models = load_catalog("cpu", write(tmp_path, f"{by_rows}{by_images}{minutes}")).models
        assert [models[name].counts_images for name in ("m", "eye")] == [False, True]
        assert models["eye"].prices["CNY"] == {"images": 50_000_000, "adaptation_seconds": 10**7}

    @pytest.mark.parametrize(
        ("per", "price"),
        [(1_000_000, "0.0001"), (3, "0.1"), (1, "-1"), (1, "x"), (0, "1"), (1, "NaN"), (1, "1e99")],
    )
    def test_invalid_price_is_rejected(self, tmp_path: Path, per: int, price: str) -> None:
        file = write(tmp_path, ENTRY.format(per=per, price=price))
        with pytest.raises(CatalogInvalid, match="'m' is not valid"):
            load_catalog("cpu", file)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[[model]]\nid = 1", "is not valid"),
            ("not toml", "is not valid"),
            ("", "no model"),
            (ENTRY.format(per=1, price="1") * 2, "twice"),
            (ENTRY.format(per=1, price="1").replace("embedding", "magic"), "is not valid"),
            (ENTRY.format(per=1, price="1").replace("input_tokens", "smiles"), "is not valid"),
            (
                ENTRY.format(per=1, price="1").replace("input_tokens", "rows")
                + 'images = { per = 1, USD = "1" }',
                "by rows or by images",
            ),
        ],
    )
    def test_invalid_catalog_is_rejected_with_reason(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        with pytest.raises(CatalogInvalid, match=message):
            load_catalog("cpu", write(tmp_path, text))

    @pytest.mark.parametrize(
        ("first", "second", "message"),
        [
            ('fallbacks = ["n"]', "", None),
            ('fallbacks = ["m"]', "", "'m' is not another model"),
            ('fallbacks = ["o"]', "", "'o' is not another model"),
            (
                'fallbacks = ["n"]',
                'route = { task = "t", inputs = ["a"] }',
                "'n' is not another model",
            ),
            ('route = { optional = ["a"] }', "", "'m' is not valid"),
        ],
    )
    def test_fallback_must_accept_the_same_requests(
        self, tmp_path: Path, first: str, second: str, message: str | None
    ) -> None:
        entry = ENTRY.format(per=1, price="1")
        texts = [
            entry.replace("[model.meters]", f"{more}\n[model.meters]") for more in (first, second)
        ]
        file = write(tmp_path, texts[0] + texts[1].replace('"m"', '"n"', 1))
        if message is None:
            assert load_catalog("cpu", file).models["m"].fallbacks == ("n",)
        else:
            with pytest.raises(CatalogInvalid, match=message):
                load_catalog("cpu", file)

    def test_fallback_must_have_the_same_task(self, tmp_path: Path) -> None:
        entry = ENTRY.format(per=1, price="1")
        first = entry.replace("[model.meters]", 'fallbacks = ["n"]\n[model.meters]')
        other = entry.replace('"m"', '"n"').replace("embedding", "text-generation")
        with pytest.raises(CatalogInvalid, match="accepts the same requests"):
            load_catalog("cpu", write(tmp_path, first + other))

    def test_route_and_latency_are_loaded_if_present(self, tmp_path: Path) -> None:
        route = 'route = { task = "t", inputs = ["a", "b"] }\nlatency_ms = 7\n[model.meters]'
        text = ENTRY.format(per=1, price="1")
        plain = load_catalog("cpu", write(tmp_path, text)).models["m"]
        assert (plain.route, plain.latency_ms, plain.fallbacks) == (None, None, ())
        text = text.replace("[model.meters]", route)
        routed = load_catalog("cpu", write(tmp_path, text)).models["m"]
        assert (routed.route, routed.latency_ms) == (Route("t", frozenset({"a", "b"})), 7)
        by_columns = load_catalog("cpu", write(tmp_path, text.replace('task = "t", ', "")))
        assert by_columns.models["m"].route == Route(None, frozenset({"a", "b"}))

    def test_industrial_model_has_fine_tuning_price(self) -> None:
        industrial = load_catalog("cpu").with_task(Task.TEXT_GENERATION)[0]
        assert "adaptation_seconds" in industrial.prices["CNY"]

    def test_model_id_auto_is_rejected(self, tmp_path: Path) -> None:
        text = ENTRY.format(per=1, price="1").replace('"m"', '"auto"')
        with pytest.raises(CatalogInvalid, match="reserved for model selection"):
            load_catalog("cpu", write(tmp_path, text))

    def test_model_ids_occur_in_catalog_only(self) -> None:
        """A renamed model must not remain in code or tests."""
        root = CATALOG_FILE.parent.parent
        ids = {model for profile in ("cpu", "gpu") for model in load_catalog(profile).models}
        for folder in ("gateway", "billing", "models", "serving", "infra", "tests", "load"):
            for file in (root / folder).rglob("*.py"):
                text = file.read_text(encoding="utf-8")
                found = {model for model in ids if f'"{model}"' in text or f"'{model}'" in text}
                assert not found, f"{file.name} spells {found}"


class TestAssistants:
    @pytest.mark.parametrize("profile", ["cpu", "gpu"])
    def test_assistant_costs_what_the_industrial_model_costs(self, profile: str) -> None:
        models = load_catalog(profile).models
        (assistant,) = (one for one in models.values() if one.assistant is not None)
        industrial = load_catalog(profile).with_task(Task.TEXT_GENERATION)[0]
        tokens = {"input_tokens", "cached_input_tokens", "output_tokens"}
        for currency, prices in assistant.prices.items():
            assert set(prices) == tokens
            assert prices.items() <= industrial.prices[currency].items()
        assert (assistant.engine_id, assistant.route) == (industrial.engine_id, None)

    def test_assistant_has_three_passages_by_default(self, tmp_path: Path) -> None:
        text = TEXT.format(
            id="a",
            profiles='["cpu"]',
            more='weights = { kind = "hub", source = "x" }\nassistant = {}',
        )
        model = load_catalog("cpu", write(tmp_path, text)).models["a"]
        assert model.assistant == Assistant(max_passages=3)

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ("assistant = { max_passages = 0 }", "whole number from 1 to 10"),
            ("assistant = { max_passages = true }", "whole number from 1 to 10"),
            ("assistant = { quotes = 1 }", "must be true or false"),
            ("assistant = { handbook = 1 }", "unknown field"),
            ("assistant = 3", "must be a table"),
        ],
    )
    def test_invalid_assistant_is_rejected(self, tmp_path: Path, more: str, message: str) -> None:
        hub = 'weights = { kind = "hub", source = "x" }'
        text = TEXT.format(id="a", profiles='["cpu"]', more=f"{hub}\n{more}")
        with pytest.raises(CatalogInvalid, match=message):
            load_catalog("cpu", write(tmp_path, text))

    def test_answers_from_documents_are_as_short_as_the_catalog_says(self, tmp_path: Path) -> None:
        hub = 'weights = { kind = "hub", source = "x" }'
        more = f"{hub}\nfile_search = {{ max_statements = 2, reads_lines = true }}"
        text = TEXT.format(id="a", profiles='["cpu"]', more=more)
        model = load_catalog("cpu", write(tmp_path, text)).models["a"]
        assert model.file_search == FileSearch(5, max_statements=2, reads_lines=True)

    def test_lines_are_read_or_not(self, tmp_path: Path) -> None:
        more = 'weights = { kind = "hub", source = "x" }\nfile_search = { reads_lines = 1 }'
        text = TEXT.format(id="a", profiles='["cpu"]', more=more)
        with pytest.raises(CatalogInvalid, match="reads_lines"):
            load_catalog("cpu", write(tmp_path, text))

    @pytest.mark.parametrize("value", ["0", "101", "true"])
    def test_invalid_number_of_statements_is_rejected(self, tmp_path: Path, value: str) -> None:
        hub = 'weights = { kind = "hub", source = "x" }'
        more = f"{hub}\nfile_search = {{ max_statements = {value} }}"
        text = TEXT.format(id="a", profiles='["cpu"]', more=more)
        with pytest.raises(CatalogInvalid, match="whole number from 1 to 100"):
            load_catalog("cpu", write(tmp_path, text))

    def test_only_a_text_model_can_be_an_assistant(self, tmp_path: Path) -> None:
        hub = 'weights = { kind = "hub", source = "x" }'
        text = TEXT.format(id="a", profiles='["cpu"]', more=f"{hub}\nassistant = {{}}")
        text = text.replace("text-generation", "embedding")
        with pytest.raises(CatalogInvalid, match="only allowed for a text model"):
            load_catalog("cpu", write(tmp_path, text))
