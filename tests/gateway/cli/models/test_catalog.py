"""`maas models check`: all problems, warnings and changes of catalog files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.catalog import load_catalog
from models.catalog.profiles import PROFILES
from tests.support.builders import INDUSTRIAL
from tests.support.fakes.provider import run_fake_provider
from tests.support.gateway.commands import invoke, leave_logs_alone

FILE = f"""
[aliases]
"small" = "{INDUSTRIAL}"

[[model]]
id = "bought"
task = "text-generation"
description = "d"
context_length = 8192
[model.meters]
input_tokens = {{ per = 1_000_000, CNY = "2.00" }}
cached_input_tokens = {{ per = 1_000_000, CNY = "0.50" }}

[[model]]
id = "{INDUSTRIAL}"
latency_ms = 60
[model.meters]
input_tokens = {{ CNY = "0.90" }}

[[upstream]]
name = "provider"
url = "https://api.example.com/v1"
api_key_secret = "provider"
models = {{ "bought" = "big" }}
[upstream.cost.bought]
input_tokens = {{ per = 1_000_000, CNY = "1.00" }}
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    leave_logs_alone(monkeypatch)
    return {"MAAS_DATA_DIR": str(tmp_path)}


async def check(
    environment: Mapping[str, str], folder: Path, *texts: str, code: int = 0
) -> dict[str, Any]:
    files = [folder / f"file{number}.toml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    names = [str(file) for file in files]
    exit_code, out = await invoke(environment, "models", "check", *names, "--json")
    assert exit_code == code, out
    found: dict[str, Any] = json.loads(out)
    assert found["files"] == names
    assert found["valid"] is (code == 0)
    return found


# Of the same model in each profile.
BUILT_IN_LATENCIES = {
    profile: load_catalog(profile).models[INDUSTRIAL].latency_ms for profile in PROFILES
}


async def test_changes_are_listed(environment: Mapping[str, str], tmp_path: Path) -> None:
    changes = (await check(environment, tmp_path, FILE))["changes"]
    assert [(one["entry"], one["field"], one["before"], one["after"]) for one in changes] == [
        *(
            change
            for profile, latency in BUILT_IN_LATENCIES.items()
            for change in (
                (f"the model '{INDUSTRIAL}' ({profile})", "prices.CNY.input_tokens", 800, 900),
                (f"the model '{INDUSTRIAL}' ({profile})", "latency_ms", latency, 60),
            )
        ),
        ("the model 'bought'", "", None, "d"),
        ("the alias 'small'", "", None, INDUSTRIAL),
        ("the upstream 'provider'", "", None, "https://api.example.com/v1"),
    ]


async def test_warnings_name_price_below_cost_and_secrets(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    secrets = {"MAAS_SECRET_UNUSED": "x", "MAAS_SECRET_KEY": "k" * 32}
    found = await check({**environment, **secrets}, tmp_path, FILE)
    assert [(one["entry"], one["message"][:60]) for one in found["warnings"]] == [
        ("the upstream 'provider'", "The secret `provider` is not set here; gateways without it d"),
        ("the secret `unused`", "No upstream uses it."),
        # Cached tokens without a cost of their own cost as much as others.
        (
            "the model 'bought' on the upstream 'provider'",
            "The list price of 1,000,000 cached_input_tokens is CNY 0.5, "[:60],
        ),
    ]
    assert "k" * 32 not in str(found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("context_length = 8192", "", "context_length` is not set"),
        ('{ "bought" = "big" }', "{}", "No upstream serves it"),
        ('CNY = "0.50" }', 'CNY = "0.50", USD = "1" }', "There is no cost in USD"),
        ("https://api.example.com", "http://10.0.0.1", "sent without TLS"),
        (
            "\n[upstream.cost.bought]\ninput_tokens",
            "\n[upstream.cost.bought]\nrows",
            "margin is unknown",
        ),
    ],
)
async def test_probable_mistake_is_warned_of(
    environment: Mapping[str, str], tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = FILE.replace(old, new)
    if "{}" in text:
        text = text[: text.index("[upstream.cost")]
    warnings = (await check(environment, tmp_path, text))["warnings"]
    assert any(message in one["message"] for one in warnings), warnings


async def test_all_problems_are_listed_with_exit_code_1(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    wrong = FILE.replace("latency_ms", "latency").replace("https", "http")
    found = await check(environment, tmp_path, wrong, "[x]", code=1)
    assert [(Path(one["file"]).name, one["field"]) for one in found["problems"]] == [
        ("file1.toml", "x"),
        ("file0.toml", "latency"),
        ("file0.toml", "url"),
    ]
    assert (found["warnings"], found["changes"]) == ([], [])


async def test_route_for_unknown_task_is_refused(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    wrong = FILE.replace("context_length", 'route = { task = "alchemy" }\ncontext_length')
    found = await check(environment, tmp_path, wrong, code=1)
    assert "'alchemy'" in found["problems"][0]["message"]


async def test_text_output_says_the_same(environment: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(FILE)
    more = {**environment, "MAAS_CATALOG": str(file)}
    code, out = await invoke(more, "models", "check")
    assert code == 0, out
    assert "The catalog is valid." in out
    assert "Change: the alias 'small' is new" in " ".join(out.split())
    file.write_text("[x]")
    code, out = await invoke(more, "models", "check")
    assert code == 1
    assert "`x` is an unknown section" in " ".join(out.split())


@pytest.mark.usefixtures("network")
async def test_models_lists_upstreams_with_their_state(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    async with run_fake_provider() as provider:
        file = tmp_path / "catalog.toml"
        file.write_text(FILE.replace("https://api.example.com/v1", provider.url))
        more = {**environment, "MAAS_CATALOG": str(file), "MAAS_SERVING_URL": "http://127.0.0.1:9"}
        for key, state in (("", "secret_missing"), ("wrong", "credentials_rejected")):
            code, out = await invoke({**more, "MAAS_SECRET_PROVIDER": key}, "models", "--json")
            assert code == 0, out
            rows = {row["id"]: row for row in json.loads(out.splitlines()[-1])}
            assert rows["bought"]["upstreams"] == [{"name": "provider", "state": state}]
            assert rows[INDUSTRIAL]["aliases"] == ["small"]
        code, out = await invoke({**more, "MAAS_SECRET_PROVIDER": provider.key}, "models")
        assert code == 0
        assert "state: working" in out
        assert provider.key not in out


@pytest.mark.usefixtures("network")
async def test_models_shows_why_files_are_invalid_and_lists_built_in_models(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text("[x]")
    more = {**environment, "MAAS_CATALOG": str(file), "MAAS_SERVING_URL": "http://127.0.0.1:9"}
    code, out = await invoke(more, "models")
    assert code == 1
    assert "`x` is an unknown section" in " ".join(out.split())
    assert "keep the last valid catalog" in " ".join(out.split())
    assert INDUSTRIAL in out
