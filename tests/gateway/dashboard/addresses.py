"""The addresses of every page, of an account and of the platform."""

from infra import ids
from tests.support.dashboard.firm import Firm
from tests.support.gateway.batching import create_batch
from tests.support.gateway.evaluator import create_run
from tests.support.gateway.fapiaos import add_title, issue_fapiao
from tests.support.gateway.payments import create_payment_order
from tests.support.gateway.plants import import_plant
from tests.support.gateway.projects import add_project
from tests.support.gateway.round_rows import add_rounds
from tests.support.gateway.subscribing import SMALL, offer
from tests.support.gateway.trainings import (
    create_comparison,
    create_training,
    create_variant,
)
from tests.support.gateway.watched_pumps import add_board, add_proposal

CONTRACTS = "/dashboard/outcomes/contracts"
SETTLEMENTS = "/dashboard/outcomes/settlements"
# Pages of an account; `{invoice}` and `{call}` are the newest, `{key}` and `{member}` the only
# rows, `{run}` is a new evaluation, `{batch}` a new batch, `{fapiao}` an issued fapiao, `{order}` a
# payment order, `{project}` a new project, `{job}` a new training, `{variant}` a model, `{plan}` a
# plan, `{asset}`, `{point}`, `{plant_import}`, `{plant_comparison}` are of a plant, `{agent}` a new
# agent, `{round_id}` and `{open_round}` inspection rounds.
PAGES = (
    "/dashboard",
    "/dashboard/usage",
    "/dashboard/usage?by=tag",
    "/dashboard/usage/calls",
    "/dashboard/usage/calls/{call}",
    "/dashboard/playground",
    "/dashboard/models",
    "/dashboard/models/new",
    "/dashboard/models/predict",
    "/dashboard/models/tags",
    "/dashboard/models/comparisons",
    "/dashboard/models/comparisons/{comparison}",
    "/dashboard/models/jobs/{job}",
    "/dashboard/models/variants/{variant}",
    "/dashboard/plant",
    "/dashboard/plant?q=TI",
    "/dashboard/plant/assets/{asset}",
    "/dashboard/plant/assets/{asset}/readings",
    "/dashboard/plant/assets/{asset}/verdicts",
    "/dashboard/plant/assets/{asset}/history",
    "/dashboard/plant/assets/{asset}/edit",
    "/dashboard/plant/assets/{asset}/predict",
    "/dashboard/plant/new",
    "/dashboard/plant/scan",
    "/dashboard/plant/objects",
    "/dashboard/plant/objects/{entity}",
    "/dashboard/plant/points/{point}",
    "/dashboard/plant/points/{point}/edit",
    "/dashboard/plant/import",
    "/dashboard/plant/imports/{plant_import}",
    "/dashboard/plant/mappings",
    "/dashboard/plant/alignment",
    "/dashboard/plant/comparisons",
    "/dashboard/plant/comparisons/{plant_comparison}",
    "/dashboard/plant/graph?question=Which+pumps+leak&asset={asset}",
    "/dashboard/agents",
    "/dashboard/agents/new",
    "/dashboard/agents/commands",
    "/dashboard/agents/new?template=pump-monitor",
    "/dashboard/agents/new?template=pump-monitor&asset={asset}",
    "/dashboard/agents/new/definition?template=pump-monitor&asset={asset}",
    "/dashboard/agents/{agent}",
    "/dashboard/agents/rounds",
    "/dashboard/agents/rounds/{round_id}",
    "/dashboard/agents/rounds/{open_round}",
    "/dashboard/agents/{agent}/edit",
    "/dashboard/agents/{agent}/definition",
    "/dashboard/agents/board",
    "/dashboard/agents/board/teams/new",
    "/dashboard/agents/board/teams/{team}",
    "/dashboard/agents/board/tasks/{task}",
    "/dashboard/evaluations",
    "/dashboard/evaluations/new",
    "/dashboard/evaluations/{run}",
    "/dashboard/guard",
    "/dashboard/identifiers",
    "/dashboard/identifiers/trace",
    "/dashboard/batches",
    "/dashboard/batches/{batch}",
    "/dashboard/plan",
    "/dashboard/plan/change/{plan}",
    "/dashboard/invoices",
    "/dashboard/invoices/preview",
    "/dashboard/invoices/{invoice}",
    "/dashboard/invoices/{invoice}/lines/1",
    "/dashboard/invoices/{invoice}/fapiao",
    "/dashboard/fapiao",
    "/dashboard/fapiao/{fapiao}/reissue",
    "/dashboard/wallet",
    "/dashboard/credit",
    "/dashboard/packs",
    "/dashboard/payments/{order}",
    "/dashboard/keys",
    "/dashboard/keys/new",
    "/dashboard/keys/{key}",
    "/dashboard/admin-keys",
    "/dashboard/projects",
    "/dashboard/projects/{project}",
    "/dashboard/predictions",
    "/dashboard/limits",
    "/dashboard/status",
    "/dashboard/team",
    "/dashboard/team/{member}",
    "/dashboard/audit",
    "/dashboard/me",
    "/dashboard/me/password",
    "/dashboard/me/second-factor",
    "/dashboard/invoices/{invoice}/lines/1/dispute",
    "/dashboard/outcomes",
    "/dashboard/nothing",
)
# Pages of the platform; `{account}` is the account, `{invoice}` its newest invoice.
PLATFORM = (
    "/dashboard/platform/accounts",
    "/dashboard/platform/accounts/{account}",
    "/dashboard/platform/accounts/{account}/suspend",
    "/dashboard/platform/accounts/{account}/credit-limit",
    "/dashboard/platform/accounts/{account}/securities",
    "/dashboard/platform/accounts/{account}/look",
    "/dashboard/platform/accounts/{account}/invoices/{invoice}/credit",
    "/dashboard/platform/signups",
    "/dashboard/platform/incidents",
    "/dashboard/platform/revenue",
    "/dashboard/platform/receivables",
    "/dashboard/platform/credit",
    "/dashboard/platform/credit/policies/new",
    "/dashboard/platform/bank",
    "/dashboard/platform/fapiao",
    "/dashboard/platform/payments",
    "/dashboard/platform/packs",
    "/dashboard/platform/packs/new",
    "/dashboard/platform/webhooks",
    "/dashboard/platform/webhooks/incoming",
    "/dashboard/platform/jobs",
    "/dashboard/platform/nodes",
    "/dashboard/platform/reconciliation",
    "/dashboard/platform/models",
    "/dashboard/platform/plans",
    "/dashboard/platform/plans/new",
    "/dashboard/platform/inbox",
    "/dashboard/platform/new-account",
    "/dashboard/platform/admin-keys",
    "/dashboard/switch",
)
# Beginnings and ends of the addresses that stand for the kinds of pages: charts, tables, forms,
# trees, diagrams, steps, and what only a phone shows.
_KINDS = (
    ("/dashboard", "/dashboard"),
    ("/dashboard/usage", "?by=tag"),
    ("/dashboard/usage/calls/", ""),
    ("/dashboard/playground", ""),
    ("/dashboard/models/predict", ""),
    ("/dashboard/models/comparisons/", ""),
    ("/dashboard/plant", "?q=TI"),
    ("/dashboard/plant/assets/", "/readings"),
    ("/dashboard/plant/mappings", ""),
    ("/dashboard/plant/graph", ""),
    ("/dashboard/agents/new?template", ""),
    ("/dashboard/agents/rounds/", ""),
    ("/dashboard/agents/board/tasks/", ""),
    ("/dashboard/agents/", "/definition"),
    ("/dashboard/evaluations/", ""),
    ("/dashboard/identifiers/trace", ""),
    ("/dashboard/plan/change/", ""),
    ("/dashboard/invoices/", "/lines/1"),
    ("/dashboard/wallet", ""),
    ("/dashboard/keys/", ""),
    ("/dashboard/team", ""),
    ("/dashboard/audit", ""),
    ("/dashboard/outcomes", ""),
    ("/dashboard/platform/accounts/", ""),
    ("/dashboard/platform/revenue", ""),
    ("/dashboard/platform/reconciliation", ""),
    ("/dashboard/platform/plans/new", ""),
    ("/dashboard/platform/jobs", ""),
)


