"""The code of a call, as a developer takes it over: Python, curl, JavaScript.

The same body as the playground sends, without the key's secret, which nobody can be shown again.
Pure.
"""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any

from gateway.call.values import Operation
from gateway.dashboard.pages.playground_form import Wish


def code_of(wish: Wish, base: str) -> Mapping[str, str]:
    """By language."""
    python = _openai if wish.operation is Operation.CHAT else _httpx
    return {"Python": python(wish, base), "curl": _curl(wish, base), "JavaScript": _js(wish, base)}


def _openai(wish: Wish, base: str) -> str:
    said = "".join(f"    {name}={_python(value)},\n" for name, value in wish.body.items())
    return f"""import os

from openai import OpenAI

client = OpenAI(base_url="{base}/v1", api_key=os.environ["MAAS_API_KEY"])
stream = client.chat.completions.create(
{said})
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="")
"""


def _httpx(wish: Wish, base: str) -> str:
    return f"""import os

import httpx

answer = httpx.post(
    "{base}{wish.path}",
    headers={{"Authorization": "Bearer " + os.environ["MAAS_API_KEY"]}},
    json={_python(dict(wish.body))},
)
print(answer.json())
"""


def _curl(wish: Wish, base: str) -> str:
    body = shlex.quote(json.dumps(wish.body, ensure_ascii=False, indent=2))
    return f"""curl -N {base}{wish.path} \\
  -H "Authorization: Bearer $MAAS_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d {body}
"""


def _js(wish: Wish, base: str) -> str:
    body = json.dumps(wish.body, ensure_ascii=False, indent=2).replace("\n", "\n  ")
    reading = """for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
  console.log(part);
}"""
    shown = reading if wish.operation is Operation.CHAT else "console.log(await answer.json());"
    return f"""const answer = await fetch("{base}{wish.path}", {{
  method: "POST",
  headers: {{
    Authorization: `Bearer ${{process.env.MAAS_API_KEY}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify({body}),
}});
{shown}
"""


def _python(value: Any) -> str:
    return pformat(value, width=88, sort_dicts=False).replace("\n", "\n    ")
