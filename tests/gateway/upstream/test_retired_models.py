"""Calls to models that were removed from the catalog: the error names the replacement."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import build_components
from gateway.call.errors import ModelNotFound
from gateway.upstream.availability import find_catalog_model
from infra.clock import SystemClock
from infra.settings import SettingsInvalid
from tests.support import builders
from tests.support.builders import CATALOG, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import Maas
from tests.support.gateway.errors import error_of

RETIRED = "minilm-l6-v2"
REPLACEMENT = CATALOG.retired[RETIRED]
MESSAGE = f"The model {RETIRED!r} has been removed. Use {REPLACEMENT!r} instead."


def test_retired_model_error_names_replacement() -> None:
    with pytest.raises(ModelNotFound, match=MESSAGE) as caught:
        find_catalog_model(CATALOG, RETIRED)
    assert (caught.value.status, caught.value.param) == (404, "model")


def test_unknown_model_error_names_no_replacement() -> None:
    with pytest.raises(ModelNotFound, match="'nope' does not exist") as caught:
        find_catalog_model(CATALOG, "nope")
    assert "instead" not in caught.value.message


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": RETIRED, "input": "a"}),
        ("/v1/chat/completions", {"model": RETIRED, "messages": [{"role": "user", "content": ""}]}),
        ("/v1/predictions", {"model": RETIRED, "instances": [{"a": 1}]}),
        ("/v1/quote", {"model": RETIRED, "input": "a"}),
    ],
)
async def test_call_to_retired_model_returns_404_and_is_not_sent(
    gateway: Gateway, upstream: FakeUpstream, path: str, body: dict[str, Any]
) -> None:
    answer = await gateway.http.post(path, json=body)
    _is_refused(answer)
    assert not upstream.received


async def test_call_to_retired_model_writes_row_without_cost(gateway: Gateway) -> None:
    await gateway.http.post("/v1/embeddings", json={"model": RETIRED, "input": "a"})
    row = await gateway.row()
    assert (row["settlement"], row["error_code"]) == ("refused", "model_not_found")
    assert row["cost"] == "0.000000000"


async def test_model_list_has_replacement_and_omits_retired_model(gateway: Gateway) -> None:
    listed = {model["id"] for model in (await gateway.http.get("/v1/models")).json()["data"]}
    assert REPLACEMENT in listed
    assert RETIRED not in listed
    _is_refused(await gateway.http.get(f"/v1/models/{RETIRED}"))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_open_inference_error_for_retired_model_names_replacement(
    gateway: Gateway, method: str
) -> None:
    path = f"/v2/models/{RETIRED}" + ("/infer" if method == "POST" else "")
    answer = await gateway.http.request(method, path, json={"inputs": []})
    assert answer.status_code == 404
    assert MESSAGE in answer.text


async def test_files_check_command_for_retired_model_names_replacement(
    maas: Maas, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("{}")
    code, output = await maas.run("files", "check", str(file), "--model", RETIRED, "--json")
    assert code == 1
    assert MESSAGE in output


def test_server_setting_with_retired_model_is_rejected_at_startup(tmp_path: Path) -> None:
    settings = builders.settings("postgresql://none", tmp_path, f"{RETIRED}=http://127.0.0.1:1")
    with pytest.raises(SettingsInvalid, match=f"use {REPLACEMENT!r} instead"):
        build_components(settings, SystemClock(), CATALOG)


def _is_refused(answer: httpx.Response) -> None:
    error = error_of(answer)
    assert answer.status_code == 404
    assert error["message"].startswith(MESSAGE)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert error["type"] == "invalid_request_error"
