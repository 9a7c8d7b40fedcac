"""The bodies of all endpoints for admin keys by path, for the OpenAPI document."""

from collections.abc import Mapping

import msgspec

from gateway.api.admin import accounts, keys, limits, wallets
from gateway.api.organization import admin_api_keys, invites, users

BODIES: Mapping[str, type[msgspec.Struct]] = {
    **accounts.BODIES,
    **keys.BODIES,
    **limits.BODIES,
    **wallets.BODIES,
    **admin_api_keys.BODIES,
    **users.BODIES,
    **invites.BODIES,
}
