"""Training files of dialogues about work orders."""

import json
from typing import Any


def line(question: str, answer: str, system: str | None = None) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return {"messages": messages}


def file(*lines: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(one, ensure_ascii=False) for one in lines).encode()


def orders(count: int) -> list[dict[str, Any]]:
    return [line(f"工单 {at}: pump {at} leaks", f"answer {at % 3}") for at in range(count)]
