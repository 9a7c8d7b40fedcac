"""Operators' catalog files: what they add, change and remove, and what is refused."""

import json
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from models.catalog import CATALOG_FILE, Catalog, CatalogInvalid, load_catalog
from models.catalog.schema import MODEL_FIELDS, UPSTREAM_FIELDS

CHAT, OTHER = "built-in-chat", "built-in-other"
BUILT_IN = f"""
[[model]]
id = "{CHAT}"
task = "text-generation"
profiles = ["cpu"]
description = "d"
licence = "l"
context_length = 4096
latency_ms = 55
fallbacks = ["{OTHER}"]
weights = {{ kind = "hub", source = "x" }}
engine = {{ dtype = "bfloat16", max_num_seqs = 16 }}
[model.meters]
input_tokens = {{ per = 1_000_000, CNY = "0.80", USD = "0.11" }}
output_tokens = {{ per = 1_000_000, CNY = "3.20", USD = "0.44" }}

[[model]]
id = "{OTHER}"
task = "text-generation"
profiles = ["gpu"]
description = "d"
licence = "l"
context_length = 4096
concurrency = 9
weights = {{ kind = "hub", source = "y" }}
[model.meters]
input_tokens = {{ per = 1, CNY = "1" }}

[[model]]
id = "vectors"
task = "embedding"
profiles = ["cpu", "gpu"]
description = "d"
licence = "l"
weights = {{ kind = "hub", source = "z" }}
[model.meters]
input_tokens = {{ per = 1, CNY = "1" }}
"""
NEW = """
[[model]]
id = "bought"
task = "text-generation"
description = "d"
context_length = 8192
[model.meters]
input_tokens = { per = 1_000, CNY = "0.01" }
"""
UPSTREAM = """
[[upstream]]
name = "provider"
url = "https://api.example.com/v1"
api_key_secret = "provider"
models = { "bought" = "big-one", "built-in-other" = "other" }
[upstream.cost.bought]
input_tokens = { per = 1_000, CNY = "0.004" }
"""
Load = Callable[..., Catalog]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads the built-in catalog above with operators' files of these texts."""

    def load_texts(*texts: str, profile: str = "cpu") -> Catalog:
        built_in = tmp_path / "catalog.toml"
        built_in.write_text(BUILT_IN, encoding="utf-8")
        files = [tmp_path / f"operator{number}.toml" for number in range(1, len(texts) + 1)]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="utf-8")
        return load_catalog(profile, built_in, files)

    return load_texts


def problems(load: Load, *texts: str) -> list[str]:
    with pytest.raises(CatalogInvalid) as caught:
        load(*texts)
    return [problem.text for problem in caught.value.problems]


class TestAdditions:
    def test_model_without_weights_is_external_and_in_all_profiles(self, load: Load) -> None:
        for profile in ("cpu", "gpu"):
            model = load(NEW, profile=profile).models["bought"]
            assert (model.weights.kind, model.licence) == ("external", "not stated")
        assert "bought" not in load(NEW).run_by_own_servers().models

    def test_upstream_offers_model_of_another_profile(self, load: Load) -> None:
        catalog = load(NEW + UPSTREAM)
        other = catalog.models[OTHER]
        assert (other.weights.kind, other.concurrency, other.context_length) == (
            *("external", None, 4096),
        )
        assert [one.name for one in catalog.upstreams_of(OTHER)] == ["provider"]
        assert catalog.upstreams[0].costs["bought"]["CNY"] == {"input_tokens": 4_000}
        assert catalog.upstreams[0].secret_names == {"provider"}
        assert OTHER not in catalog.run_by_own_servers().models
        assert OTHER not in load().models

    def test_alias_is_found_as_its_model_also_by_another_alias(self, load: Load) -> None:
        catalog = load(f'[aliases]\n"gpt" = "{CHAT}"\n"older" = "gpt"\n"gone" = "{OTHER}"\n')
        assert catalog.aliases == {"gpt": CHAT, "older": CHAT}
        assert catalog.find("older") is catalog.models[CHAT]
        assert catalog.find("gone") is None

    def test_committed_catalog_accepts_an_empty_operator_file(self, tmp_path: Path) -> None:
        file = tmp_path / "empty.toml"
        file.write_text("")
        assert load_catalog("cpu", CATALOG_FILE, [file]).models == load_catalog("cpu").models


