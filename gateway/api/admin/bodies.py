"""The bodies of all endpoints for admin keys by path, for the OpenAPI document."""

from collections.abc import Mapping

import msgspec

from gateway.api.admin import (
    accounts,
    disputes,
    fapiao,
    incidents,
    invoices,
    keys,
    limits,
    packs,
    payments,
    plans,
    platform,
    price_changes,
    reports,
    signups,
    vouchers,
    wallets,
)
from gateway.api.admin.credit import accounts as credit_accounts
from gateway.api.admin.credit import exposure, policies, securities
from gateway.api.organization import admin_api_keys, invites, users

BODIES: Mapping[str, type[msgspec.Struct]] = {
    **accounts.BODIES,
    **keys.BODIES,
    **limits.BODIES,
    **wallets.BODIES,
    **plans.BODIES,
    **price_changes.BODIES,
    **packs.BODIES,
    **vouchers.BODIES,
    **policies.BODIES,
    **credit_accounts.BODIES,
    **securities.BODIES,
    **exposure.BODIES,
    **signups.BODIES,
    **invoices.BODIES,
    **payments.BODIES,
    **disputes.BODIES,
    **fapiao.BODIES,
    **reports.BODIES,
    **platform.BODIES,
    **incidents.BODIES,
    **admin_api_keys.BODIES,
    **users.BODIES,
    **invites.BODIES,
}
