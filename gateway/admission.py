"""Admission: may this account have this call, and at what price.

Owns the unit prices that the call will be rated at. It is the one choke point that every call
passes: what limits spending is put here, and nowhere else.
"""

from gateway.errors import ModelNotPriced
from gateway.flow import Ask, Principal, Ticket


def admit(principal: Principal, ask: Ask) -> Ticket:
    """Raises ModelNotPriced where the account's currency has no price."""
    prices = ask.model.prices.get(principal.currency)
    if prices is None:
        raise ModelNotPriced(
            f"The model {ask.model.id!r} has no price in {principal.currency}.", param="model"
        )
    return Ticket(principal, ask, prices)
