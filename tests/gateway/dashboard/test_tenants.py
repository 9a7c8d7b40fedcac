"""Tenant isolation: requests with ids of another account, to every page and form, find no data.

The routes are read from the router, so a new page is crawled too, or must be listed here.
"""

import re

import pytest
from sqlmodel import col, select

from gateway.tables import LoginSession
from infra import ids
from tests.gateway.dashboard.chat_form import chat
from tests.gateway.dashboard.crawling import NO_ROWS, OUTCOMES, answers, routes
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker
from tests.support.gateway.admin_keys import issue
from tests.support.gateway.agent_learning import add_learned
from tests.support.gateway.batching import completed_batch
from tests.support.gateway.command_limits import add_limits
from tests.support.gateway.evaluator import create_run
from tests.support.gateway.fapiaos import add_proof, add_title, issue_fapiao
from tests.support.gateway.notified import add_delivery, add_endpoint
from tests.support.gateway.payments import create_payment_order
from tests.support.gateway.plants import import_plant
from tests.support.gateway.predictions import add_prediction
from tests.support.gateway.projects import add_project, add_service_account
from tests.support.gateway.round_rows import add_rounds
from tests.support.gateway.trainings import (
    create_comparison,
    create_training,
    create_variant,
)
from tests.support.gateway.warning_machines import add_rule
from tests.support.gateway.watched_pumps import add_board, add_proposal
from tests.support.plant.epcis import add_event_subscription


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module: no test reads what another test adds."""
    return shared_firm


async def known(firm: Firm) -> dict[str, str]:
    """Ids of the account's own rows, by their parameter name in route paths."""
    gateway, owner = firm.gateway, firm.owner
    account = gateway.account.id
    sent = {"email": f"{ids.new_id().hex}@acme.example", "role": "viewer"}
    invited = await owner.send("/dashboard/team/invitations", **sent)
    invitation = re.search(r"invitations/(invitation_\w+)/", await owner.page("/dashboard/team"))
    assert invited.status_code == 200
    assert invitation is not None
    async with gateway.parts.database.transaction() as session:
        query = select(col(LoginSession.id)).where(col(LoginSession.person_id) == owner.person_id)
        opened = (await session.scalars(query)).one()
    variant = await create_variant(gateway)
    project = await add_project(gateway)
    plant = await import_plant(gateway)
    endpoint = await add_endpoint(gateway)
    return {
        "account": ids.format_id("acct", gateway.account.id),
        "invoice": (await gateway.http.get("/v1/invoices")).json()["data"][0]["id"],
        "request_id": (await gateway.http.get("/v1/usage")).json()["data"][0]["request_id"],
        "key": ids.format_id("key", gateway.key.row.id),
        "member": ids.format_id("person", owner.person_id),
        "invitation": invitation[1],
        "ended": ids.format_id("session", opened),
        "run": await create_run(gateway),
        "job": await create_training(gateway),
        "variant": variant,
        "comparison": await create_comparison(gateway, variant),
        "batch": await completed_batch(gateway.http, gateway.parts.database, gateway.key.row),
        "title": await add_title(gateway),
        "fapiao": await issue_fapiao(gateway),
        "proof": await add_proof(gateway),
        "order": await create_payment_order(gateway),
        "signup": ids.format_id("signup", ids.new_id()),
        "project": project,
        "service_account": await add_service_account(gateway, project),
        "endpoint": endpoint,
        "record": await add_prediction(gateway),
        "delivery": await add_delivery(gateway, endpoint),
        **plant,
        **(proposal := await add_proposal(gateway, plant["asset"])),
        **await add_board(gateway, proposal["agent"]),
        **await add_learned(gateway, proposal),
        **await add_event_subscription(gateway),
        **await add_rounds(gateway, plant["asset"]),
        "rule": await add_rule(gateway, plant["asset"]),
        "discrepancy": ids.new_id().hex,
        "incident": ids.format_id("incident", ids.new_id()),
        "purchase": ids.format_id("pack", ids.new_id()),
        "guarantee": ids.format_id("guar", ids.new_id()),
        "admin_key": ids.format_id("admk", (await issue(gateway, account_id=account)).row.id),
        "policy": ids.format_id("spol", ids.new_id()),
        "change": "enable",
        "number": "1",
        "switch": "suspend",
        "limits": await add_limits(gateway),
        "plan": "growth",
        "version": "1",
    }


