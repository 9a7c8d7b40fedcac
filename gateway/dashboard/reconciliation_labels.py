"""Names of the checks of reconciliation, as billing/reconciliation/ has them."""

from gateway.dashboard.billing_labels import BILLING_CHECKS
from gateway.dashboard.project_labels import PROJECT_CHECK
from infra.translations import gettext_noop

RECONCILIATION_CHECKS = (
    gettext_noop("Period totals equal the usage rows"),
    gettext_noop("Usage rows refer to stored terms"),
    gettext_noop("Usage rows refer to existing accounts and keys"),
    gettext_noop("Ledger transactions sum to zero"),
    gettext_noop("Booked amounts equal the final invoice"),
    gettext_noop("Invoices are open while an amount is due"),
    gettext_noop("Invoice cash equals payments less refunds"),
    gettext_noop("No wallet grant is negative"),
    gettext_noop("Each wallet grant is booked once"),
    gettext_noop("Invoice numbers have no gaps"),
    gettext_noop("Credit note numbers have no gaps"),
    gettext_noop("Each charge is invoiced once with its amount"),
    PROJECT_CHECK,
    *BILLING_CHECKS,
    gettext_noop("Invoices equal their usage rated by its terms"),
    gettext_noop("Included-unit quotas equal the units that calls used"),
    gettext_noop("Included units belong to the call's terms and were consumed"),
    gettext_noop("Period totals equal the included units that calls used"),
    gettext_noop("Evidence bundles match their stored digest"),
    gettext_noop("Settlements equal the result of their evidence bundle"),
    gettext_noop("Charges of a settlement equal its amount"),
    gettext_noop("Prediction records form a signed chain"),
    gettext_noop("Quota leases equal the processes' leases"),
    gettext_noop("Credit used equals the cost of the account's calls"),
    gettext_noop("Key budget used equals the cost of the key's calls"),
    gettext_noop("Account credit equals the sum of its credit entries"),
    gettext_noop("Settled calls are not open"),
    gettext_noop("Open calls belong to a running process"),
    gettext_noop("Ended processes hold no quota leases"),
    gettext_noop("Engine counts cover the usage rows"),
    gettext_noop("Usage rows cover what the engine generated"),
    gettext_noop("Stripe totals equal the invoices"),
    gettext_noop("Stripe payment status equals the invoice status"),
    gettext_noop("Invoices that Stripe collects exist in Stripe"),
)
