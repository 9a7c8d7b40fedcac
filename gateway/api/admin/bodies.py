"""The bodies of all endpoints for admin keys by path, for the OpenAPI document."""

from collections.abc import Mapping

import msgspec

from gateway.api.admin import accounts, keys, limits, wallets

BODIES: Mapping[str, type[msgspec.Struct]] = {
    **accounts.BODIES,
    **keys.BODIES,
    **limits.BODIES,
    **wallets.BODIES,
}
