"""The curl examples of docs/admin-api.md, and the declarations of the endpoints."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import httpx
import pytest

from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import SCOPE_OPTION
from gateway.api.admin.router import ADMIN_PATH, ADMIN_ROUTES
from tests.support.builders import Gateway
from tests.support.gateway.admin_keys import issue

DOCS = Path(__file__).parents[4] / "docs"


def examples(name: str) -> list[str]:
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(r"^    (curl .*)$", text, re.MULTILINE)


def test_both_languages_have_the_same_examples_and_scopes() -> None:
    assert examples("admin-api.md") == examples("admin-api.zh.md") != []
    for name in ("admin-api.md", "admin-api.zh.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        assert [scope for scope in AdminScope if f"`{scope}`" not in text] == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_examples_succeed_in_their_order(gateway: Gateway) -> None:
    key = await issue(gateway)
    environment = {**os.environ, "MAAS": gateway.url, "ADMIN_KEY": key.secret, "NO_PROXY": "*"}
    for command in examples("admin-api.md"):
        running = await asyncio.create_subprocess_shell(
            command, env=environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await running.communicate()
        assert running.returncode == 0, command
        assert "error" not in json.loads(out), (command, out)


async def test_each_endpoint_is_in_the_document_with_a_scope(
    gateway: Gateway, admin: httpx.AsyncClient
) -> None:
    paths = (await admin.get("/openapi.json")).json()["paths"]
    listed = {
        (path, method) for path in paths for method in paths[path] if path.startswith(ADMIN_PATH)
    }
    assert len(listed) > 60
    tags = {tag for path, method in listed for tag in paths[path][method]["tags"]}
    assert tags == {"Administration"}
    for controller in ADMIN_ROUTES:
        for name, handler in vars(controller).items():
            if hasattr(handler, "opt"):
                assert handler.opt.get(SCOPE_OPTION) in set(AdminScope), (controller, name)
    text = await gateway.http.get("/openapi.json")
    assert '"admin_key"' in text.text
