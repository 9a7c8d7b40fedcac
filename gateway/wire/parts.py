"""Parts of a message: pictures, sounds and films come with a request and are fetched from nowhere.

An engine that understands them fetches what an address names, from within the plant's or the
operator's own network; so an address is refused here, whichever model is asked.
"""

from collections.abc import Sequence

import msgspec

from gateway.call.errors import ParameterInvalid

_PART = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ADDRESS = msgspec.json.Decoder(str | dict[str, object] | None)
_ENDS, _INLINE = "_url", "data:"


def require_inline(content: str | Sequence[msgspec.Raw] | None, where: str) -> None:
    """Raises ParameterInvalid where a part names an address of something to fetch."""
    if content is None or isinstance(content, str):
        return
    for number, part in enumerate(content):
        for name, raw in _fields(part).items():
            if name.endswith(_ENDS) and not _is_inline(raw):
                place = f"{where}[{number}].{name[:60]}"
                raise ParameterInvalid(
                    f"`{place}`: nothing is fetched from an address. Send it as `data:…;base64,…`.",
                    param=place,
                )


def _fields(part: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return _PART.decode(part)
    except (msgspec.MsgspecError, RecursionError):
        return {}  # a text, or nothing that an engine takes


def _is_inline(raw: msgspec.Raw) -> bool:
    try:
        address = _ADDRESS.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    if isinstance(address, dict):
        address = address.get("url")
    return address is None or (isinstance(address, str) and address.startswith(_INLINE))
