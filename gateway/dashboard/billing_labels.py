"""Labels of billing: bank transfers, credit, fapiao and payments."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.bank_labels import BANK_ACTIONS, BANK_LABELS
from gateway.dashboard.credit_labels import CREDIT_ACTIONS, CREDIT_CHECKS, CREDIT_LABELS
from gateway.dashboard.fapiao_labels import FAPIAO_ACTIONS, FAPIAO_CHECK, FAPIAO_LABELS
from gateway.dashboard.payment_labels import PAYMENT_ACTIONS, PAYMENT_CHECKS, PAYMENT_LABELS

BILLING_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {**BANK_LABELS, **CREDIT_LABELS, **FAPIAO_LABELS, **PAYMENT_LABELS}
)
BILLING_ACTIONS: Mapping[str, str] = MappingProxyType(
    {**BANK_ACTIONS, **CREDIT_ACTIONS, **FAPIAO_ACTIONS, **PAYMENT_ACTIONS}
)
BILLING_CHECKS = (FAPIAO_CHECK, *PAYMENT_CHECKS, *CREDIT_CHECKS)
