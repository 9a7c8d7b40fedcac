"""Bodies of `/v1/predictions` that name an asset: how they are recognised, and how they are priced.

What the inputs of an asset are is known only when its readings are read, in the call itself
(gateway/plant/predictions/). The price is that of one row.
"""

from typing import Any

import msgspec

from gateway.call.errors import ParameterInvalid
from models.catalog import AUTO

# A request that cannot name an asset is recognised without parsing it.
ASSET_MARK = b'"asset"'
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def priced_prediction_body(body: bytes) -> bytes:
    """Return a body with one row in place of an asset; other bodies are unchanged.

    Raises ParameterInvalid for `auto`, whose model depends on the readings' task.
    """
    if ASSET_MARK not in body:
        return body
    try:
        fields = _OBJECT.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body  # the decoder of the endpoint says what is wrong
    if not isinstance(fields.get("asset"), str) or "instances" in fields:
        return body
    if fields.get("model") == AUTO:
        message = "Name the model: `auto` with an asset can be priced only in the call itself."
        raise ParameterInvalid(message, param="model")
    left = {name: value for name, value in fields.items() if name not in ("asset", "asset_options")}
    return msgspec.json.encode({**left, "instances": [{"": 0.0}]})
