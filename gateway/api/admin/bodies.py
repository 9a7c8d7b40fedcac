"""The bodies of all endpoints for admin keys by path, for the OpenAPI document."""

from collections.abc import Mapping

import msgspec

from gateway.api.admin import (
    accounts,
    disputes,
    fapiao,
    invoices,
    keys,
    limits,
    payments,
    plans,
    platform,
    reports,
    wallets,
)
from gateway.api.organization import admin_api_keys, invites, users

BODIES: Mapping[str, type[msgspec.Struct]] = {
    **accounts.BODIES,
    **keys.BODIES,
    **limits.BODIES,
    **wallets.BODIES,
    **plans.BODIES,
    **invoices.BODIES,
    **payments.BODIES,
    **disputes.BODIES,
    **fapiao.BODIES,
    **reports.BODIES,
    **platform.BODIES,
    **admin_api_keys.BODIES,
    **users.BODIES,
    **invites.BODIES,
}
