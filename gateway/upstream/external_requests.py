"""Rewrite a request for an upstream of the catalog: path, model name, fields and secrets.

Own servers run vLLM and get fields that other servers do not know.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from gateway.call.values import UpstreamRequest, UpstreamTarget
from gateway.wire.reasoning import without_own_fields

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STREAM_OPTIONS = msgspec.Raw(b'{"include_usage":true}')
_VERSION_PREFIX = "/v1"
# Some providers refuse requests without a user agent.
_HEADERS: Mapping[str, str] = MappingProxyType({"accept": "*/*", "user-agent": "maas-gateway"})


def external_path(path: str) -> str:
    """Return the path below the upstream's base URL, which has the API version if there is one."""
    return path.removeprefix(_VERSION_PREFIX)


def external_body(upstream_request: UpstreamRequest) -> bytes:
    """Return the body with the upstream's name of the model, without fields of own servers."""
    fields = _FIELDS.decode(upstream_request.request.body)
    fields = without_own_fields(fields)
    fields["model"] = msgspec.Raw(msgspec.json.encode(upstream_request.upstream.model_name))
    if "stream_options" in fields:
        fields["stream_options"] = _STREAM_OPTIONS
    return msgspec.json.encode(fields)


def rename_model(response: bytes, model_id: str) -> bytes:
    """Return a response's JSON object with our id in the place of the upstream's model name."""
    fields = _FIELDS.decode(response)
    return msgspec.json.encode({**fields, "model": model_id})


def external_headers(upstream: UpstreamTarget) -> dict[str, str]:
    """Return the headers for an upstream, with the values of its secrets."""
    secrets = {name: value.get_secret_value() for name, value in upstream.secret_headers.items()}
    return {**_HEADERS, **secrets}
