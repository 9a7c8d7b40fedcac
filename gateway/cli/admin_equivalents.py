"""Which endpoint does the same as each command of the operator, or why there is none.

tests/gateway/cli/test_admin_equivalents.py fails for a command that is not in this table. A path is
followed by the methods that do the command's work. Paths outside `/v1/admin` are of the account's
own API, with its API key or admin key.
"""

from collections.abc import Mapping
from types import MappingProxyType

# Reasons why a command has no endpoint.
HOST = "It works on processes, files or the database of the host before any gateway answers."
LOCAL = "It reads and writes files of the operator's machine only."
RIGHTS = "It gives or ends rights over the platform, which no program may do for itself."
ENGINES = "It compares, trains or loads the weights of shared models on the host of the engines."
PERSON = "A named person of the operator signs it."
STATISTICS = "It fits models with statistics libraries, which gateways do not load."
LATER = "It is newer than the Admin API, which does not have it yet."
_ACCOUNT = "/v1/admin/accounts/{account}"
_OUTCOMES = f"{_ACCOUNT}/outcome_disputes"

_ENDPOINTS = "/v1/notification_endpoints"
_PROJECTS = "/v1/organization/projects"
_PROJECT = f"{_PROJECTS}/{{project}}"

EQUIVALENTS: Mapping[str, str] = MappingProxyType(
    {
        "up": HOST,
        "migrate": HOST,
        "backup": HOST,
        "restore": HOST,
        "demo": HOST,
        "top": "GET /metrics",
        "accounts create": "POST /v1/admin/accounts",
        "accounts list": "GET /v1/admin/accounts",
        "keys create": f"POST {_ACCOUNT}/keys",
        "keys list": f"GET {_ACCOUNT}/keys",
        "keys scope": f"POST {_ACCOUNT}/keys/{{key}}",
        "keys revoke": f"DELETE {_ACCOUNT}/keys/{{key}}",
        "keys rotate": f"POST {_ACCOUNT}/keys/{{key}}/rotate",
        "admin-keys create": RIGHTS,
        "admin-keys list": RIGHTS,
        "admin-keys revoke": RIGHTS,
        "people invite": f"POST {_ACCOUNT}/invites",
        "people operator": RIGHTS,
        "people dismiss": RIGHTS,
        "people list": "GET /v1/admin/people",
        "people unlock": RIGHTS,
        "entities list": "GET /v1/admin/entities",
        "entities add": "POST /v1/admin/entities",
        "entities change": "POST /v1/admin/entities/{code}",
        "limits show": f"GET {_ACCOUNT}/limits",
        "limits set": f"POST {_ACCOUNT}/limits",
        "limits top-up": f"POST {_ACCOUNT}/wallet/grants",
        "projects list": f"GET {_PROJECTS}",
        "projects create": f"POST {_PROJECTS}",
        "projects show": f"GET {_PROJECT}",
        "projects rename": f"POST {_PROJECT}",
        "projects budget": f"POST {_PROJECT}",
        "projects archive": f"POST {_PROJECT}/archive",
        "projects usage": "GET /v1/organization/costs",
        "projects members": f"GET {_PROJECT}/users",
        "projects add-member": f"POST {_PROJECT}/users",
        "projects set-role": f"POST {_PROJECT}/users/{{user}}",
        "projects remove-member": f"DELETE {_PROJECT}/users/{{user}}",
        "projects move-key": f"POST {_PROJECT}/api_keys",
        "projects service-accounts": f"GET {_PROJECT}/service_accounts",
        "projects create-service-account": f"POST {_PROJECT}/service_accounts",
        "projects delete-service-account": (
            f"DELETE {_PROJECT}/service_accounts/{{service_account}}"
        ),
        "packs list": "GET /v1/packs",
        "packs buy": "POST /v1/packs/purchases",
        "packs purchases": "GET /v1/packs/purchases",
        "vouchers redeem": "POST /v1/vouchers/redeem",
        "wallet auto-top-up": "POST /v1/wallet/auto_top_up",
        "subscriptions pause": "POST /v1/subscription/pause",
        "credit show": "GET /v1/credit",
        **dict.fromkeys(
            (
                *("credit assign", "credit chargeback", "credit dunning", "credit exposure"),
                *("credit deposit apply", "credit deposit receive", "credit deposit return"),
                *("credit deposit show", "credit guarantee add", "credit guarantee end"),
                *("credit guarantee list", "credit override", "credit policies list"),
                *("credit policies publish", "credit policies show", "credit replay"),
                *("deferred-revenue", "packs publish", "packs refund", "packs withdraw"),
                *("plans changes announce", "plans changes list", "plans changes preview"),
                *("plans changes withdraw", "signups approve", "signups list"),
                *("signups reject", "signups release", "signups show", "vouchers cancel"),
                *("vouchers create", "vouchers list"),
            ),
            LATER,
        ),
        "notifications list": f"GET {_ENDPOINTS}",
        "notifications add": f"POST {_ENDPOINTS}",
        "notifications show": f"GET {_ENDPOINTS}/{{endpoint}}",
        "notifications update": f"POST {_ENDPOINTS}/{{endpoint}}",
        "notifications remove": f"DELETE {_ENDPOINTS}/{{endpoint}}",
        "notifications test": f"POST {_ENDPOINTS}/{{endpoint}}/test",
        "notifications roll-secret": f"POST {_ENDPOINTS}/{{endpoint}}/roll_secret",
        "notifications events": f"GET {_ENDPOINTS}/event_types",
        "notifications deliveries": "GET /v1/notification_deliveries",
        "notifications redeliver": "POST /v1/notification_deliveries/{delivery}/redeliver",
        "alerts show": "GET /v1/alerts",
        "alerts set": "POST /v1/alerts",
        "alerts test": "POST /v1/alerts/test",
        "guards show": "GET /v1/guards",
        "guards set": "PUT /v1/guards",
        "guards remove": "DELETE /v1/guards",
        "guards check": LOCAL,
        "usage": "GET /v1/admin/reports/usage",
        "margin": "GET /v1/admin/reports/margin",
        "plans publish": "POST /v1/admin/plans",
        "plans list": "GET /v1/admin/plans",
        "plans show": "GET /v1/admin/plans/{plan}",
        "subscribe": f"POST {_ACCOUNT}/subscription",
        "subscriptions show": f"GET {_ACCOUNT}/subscription",
        "subscriptions change": f"POST {_ACCOUNT}/subscription",
        "subscriptions cancel": f"POST {_ACCOUNT}/subscription/cancel",
        "subscriptions resume": f"POST {_ACCOUNT}/subscription/resume",
        "billing show": f"GET {_ACCOUNT}",
        "billing set": f"POST {_ACCOUNT}",
        "invoices preview": f"GET {_ACCOUNT}/invoices/preview",
        "invoices list": f"GET {_ACCOUNT}/invoices",
        "invoices show": f"GET {_ACCOUNT}/invoices/{{invoice}}",
        "invoices close": "POST /v1/admin/billing_runs",
        "invoices export": LOCAL,
        "invoices pay": f"POST {_ACCOUNT}/invoices/{{invoice}}/payments",
        "invoices void": f"POST {_ACCOUNT}/invoices/{{invoice}}/void",
        "invoices give-up": f"POST {_ACCOUNT}/invoices/{{invoice}}/write_off",
        "invoices credit": f"POST {_ACCOUNT}/invoices/{{invoice}}/credit_notes",
        "invoices disputes": "GET /v1/admin/line_disputes",
        "invoices answer": f"POST {_ACCOUNT}/line_disputes/{{dispute}}/answer",
        "bank-statements import": "POST /v1/admin/bank_lines/import",
        "bank-statements list": "GET /v1/admin/bank_lines",
        "bank-statements confirm": "POST /v1/admin/bank_lines/{line}/confirm",
        "bank-statements reject": "POST /v1/admin/bank_lines/{line}/reject",
        "fapiao list": "GET /v1/admin/fapiao",
        "fapiao titles": "GET /v1/fapiao/titles",
        "fapiao export": "POST /v1/admin/fapiao/batches",
        "fapiao import": "POST /v1/admin/fapiao/results",
        "fapiao upload": "POST /v1/admin/fapiao/{fapiao}/file",
        "fapiao reject": "POST /v1/admin/fapiao/{fapiao}/reject",
        "fapiao categories list": "GET /v1/admin/fapiao/categories",
        "fapiao categories set": "POST /v1/admin/fapiao/categories/{product}",
        "fapiao categories remove": "DELETE /v1/admin/fapiao/categories/{product}",
        "payments list": "GET /v1/admin/payment_orders",
        "payments show": "GET /v1/admin/payment_orders/{order}",
        "payments query": "POST /v1/admin/payment_orders/{order}/query",
        "payments refund": "POST /v1/admin/payment_orders/{order}/refunds",
        "payments discrepancies": "GET /v1/admin/payment_discrepancies",
        "payments resolve": "POST /v1/admin/payment_discrepancies/{discrepancy}/resolve",
        "payments keys": HOST,
        "wallet show": f"GET {_ACCOUNT}/wallet",
        "wallet top-up": f"POST {_ACCOUNT}/wallet/grants",
        "outcomes disputes": f"GET {_OUTCOMES}",
        "outcomes answer": f"POST {_OUTCOMES}/{{dispute}}/answer",
        "outcomes decide": f"POST {_OUTCOMES}/{{dispute}}/decide",
        "outcomes concede": f"POST {_OUTCOMES}/{{dispute}}/concede",
        **{
            f"outcomes {name}": PERSON
            for name in (
                *("contracts propose", "contracts agree", "contracts end"),
                *("attesters add", "attesters accept", "attesters revoke"),
            )
        },
        "outcomes contracts baseline": STATISTICS,
        "outcomes settle": STATISTICS,
        "outcomes contracts list": "GET /v1/outcomes/contracts",
        "outcomes contracts show": "GET /v1/outcomes/contracts/{contract}",
        "outcomes attesters list": "GET /v1/outcomes/attesters",
        "outcomes evidence add": "POST /v1/outcomes/evidence",
        "outcomes evidence list": "GET /v1/outcomes/evidence",
        "outcomes evidence verify": LOCAL,
        "outcomes list": "GET /v1/outcomes",
        "outcomes claim": "POST /v1/outcomes",
        "outcomes confirm": "POST /v1/outcomes/{outcome}/confirm",
        "outcomes deny": "POST /v1/outcomes/{outcome}/deny",
        "outcomes reverse": "POST /v1/outcomes/{outcome}/reverse",
        "outcomes settlements": "GET /v1/outcomes/settlements",
        "outcomes bundle": "GET /v1/outcomes/settlements/{settlement}/bundle",
        "outcomes dispute": "POST /v1/outcomes/disputes",
        "outcomes reply": "POST /v1/outcomes/disputes/{dispute}/reply",
        **{f"outcomes {name}": LOCAL for name in ("replay", "sign", "make-keys")},
        "batches list": "GET /v1/batches",
        "batches show": "GET /v1/batches/{batch}",
        "batches cancel": "POST /v1/batches/{batch}/cancel",
        "decision-records list": "GET /v1/decision_records",
        "decision-records show": "GET /v1/decision_records/{record_id}",
        "decision-records verify": LOCAL,
        "files check": LOCAL,
        **{f"tags {name}": LOCAL for name in ("align", "propose")},
        "variants list": "GET /v1/models",
        "variants versions": "GET /v1/models/{name}/versions",
        "variants activate": "PUT /v1/models/{name}/current",
        "variants rollback": "POST /v1/models/{name}/rollback",
        "variants delete": "DELETE /v1/models/{name}",
        "variants deletions": "GET /v1/models/{name}/deletions",
        "variants accept": PERSON,
        **{
            f"models {name}": ENGINES
            for name in (
                *("check", "compare", "drift", "evaluate", "observed", "predict", "promote"),
                *("propose", "provenance", "ratings", "retrain", "rollback", "shadow", "versions"),
            )
        },
        "reconcile": "POST /v1/admin/reconciliations",
    }
)