class TestTenantIsolation:
    def test_every_id_in_a_route_has_a_test_value(self) -> None:
        """A new page with a new path parameter must be listed here."""
        found = {name for route in routes() for name in route.names}
        rows = {"account", "invoice", "request_id", "key", "member", "invitation", "ended", "run"}
        further = {"job", "variant", "comparison", "batch", "title", "fapiao", "proof", "order"}
        newest = {"signup", "project", "service_account", "endpoint", "delivery"}
        newest |= {"discrepancy", "purchase", "guarantee", "admin_key"}
        newest |= {"asset", "point", "plant_import", "plant_comparison", "incident"}
        newest |= {"entity", "relation", "record", "agent", "action", "team", "task"}
        newest |= {"tick", "policy", "limit"}
        newest |= {"limits", "rule"}
        newest |= {"event_query", "event_subscription"}
        newest |= {"round_id", "photo"}
        assert found - NO_ROWS - OUTCOMES == {*rows, *further, *newest}

    async def test_all_routes_with_ids_of_another_account_return_404(self, firm: Firm) -> None:
        values = await known(firm)
        seen, crawled = {}, 0
        for route in routes():
            if route.names <= NO_ROWS or route.names & OUTCOMES:
                continue
            crawled += 1
            status = await answers(firm.stranger, route, values)
            if status != (403 if route.of_platform else 404):
                seen[(route.method, route.path)] = status
        assert seen == {}
        assert crawled > 25

    async def test_owner_can_open_all_crawled_pages(self, firm: Firm) -> None:
        """Otherwise the crawler would request rows that do not exist."""
        values = await known(firm)
        for route in routes():
            if route.method == "GET" and not route.of_platform and not route.names & OUTCOMES:
                if not route.names <= NO_ROWS:
                    assert await answers(firm.owner, route, values) == 200, route

    async def test_account_owner_cannot_open_platform_pages(self, firm: Firm) -> None:
        values = await known(firm)
        for route in routes():
            if route.of_platform:
                assert await answers(firm.owner, route, values) == 403, route


class TestIdsInForms:
    async def test_playground_with_key_of_another_account_returns_404(self, firm: Firm) -> None:
        said = chat(firm)
        for form in ("/dashboard/playground/quote", "/dashboard/playground/call"):
            assert (await firm.owner.send(form, **said)).status_code == 200
            assert (await firm.stranger.send(form, **said)).status_code == 404

    async def test_switch_to_another_account_returns_404(self, firm: Firm) -> None:
        account = ids.format_id("acct", firm.gateway.account.id)
        answer = await firm.stranger.send("/dashboard/switch", account=account)
        assert answer.status_code == 404

    async def test_list_filters_with_ids_of_another_account_match_no_row(self, firm: Firm) -> None:
        """An id of another account in a query matches no row."""
        values = await known(firm)
        for query in (f"key={values['key']}", f"after={values['request_id']}"):
            page = await firm.stranger.page(f"/dashboard/usage/calls?{query}")
            assert values["request_id"] not in page
            assert f"/calls/{values['request_id']}" not in page
        page = await firm.stranger.page(f"/dashboard/invoices?after={values['invoice']}")
        assert values["invoice"] not in page.replace(f"after={values['invoice']}", "")


async def test_session_of_removed_member_opens_no_page(firm: Firm) -> None:
    """The session of a removed member opens no page."""
    gateway = firm.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id) as one:
        member = ids.format_id("person", one.person_id)
        await firm.owner.send(f"/dashboard/team/{member}/remove")
        answer = await one.http.get("/dashboard/keys")
        assert answer.status_code in (303, 404)
