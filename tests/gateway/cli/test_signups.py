"""`maas signups`: the queue, a decision made again, approval, rejection and release."""

from dataclasses import replace

import pytest

from gateway.signups.service import SignupService
from infra.clock import SystemClock
from tests.support.gateway.commands import Maas
from tests.support.gateway.desks import Desk
from tests.support.gateway.signing_up import Applicant, form, place, service, signup_settings
from tests.support.stories.story import Calendar


@pytest.fixture
def granting(maas: Maas) -> Maas:
    """The command where a starting grant is configured."""
    return replace(maas, environment={**maas.environment, "MAAS_SIGN_UP_GRANT": "20"})


@pytest.fixture
def applicant(maas: Maas) -> Applicant:
    database = maas.firm.story.database
    given = signup_settings("postgresql://unused", maas.folder)
    signups: SignupService = service(database, SystemClock(), given)
    # Only the texts of e-mails are read through it.
    desk = Desk(database, Calendar(), _WithSealer(signups))  # type: ignore[arg-type]
    return Applicant(desk, signups)


class _WithSealer:
    """The part of the identity services that opens sealed e-mails."""

    def __init__(self, signups: SignupService) -> None:
        self.sealer = signups.messages.sealer


async def test_queue_is_listed_shown_approved_and_rejected(
    granting: Maas, applicant: Applicant
) -> None:
    for number in (1, 2, 3):
        await applicant.sign_up(form(number), place(1))
    first, second = await granting.say("signups", "list")
    assert (first["company_name"], first["reasons"]) == (form(2).company_name, "same_network")
    shown = await granting.say("signups", "show", first["id"])
    assert shown["decided_again"] == {"outcome": "review", "reasons": ["same_network"]}
    approved = await granting.say("signups", "approve", first["id"], "known customer")
    assert (approved["status"], approved["granted"]) == ("opened", True)
    twice = ("signups", "approve", first["id"], "known customer")
    assert await granting.refuse(*twice) == "sign_up_not_in_review"
    rejected = await granting.say("signups", "reject", second["id"], "no answer")
    assert (rejected["outcome"], rejected["granted"]) == ("no_grant", False)
    assert await granting.say("signups", "list") == []
    everything = await granting.say("signups", "list", "--status", "all")
    assert len(everything) == 3
    assert await granting.refuse("signups", "show", "signup_x") == "sign_up_not_found"
    assert await granting.refuse("signups", "reject", second["id"], "x") == "reason_missing"


async def test_company_is_released_for_its_owner(granting: Maas, applicant: Applicant) -> None:
    thief = (await applicant.sign_up(form(1), place(1))).account
    assert thief is not None
    release = ("signups", "release", thief.name, "another company's code", "--suspend")
    assert (await granting.say(*release))["credit_code"] == form(1).credit_code
    owner = await applicant.sign_up(form(2, credit_code=form(1).credit_code), place(2))
    assert owner.account is not None