class TestChanges:
    def test_fields_are_changed_one_by_one(self, load: Load) -> None:
        changed = f"""
[[model]]
id = "{CHAT}"
description = "ours"
latency_ms = false
fallbacks = []
engine = {{ max_num_seqs = 4 }}
[model.meters]
output_tokens = {{ CNY = "4.00", USD = false }}
cached_input_tokens = {{ per = 1, CNY = "0" }}
"""
        model = load(changed).models[CHAT]
        assert (model.description, model.latency_ms, model.fallbacks) == ("ours", None, ())
        assert model.engine == {"dtype": "bfloat16", "max_num_seqs": 4}
        assert model.prices == {
            "CNY": {"input_tokens": 800, "output_tokens": 4000, "cached_input_tokens": 0},
            "USD": {"input_tokens": 110},
        }
        assert model.context_length == 4096

    def test_meter_is_removed_by_false(self, load: Load) -> None:
        text = f'[[model]]\nid = "{CHAT}"\nmeters = {{ output_tokens = false }}\n'
        assert set(load(text).models[CHAT].prices["CNY"]) == {"input_tokens"}

    def test_no_profiles_remove_a_model(self, load: Load) -> None:
        catalog = load(f'[[model]]\nid = "{CHAT}"\nprofiles = []\n')
        assert set(catalog.models) == {"vectors"}

    def test_changed_number_of_units_needs_all_currencies(self, load: Load) -> None:
        text = f'[[model]]\nid = "{CHAT}"\nmeters.input_tokens = {{ per = 1_000, CNY = "1" }}\n'
        (problem,) = problems(load, text)
        assert "`meters.input_tokens.per` changes the number of units" in problem
        assert "USD" in problem

    def test_entries_of_one_id_serve_a_profile_each(self, load: Load) -> None:
        entry = NEW.replace('task = "text', 'profiles = ["{0}"]\ntask = "text')
        both = entry.replace("{0}", "cpu") + entry.replace("{0}", "gpu").replace("8192", "9000")
        sizes = [
            load(both, profile=name).models["bought"].context_length for name in ("cpu", "gpu")
        ]
        assert sizes == [8192, 9000]

    def test_built_in_model_has_an_entry_per_profile_and_either_can_be_changed(
        self, tmp_path: Path
    ) -> None:
        entry = NEW.replace('task = "text', 'profiles = ["{0}"]\ntask = "text')
        built_in, operator = tmp_path / "catalog.toml", tmp_path / "operator.toml"
        built_in.write_text(entry.replace("{0}", "cpu") + entry.replace("{0}", "gpu"))
        operator.write_text('[[model]]\nid = "bought"\nprofiles = ["gpu"]\nlatency_ms = 9\n')

        def latency(profile: str) -> int | None:
            return load_catalog(profile, built_in, [operator]).models["bought"].latency_ms

        assert [latency(profile) for profile in ("cpu", "gpu")] == [None, 9]
        operator.write_text('[[model]]\nid = "bought"\nlatency_ms = 9\n')
        assert [latency(profile) for profile in ("cpu", "gpu")] == [9, 9]

    @pytest.mark.parametrize(
        ("old", "new"), [('"0.01"', '"0.02"'), ("text-generation", "embedding")]
    )
    def test_entries_of_one_id_have_one_task_and_price(
        self, load: Load, old: str, new: str
    ) -> None:
        entry = NEW.replace('task = "text', 'profiles = ["{0}"]\ntask = "text')
        second = entry.replace("{0}", "gpu").replace(old, new)
        found = problems(load, entry.replace("{0}", "cpu") + second)
        assert any("same task and prices in all profiles" in problem for problem in found)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (NEW.replace("context_length", "context_lenght"), "Did you mean `context_length`"),
            (NEW.replace("8192", '"8192"'), "`context_length` must be a whole number"),
            (NEW.replace("8192", "true"), "`context_length` must be a whole number"),
            (NEW.replace("text-generation", "text-generatio"), "Did you mean `text-generation`"),
            (NEW.replace("input_tokens", "input_token"), "Did you mean `input_tokens`"),
            (NEW.replace("CNY", "EUR"), "`meters.input_tokens.EUR` is an unknown currency"),
            (NEW.replace('"0.01"', "0.01"), "decimal in quotation marks"),
            (NEW.replace('"0.01"', '"0.0000000001"'), "whole number of nano-units"),
            (NEW.replace('"0.01"', '"1e99"'), "whole number of nano-units"),
            (NEW.replace('"0.01"', '"-1"'), "whole number of nano-units"),
            (NEW.replace("1_000", "0"), "`meters.input_tokens.per` must be"),
            (NEW.replace('id = "bought"', 'id = "a/b"'), "`id` must be letters"),
            (NEW.replace('id = "bought"', ""), "model number 1 is not valid: `id` is missing"),
            (NEW.replace('description = "d"', ""), "`description` is missing"),
            (NEW.replace("text-generation", "regression"), "`weights` is missing"),
            (NEW.replace("[model.meters]", 'adapter = "x"\n[model.meters]'), "only allowed with"),
            (NEW + NEW, "twice"),
            (
                NEW.replace("[model.m", 'route = { inputs = "ab" }\n[model.m'),
                "`route.inputs` must be",
            ),
            (NEW.replace("[model.m", "route = { task = 1 }\n[model.m"), "`route.task` must be"),
            (NEW.replace("[model.m", 'route = { tsk = "a" }\n[model.m'), "Did you mean `task`"),
            (NEW.replace("[model.m", "weights = { kind = 1 }\n[model.m"), "`weights.kind` must be"),
            (
                NEW.replace("[model.m", 'weights = { kind = "hubb", source = "x" }\n[model.m'),
                "Did you mean `hub`",
            ),
            ("[modell]\n", "`modell` is an unknown section. Did you mean `model`"),
            ("model = 1\n", "array of tables"),
            ("aliases = 1\n", "must be a table"),
            ('[aliases]\n"a" = 1\n', "as a text"),
            ('[aliases]\n"a" = "vectorz"\n', "Did you mean `vectors`"),
            ('[aliases]\n"a" = "b"\n"b" = "a"\n', "leads back to itself"),
            (f'[aliases]\n"{CHAT}" = "vectors"\n', "already the id of a model"),
            ('[aliases]\n"auto" = "vectors"\n', "already the id of a model"),
            ('[aliases]\n"a b" = "vectors"\n', "must be letters"),
            ("not toml", "is not valid"),
        ],
    )
    def test_problem_names_file_entry_and_field(self, load: Load, text: str, message: str) -> None:
        found = problems(load, text)
        assert any(message in problem for problem in found), found
        assert all("operator1.toml" in problem for problem in found)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("https://", "http://", "must begin with https"),
            ("https://api", "https://user:pw@api", "must not hold credentials"),
            ("https://api.example.com/v1", "ftp://x", "must be a URL"),
            ("https://api.example.com/v1", "https://x?key=1", "query or fragment"),
            ("https://api.example.com/v1", "https://x:99999", "is not a URL"),
            ('"provider"\nmodels', '"key"\nmodels', "must be the name of a secret"),
            ('"provider"\nmodels', '"sk-abc123"\nmodels', "must be the name of a secret"),
            ("big-one", "", "the model's name on the server"),
            ('"bought" =', '"boght" =', "is for a model that the upstream does not serve"),
            ('"built-in-other"', '"unknown"', "is not a model of the catalog"),
            ("models =", 'headers = { Authorization = "a" }\nmodels =', "is not a header"),
            ("models =", 'headers = { X-Org = "sk-1" }\nmodels =', "must be the name of a secret"),
            ("models =", "priority = 101\nmodels =", "whole number from 0 to 100"),
            ("models =", "prio = 1\nmodels =", "Did you mean `priority`"),
            ('name = "provider"', 'name = "own"', "`name` must be"),
        ],
    )
    def test_invalid_upstream_is_refused(
        self, load: Load, old: str, new: str, message: str
    ) -> None:
        found = problems(load, NEW + UPSTREAM.replace(old, new))
        assert any(message in problem for problem in found), found

    def test_http_with_secrets_is_allowed_to_private_addresses(self, load: Load) -> None:
        for url in ("http://10.1.0.9:8000/v1", "http://127.0.0.1:1/v1", "http://localhost:1"):
            upstream = UPSTREAM.replace("https://api.example.com/v1", url)
            assert load(NEW + upstream).upstreams[0].url == url

    def test_one_id_in_two_operator_files_is_refused(self, load: Load) -> None:
        (problem,) = problems(load, NEW, NEW)
        assert "operator2.toml" in problem
        assert "operator1.toml defines it too" in problem

    def test_one_upstream_or_alias_in_two_files_is_refused(self, load: Load) -> None:
        twice = problems(load, NEW + UPSTREAM, UPSTREAM)
        assert any("Give each upstream its own name" in problem for problem in twice)
        alias = '[aliases]\n"a" = "vectors"\n'
        (problem,) = problems(load, alias, alias)
        assert "operator1.toml too" in problem

    def test_all_problems_are_reported_at_once(self, load: Load) -> None:
        wrong = NEW.replace("8192", "0").replace("CNY", "EUR") + UPSTREAM.replace("https", "http")
        assert len(problems(load, wrong, "nonsense")) >= 4

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CatalogInvalid, match=r"nowhere\.toml.*cannot be read"):
            load_catalog("cpu", operator_files=[tmp_path / "nowhere.toml"])


def toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(one)}' for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("section", ["model", "upstream"])
def test_any_value_of_any_field_is_valid_or_a_problem(
    load: Load, tmp_path: Path, section: str
) -> None:
    """Nothing but CatalogInvalid is raised, whatever a file holds."""
    load()  # writes the built-in catalog
    document = tomllib.loads(NEW + UPSTREAM)
    fields = MODEL_FIELDS if section == "model" else UPSTREAM_FIELDS
    values = [
        *(0, -1, 1, 10**30, 1.5, True, False, "", "x", "a" * 1000, "\\", [], [1], [[]], ["x"], {}),
        *({"x": 1}, {"x": {}}, {"x": False}, {"per": 1}, {"input_tokens": {"per": 1, "CNY": "1"}}),
        *({"input_tokens": {"per": True, "CNY": "Infinity"}}, {"bought": {"rows": 1}}, [{"a": []}]),
    ]
    file = tmp_path / "any.toml"
    for field in fields:
        for value in values:
            entry = {**document[section][0], field: value}
            other = "upstream" if section == "model" else "model"
            file.write_text(
                f"{section} = [{toml(entry)}]\n{other} = {toml(document[other])}\n", "utf-8"
            )
            with suppress(CatalogInvalid):
                load_catalog("cpu", tmp_path / "catalog.toml", [file])


@pytest.mark.parametrize("name", ["operators-guide.md", "operators-guide.zh.md"])
def test_example_of_the_guide_is_valid(tmp_path: Path, name: str) -> None:
    document = (CATALOG_FILE.parent.parent / "docs" / name).read_text("utf-8")
    file = tmp_path / "example.toml"
    file.write_text(document.partition("```toml\n")[2].partition("```")[0], "utf-8")
    catalog = load_catalog("cpu", operator_files=[file])
    assert len(catalog.upstreams) == 1
    assert set(catalog.upstreams[0].models) <= set(catalog.models)
