"""Project pages: from creation to archive, and what each role may see and do."""

import re

from gateway.identity.audit_log import list_account_entries
from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.api_reading import api
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words

PROJECTS = "/dashboard/projects"


async def create(office: Firm, name: str) -> str:
    """Create a project; returns the address of its page."""
    sent = await office.owner.send(PROJECTS, name=name)
    assert sent.status_code == 303, sent.text
    return sent.headers["location"]


async def test_project_is_created_changed_and_archived(office: Firm) -> None:
    owner = office.owner
    address = await create(office, "涂装车间")
    again = await owner.send(PROJECTS, name="涂装车间")
    assert (again.status_code, "This name is in use" in again.text) == (422, True)
    wrong = await owner.send(f"{address}/budget", daily="-3", total="")
    assert (wrong.status_code, "Enter a number from 0" in wrong.text) == (422, True)
    assert 'value="-3"' in wrong.text
    budget = {"daily": "20", "monthly": "", "total": "900.5", "alert_percentages": "50，90"}
    assert (await owner.send(f"{address}/budget", **budget)).status_code == 303
    shown = await owner.page(address)
    assert 'value="50, 90"' in shown
    assert "¥900.50" in words(shown)
    assert (await owner.send(f"{address}/name", name="Paint")).status_code == 303
    key = ids.format_id("key", office.gateway.key.row.id)
    assert (await owner.send(f"{address}/keys", key=key)).status_code == 303
    assert "Paint" in words(await owner.page(f"/dashboard/keys/{key}"))
    made = await owner.send(f"{address}/service-accounts", account_name="PLC 7")
    assert re.search(r"maas_\w{38}", made.text)
    account = re.search(r"svc_acct_\w{32}", await owner.page(address))
    assert account is not None
    gone = await owner.send(f"{address}/service-accounts/{account[0]}/delete")
    assert gone.headers["location"] == f"{address}#accounts"
    assert (await owner.send(f"{address}/archive")).status_code == 303
    assert "This project is archived" in await owner.page(address)
    assert "Archived projects (1)" in await owner.page(PROJECTS)
    default = f"{PROJECTS}/proj_{office.gateway.account.id.hex}"
    refused = await owner.send(f"{default}/archive")
    assert (refused.status_code, "cannot be archived" in refused.text) == (422, True)
    async with office.gateway.parts.database.transaction() as session:
        entries = await list_account_entries(session, office.gateway.account.id)
    assert [entry.action for entry in entries if entry.email] == [
        "project.archived",
        "service_account.deleted",
        "key.revoked",
        "key.created",
        "service_account.created",
        "key.moved",
        "project.renamed",
        "project.alerts_changed",
        "project.budget_changed",
        "project.created",
    ]


async def test_key_is_created_in_the_chosen_project(office: Firm) -> None:
    address = await create(office, "Line 3")
    project = address.rpartition("/")[2]
    form = await office.owner.page(f"/dashboard/keys/new?project={project}")
    assert f'value="{project}" selected' in form
    key_id = ids.format_id("key", ids.new_id())
    made = await office.owner.send("/dashboard/keys", id=key_id, name="PLC", project=project)
    assert made.status_code == 200
    keys = await api(office, f"/v1/organization/projects/{project}/api_keys")
    assert [key["id"] for key in keys["data"]] == [key_id]
    usage = await office.owner.page(f"/dashboard/usage?by=project&project={project}")
    assert "All projects" in usage


async def test_roles_limit_what_members_see_and_do(office: Firm) -> None:
    address = await create(office, "Line 3")
    default = f"{PROJECTS}/proj_{office.gateway.account.id.hex}"
    gateway = office.gateway
    opened = (
        looker(gateway.url, gateway.parts, gateway.account.id, role)
        for role in (Role.DEVELOPER, Role.FINANCE)
    )
    async with next(opened) as developer, next(opened) as finance:
        assert "Line 3" not in await developer.page(PROJECTS)
        await developer.page(address, 404)
        await developer.page(default)
        assert (await developer.send(PROJECTS, name="Own")).status_code == 403
        person = ids.format_id("person", developer.person_id)
        added = await office.owner.send(f"{address}/members", person=person, role="member")
        assert added.headers["location"] == f"{address}#people"
        again = await office.owner.send(f"{address}/members", person=person, role="owner")
        assert (again.status_code, "member of the project already" in again.text) == (422, True)
        await developer.page(address)
        key = ids.format_id("key", gateway.key.row.id)
        assert (await developer.send(f"{address}/keys", key=key)).status_code == 303
        for path in ("budget", "name", "service-accounts", "archive", "members"):
            assert (await developer.send(f"{address}/{path}", name="X")).status_code == 403
        # Finance sees all projects and sets budgets only.
        assert (await finance.send(f"{address}/budget", daily="5")).status_code == 303
        assert (await finance.send(f"{address}/name", name="X")).status_code == 403
        member = f"{address}/members/{person}"
        assert (await office.owner.send(f"{member}/role", role="owner")).status_code == 303
        assert (await developer.send(f"{address}/name", name="Own line")).status_code == 303
        last = await office.owner.send(f"{member}/remove")
        assert (last.status_code, "only owner of the project" in last.text) == (422, True)
        owner = ids.format_id("person", office.owner.person_id)
        await office.owner.send(f"{address}/members", person=owner, role="owner")
        assert (await office.owner.send(f"{member}/remove")).status_code == 303
        await developer.page(address, 404)


async def test_project_of_another_account_is_not_found(office: Firm) -> None:
    address = await create(office, "Line 3")
    await office.stranger.page(address, 404)
    for path in ("budget", "name", "keys", "archive", "members", "service-accounts"):
        assert (await office.stranger.send(f"{address}/{path}")).status_code == 404
    for wrong in (f"{PROJECTS}/proj_x", f"{PROJECTS}/{ids.format_id('proj', ids.new_id())}"):
        await office.owner.page(wrong, 404)