def of_each_kind(pages: list[str]) -> list[str]:
    """The first page of each kind."""
    found = [
        next((page for page in pages if page.startswith(begin) and page.endswith(end)), None)
        for begin, end in _KINDS
    ]
    return list(dict.fromkeys(page for page in found if page is not None))


async def addresses(firm: Firm) -> list[str]:
    invoice = (await firm.gateway.http.get("/v1/invoices")).json()["data"][0]["id"]
    call = (await firm.gateway.http.get("/v1/usage")).json()["data"][0]["request_id"]
    await offer(firm.gateway, SMALL)
    key = ids.format_id("key", firm.gateway.key.row.id)
    member = ids.format_id("person", firm.owner.person_id)
    known = {"invoice": invoice, "call": call, "key": key, "member": member, "plan": "small"}
    known["order"] = await create_payment_order(firm.gateway)
    known["project"] = await add_project(firm.gateway)
    known["run"] = await create_run(firm.gateway)
    known["batch"] = await create_batch(firm.gateway.http)
    known["job"] = await create_training(firm.gateway)
    known["variant"] = await create_variant(firm.gateway, 2)
    known["comparison"] = await create_comparison(firm.gateway, known["variant"])
    known |= await import_plant(firm.gateway)
    known["agent"] = (await add_proposal(firm.gateway, known["asset"]))["agent"]
    known |= await add_board(firm.gateway, known["agent"])
    known |= await add_rounds(firm.gateway, known["asset"])
    # Last: a payment refreshes the credit, which the large invoices of test_every_page exhaust.
    await add_title(firm.gateway)
    known["fapiao"] = await issue_fapiao(firm.gateway)
    return [page.format(**known) for page in PAGES]
