"""The policy of a deployment for sign-ups, built from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from billing.accounts.account_creation import AccountLimits
from billing.money import minor_from_text
from gateway.signups.disposable_domains import DisposableDomains, load_disposable_domains
from gateway.signups.texts import LegalTexts, load_texts
from infra.settings import Settings, SettingsInvalid


@dataclass(frozen=True, slots=True)
class SignupPolicy:
    """Currency, limits and grants of new accounts, and the limits of sign-ups.

    `grants` are minor units by plan; the name "" is for all others. `texts` is None while sign-up
    is off.
    """

    enabled: bool
    currency: str
    account_limits: AccountLimits
    default_plan: str | None
    grants: Mapping[str, int]
    grant_lifetime: timedelta
    network_grants: int
    hourly_limit: int
    domains: DisposableDomains
    texts: LegalTexts | None

    @classmethod
    def from_settings(cls, settings: Settings) -> "SignupPolicy":
        """Build the policy. Raises SettingsInvalid, such as for a missing text."""
        is_on = settings.sign_up
        return cls(
            enabled=is_on,
            currency=settings.currency,
            account_limits=AccountLimits(
                credit_nano=int(settings.sign_up_credit_limit.scaleb(9)),
                requests=settings.requests_per_minute,
                tokens=settings.tokens_per_minute,
                streams=settings.concurrent_streams,
            ),
            default_plan=settings.sign_up_plan,
            grants=_parse_grants(settings.sign_up_grant, settings.currency),
            grant_lifetime=timedelta(days=settings.sign_up_grant_days),
            network_grants=settings.sign_up_network_grants,
            hourly_limit=settings.sign_up_hourly_limit,
            domains=load_disposable_domains(settings.sign_up_disposable_domains)
            if is_on
            else DisposableDomains(frozenset()),
            texts=load_texts(settings.sign_up_texts_dir) if is_on else None,
        )

    def grant_minor(self, plan: str | None) -> int:
        """Return the starting grant with a plan, in minor units."""
        return self.grants.get(plan or "", self.grants[""])


def _parse_grants(text: str, currency: str) -> Mapping[str, int]:
    """Parse `20, team=50` to minor units by plan. Raises SettingsInvalid."""
    grants: dict[str, int] = {}
    for part in text.split(","):
        plan, _, amount = part.rpartition("=")
        try:
            grants[plan.strip()] = minor_from_text(str(Decimal(amount.strip())), currency)
        except ValueError as error:
            raise SettingsInvalid(
                f"MAAS_SIGN_UP_GRANT: {amount.strip()} is not an amount in {currency}."
            ) from error
    return grants
