"""Reject content parts with URLs to fetch: images, audio and video must be inline (`data:` URLs).

A multimodal engine would fetch a URL from within the plant's or the operator's own network
(server-side request forgery), so URLs are rejected for every model.
"""

from collections.abc import Sequence

import msgspec

from gateway.call.errors import ParameterInvalid

_PART = msgspec.json.Decoder(dict[str, msgspec.Raw])
_URL = msgspec.json.Decoder(str | dict[str, object] | None)
_URL_SUFFIX, _DATA_SCHEME = "_url", "data:"


def require_inline(content: str | Sequence[msgspec.Raw] | None, path: str) -> None:
    """Raise ParameterInvalid if a content part has a URL that is not a `data:` URL."""
    if content is None or isinstance(content, str):
        return
    for number, part in enumerate(content):
        for name, raw in _decode_part(part).items():
            if name.endswith(_URL_SUFFIX) and not _is_inline(raw):
                param = f"{path}[{number}].{name[:60]}"
                raise ParameterInvalid(
                    f"`{param}`: URLs are not fetched. Send the content as `data:…;base64,…`.",
                    param=param,
                )


def _decode_part(part: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the fields of a content part, none if the part is not a JSON object."""
    try:
        return _PART.decode(part)
    except (msgspec.MsgspecError, RecursionError):
        return {}  # a string, or a value that engines reject


def _is_inline(raw: msgspec.Raw) -> bool:
    """Return whether a URL field is a `data:` URL or has no URL. False if it is malformed."""
    try:
        url = _URL.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    if isinstance(url, dict):
        url = url.get("url")
    return url is None or (isinstance(url, str) and url.startswith(_DATA_SCHEME))
