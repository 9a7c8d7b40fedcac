"""Error responses of the fake model server, as engines and their front ends send them."""

from aiohttp import web

CONTEXT_TOO_LONG = (
    "Message: This model's maximum context length is 4096 tokens. However, you requested 4 output "
    "tokens and your prompt contains at least 4093 input tokens (parameter=input_tokens, "
    "value=4093) (Request ID: 1), Internal exception: ray.llm._internal.Foo, original exception: "
)


def unfit(message: str) -> web.Response:
    """The engine's error for a request that it cannot serve."""
    error = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
    return web.json_response({"error": error}, status=400)


def refusal_of(verb: str) -> web.Response | None:
    """The error that a behaviour consists of; None if it is another behaviour."""
    match verb:
        case "too-long":
            error = {"message": CONTEXT_TOO_LONG, "type": "OpenAIHTTPException", "param": None}
            return web.json_response({"error": {**error, "code": 400}}, status=400)
        case "not-loaded":
            message = "Message: variant_not_loaded (Request ID: 1), Internal exception: None"
            error = {"message": message, "type": "OpenAIHTTPException", "param": None, "code": 404}
            return web.json_response({"error": error}, status=404)
        case "unknown-fault":
            return web.json_response(
                {"error": {"message": "secret /srv/x", "code": 400}}, status=400
            )
        case "unserved":
            return web.json_response({"detail": 'Could not find "nope".'}, status=404)
        case "busy":
            return web.Response(status=503, text="<html>no server</html>")
        case "fault":
            return web.Response(status=500, text="Traceback (most recent call last): secret")
        case _:
            return None
