"""Code samples of a playground call in Python, curl and JavaScript.

The body is the one that the playground sends. The API key is read from the environment, since its
secret cannot be shown again.
"""

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from typing import Any

from gateway.dashboard.pages.playground.form import PlaygroundRequest
from gateway.inference.endpoints.chat import CHAT


def code_samples(call: PlaygroundRequest, base_url: str) -> Mapping[str, str]:
    """Return the code of a call, by language."""
    python = _python_openai if call.endpoint is CHAT else _python_httpx
    return {
        "Python": python(call, base_url),
        "curl": _curl(call, base_url),
        "JavaScript": _javascript(call, base_url),
    }


def _python_openai(call: PlaygroundRequest, base_url: str) -> str:
    """Return a sample with the OpenAI SDK."""
    arguments = "".join(
        f"    {name}={_python_literal(value)},\n" for name, value in call.body.items()
    )
    return f"""import os

from openai import OpenAI

client = OpenAI(base_url="{base_url}/v1", api_key=os.environ["MAAS_API_KEY"])
stream = client.chat.completions.create(
{arguments})
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="")
"""


def _python_httpx(call: PlaygroundRequest, base_url: str) -> str:
    """Return a sample with httpx."""
    return f"""import os

import httpx

answer = httpx.post(
    "{base_url}{call.endpoint.path}",
    headers={{"Authorization": "Bearer " + os.environ["MAAS_API_KEY"]}},
    json={_python_literal(dict(call.body))},
)
print(answer.json())
"""


def _curl(call: PlaygroundRequest, base_url: str) -> str:
    """Return a sample with curl."""
    body = shlex.quote(json.dumps(call.body, ensure_ascii=False, indent=2))
    return f"""curl -N {base_url}{call.endpoint.path} \\
  -H "Authorization: Bearer $MAAS_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d {body}
"""


def _javascript(call: PlaygroundRequest, base_url: str) -> str:
    """Return a sample with fetch."""
    body = json.dumps(call.body, ensure_ascii=False, indent=2).replace("\n", "\n  ")
    read_stream = """for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
  console.log(part);
}"""
    print_answer = read_stream if call.endpoint is CHAT else "console.log(await answer.json());"
    return f"""const answer = await fetch("{base_url}{call.endpoint.path}", {{
  method: "POST",
  headers: {{
    Authorization: `Bearer ${{process.env.MAAS_API_KEY}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify({body}),
}});
{print_answer}
"""


def _python_literal(value: Any) -> str:
    """Format a value as an indented Python literal."""
    return pformat(value, width=88, sort_dicts=False).replace("\n", "\n    ")
