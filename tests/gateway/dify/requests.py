"""The bodies of Dify's requests, with the fields that it always sends."""

from typing import Any

# `Accept-Charset` is sent with every chat.
HEADERS = {"accept-charset": "utf-8"}
PING = {"messages": [{"role": "user", "content": "ping"}]}
TOOL = {
    "type": "function",
    "function": {
        "name": "read_pump",
        "description": "Read the pressure of a pump.",
        "parameters": {
            "type": "object",
            "properties": {"pump": {"type": "string", "description": "number of the pump"}},
            "required": ["pump"],
        },
    },
}
SYSTEM = {"role": "system", "content": "Answer briefly."}
QUESTION = {"role": "user", "content": "How much pressure has P-1?"}


def chat_body(model: str, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A streamed chat of a workflow or an agent, with the parameters of the model's form."""
    return {
        "model": model,
        "stream": True,
        "temperature": 0.7,
        "top_p": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "max_tokens": 8,
        "stream_options": {"include_usage": True},
        "messages": messages,
        "stop": ["\nObservation:"],
        "user": "5e7b0a3c-2f1d-4a7e-9c61-0d5f3a1b2c4d",
        **fields,
    }


def with_result(call: dict[str, Any], result: str) -> list[dict[str, Any]]:
    """The messages of an agent after its tool was called."""
    assistant = {"role": "assistant", "content": "", "tool_calls": [call]}
    tool = {"role": "tool", "content": result, "tool_call_id": call["id"]}
    return [SYSTEM, QUESTION, assistant, tool]
