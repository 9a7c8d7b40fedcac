"""The READMEs' lists of OpenAI endpoints, checked against the gateway."""

import re
from pathlib import Path

import pytest

from tests.support.builders import Gateway

ROOT = Path(__file__).parents[3]
# The sentence with each list, up to the next sentence.
ENGLISH = (
    r"official OpenAI clients work unchanged for (.*?)\. Not",
    r"Not implemented \(404\):(.*?)\. `file",
)
CHINESE = (r"- \*\*面向开发者\*\*：(.*?)与 OpenAI", r"未实现（返回 404）：(.*?)。对话")


def listed(name: str, pattern: str) -> list[str]:
    found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return re.findall(r"`([\w/]+)`", found[1])


async def is_there(gateway: Gateway, endpoint: str) -> bool:
    """Whether GET or POST finds the endpoint; errors about the empty body do not count."""
    answers = [
        await gateway.http.get(f"/v1/{endpoint}"),
        await gateway.http.post(f"/v1/{endpoint}", json={}),
    ]
    codes = [one.json().get("error", {}).get("code") for one in answers]
    return codes != ["unsupported_endpoint"] * 2


@pytest.mark.parametrize(("name", "patterns"), [("README.md", ENGLISH), ("README.zh.md", CHINESE)])
async def test_readme_lists_match_the_implemented_openai_endpoints(
    gateway: Gateway, name: str, patterns: tuple[str, str]
) -> None:
    there, absent = (listed(name, one) for one in patterns)
    assert (len(there), len(absent)) == (11, 4)
    assert [one for one in there if not await is_there(gateway, one)] == []
    assert [one for one in absent if await is_there(gateway, one)] == []
