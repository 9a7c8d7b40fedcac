"""`maas up --model`: the catalog file of another language model, and models that cannot be had."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import gateway.cli.process.up
from gateway.cli.models.served import ModelNotObtainable, find_served_model, render_catalog_file
from gateway.cli.output import Output
from infra.settings import Settings
from models.catalog import Task, load_catalog, load_configured_catalog
from tests.support.builders import CATALOG, CHAT, INDUSTRIAL
from tests.support.gateway.commands import invoke, leave_logs_alone

QWEN = {"architectures": ["Qwen2ForCausalLM"], "max_position_embeddings": 131_072}


def folder_of(path: Path, config: Any) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    (path / "model.safetensors").touch()
    return path


def answers(status: int, text: str = "") -> Callable[[str], httpx.Response]:
    return lambda _url: httpx.Response(status, text=text)


def unreachable(_url: str) -> httpx.Response:
    raise httpx.ConnectTimeout("hangs")


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


@pytest.mark.parametrize(("profile", "context"), [("cpu", 8192), ("gpu", 32_768)])
def test_written_file_is_a_valid_catalog(tmp_path: Path, profile: str, context: int) -> None:
    folder = folder_of(tmp_path / "My Model 1.5B", QWEN)
    model = find_served_model(str(folder))
    file = tmp_path / "served.toml"
    file.write_text(render_catalog_file(model, profile, CATALOG.models[CHAT].prices))
    served = load_catalog(profile, operator_files=[file]).models["my-model-1.5b"]
    assert (served.weights.kind, served.weights.source) == ("hub", str(folder))
    assert served.context_length == context
    assert served.prices == CATALOG.models[CHAT].prices
    assert served.engine["tool_call_parser"] == "hermes"
    assert served.concurrency == (16 if profile == "cpu" else 256)


def test_other_language_models_are_removed_on_request(tmp_path: Path) -> None:
    model = find_served_model("org/m", answers(200, json.dumps(QWEN)))
    prices, texts = CATALOG.models[CHAT].prices, CATALOG.with_task(Task.TEXT_GENERATION)
    file = tmp_path / "served.toml"
    file.write_text(render_catalog_file(model, "cpu", prices, texts))
    models = load_catalog("cpu", operator_files=[file]).models
    assert "m" in models
    assert not {text.id for text in texts} & set(models)


def test_hub_id_in_the_local_cache_needs_no_hub(tmp_path: Path) -> None:
    folder_of(tmp_path / "hf/hub/models--org--Small/snapshots/abc", QWEN)
    model = find_served_model("org/Small", unreachable)
    assert (model.id, model.source) == ("small", "org/Small")


def test_nested_configuration_gives_the_context_length() -> None:
    config = {"architectures": ["Qwen3_5ForConditionalGeneration"]}
    config |= {"text_config": {"max_position_embeddings": 2048}}  # type: ignore[dict-item]
    model = find_served_model("org/m", answers(200, json.dumps(config)))
    assert model.context_length("gpu") == 2048
    without = find_served_model(
        "org/m", answers(200, json.dumps({"architectures": ["XForCausalLM"]}))
    )
    assert without.context_length("gpu") == 4096


@pytest.mark.parametrize(
    ("fetch", "message"),
    [
        (unreachable, "cannot be reached"),
        (answers(403), "HF_TOKEN"),
        (answers(401), "HF_TOKEN"),
        (answers(404), "Check the id"),
        (answers(200, "<html>"), "not JSON"),
        (answers(200, "[]"), "not JSON"),
        (answers(200, '{"architectures": ["BertModel"]}'), "is BertModel"),
        (answers(200, "{}"), "not stated"),
    ],
)
def test_hub_without_the_model_is_a_clear_error(
    fetch: Callable[[str], httpx.Response], message: str
) -> None:
    with pytest.raises(ModelNotObtainable, match=message):
        find_served_model("org/m", fetch)


def test_unusable_folder_or_name_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelNotObtainable, match="no weights"):
        find_served_model(str(tmp_path))
    (tmp_path / "x.bin").touch()
    with pytest.raises(ModelNotObtainable, match=r"config\.json"):
        find_served_model(str(tmp_path))
    for name in ("nowhere", "/no/such/folder", "a/b/c"):
        with pytest.raises(ModelNotObtainable, match="neither a folder nor"):
            find_served_model(name)


@pytest.mark.parametrize("only", [False, True])
async def test_command_passes_the_written_file_to_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: bool
) -> None:
    started: list[tuple[Settings, str | None]] = []

    def start(settings: Settings, _output: Output, model_id: str | None = None) -> None:
        started.append((settings, model_id))

    monkeypatch.setattr(gateway.cli.process.up, "run_service", start)
    leave_logs_alone(monkeypatch)
    folder, data = folder_of(tmp_path / "tiny", QWEN), tmp_path / "data"
    more = ["--only"] if only else []
    code, out = await invoke({"MAAS_DATA_DIR": str(data)}, "up", "--model", str(folder), *more)
    assert code == 0, out
    ((settings, model_id),) = started
    assert (settings.catalog, model_id) == ((data / "served-model.toml",), "tiny")
    models = load_configured_catalog(settings).models
    assert "output_tokens" in models["tiny"].prices["CNY"]
    assert (INDUSTRIAL in models) is not only


async def test_command_refuses_model_with_other_servers_and_only_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_logs_alone(monkeypatch)
    environment = {"MAAS_DATA_DIR": str(tmp_path), "MAAS_SERVING_URL": "http://127.0.0.1:9"}
    code, out = await invoke(environment, "up", "--model", "org/m", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "model_not_obtainable")
    code, _ = await invoke(environment, "up", "--only")
    assert code == 2
