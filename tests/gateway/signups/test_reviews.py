"""Abuse, companies with an account, reviews, payers and retention, on a real database."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from billing.accounts.payers import record_payer
from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.roles import Role
from gateway.operations.signups import (
    SignupReview,
    release_account_company,
    reviewed_signup_json,
)
from gateway.signups import payer_check
from gateway.signups.decision import RegisterAnswer, SignupFacts, decide
from gateway.signups.errors import CreditCodeTaken, NotInReview
from gateway.signups.payer_check import revoke_shared_grants
from gateway.signups.queries import count_signups, list_signups, signup_json
from gateway.signups.retention import delete_old_signups
from gateway.signups.service import SignupResult, SignupService
from gateway.tables import Signup
from infra import ids
from infra.settings import Settings
from tests.support.billing.making import append, call, differences
from tests.support.gateway.desks import Desk
from tests.support.gateway.signing_up import Applicant, credit_code, form, place, service
from tests.support.nightly import at_length


def outcome(result: SignupResult) -> tuple[str | None, list[str]]:
    return result.row.outcome, result.row.reasons


@pytest.fixture
def review(signups: SignupService) -> SignupReview:
    return SignupReview(signups.clock, signups.policy, signups.messages, signups.pepper)


async def approve(desk: Desk, review: SignupReview, row: Signup, **how: Any) -> Signup:
    async with desk.database.transaction() as session:
        name = ids.format_id("signup", row.id)
        return await review.approve(session, CLI_ACTOR, name, "checked by phone", **how)


class TestAbuse:
    async def test_second_grant_is_refused_or_reviewed_in_each_way(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        device, first = "ab" * 16, form(1, email="l.i@gmail.com")
        await applicant.sign_up(first, place(1), device)
        same_mailbox = await applicant.sign_up(form(2, email="li+2@googlemail.com"), place(2))
        assert outcome(same_mailbox) == ("no_grant", ["same_email"])
        assert same_mailbox.row.status == "opened"
        assert same_mailbox.key is not None
        same_device = await applicant.sign_up(form(3), place(3), device)
        assert outcome(same_device) == ("review", ["same_device"])
        same_network = await applicant.sign_up(form(4), place(1))
        assert outcome(same_network) == ("review", ["same_network"])
        assert same_network.account is not None
        assert same_network.session is not None
        no_code = await applicant.sign_up(form(5, credit_code=""), place(5))
        assert outcome(no_code) == ("review", ["no_credit_code"])
        assert await desk.sql("select count(*) from wallet_grant") == [(1,)]
        for row in (same_mailbox.row, same_device.row, same_network.row, no_code.row):
            assert row.facts is not None
            made = decide(SignupFacts.from_json(row.facts))
            assert (made.outcome, list(made.reasons)) == (row.outcome, row.reasons)
        desk.clock.pass_(days=1, seconds=1)
        next_day = await applicant.sign_up(form(6), place(1))
        assert outcome(next_day) == ("grant", [])

    async def test_company_with_an_account_gets_no_second_one_and_owners_are_told(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        owner = form(1)
        first = await applicant.sign_up(owner, place(1))
        for number, sent in enumerate(
            (
                form(2, credit_code=owner.credit_code.lower()),
                form(3, credit_code="", company_name="NINGBO works 1 Co Limited"),
            ),
            start=2,
        ):
            result = await applicant.sign_up(sent, place(number))
            assert outcome(result) == ("refuse", ["company_has_account"])
            assert (result.account, result.key, result.session) == (None, None, None)
        told = await desk.mails("signup_company")
        assert {to for to, _, _ in told} == {owner.email}
        assert "li@plant2.example" in told[0][2]
        assert await desk.sql("select count(*) from account") == [(1,)]
        assert first.account is not None

    async def test_operators_account_counts_as_the_company(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        await desk.account("\u5b81\u6ce2\u5de5\u5382\u6709\u9650\u8d23\u4efb\u516c\u53f8")
        name = "\u5b81\u6ce2 \u5de5\u5382\u6709\u9650\u516c\u53f8"
        result = await applicant.sign_up(form(company_name=name))
        assert outcome(result) == ("refuse", ["company_has_account"])


class TestReviews:
    async def test_code_owner_who_objects_gets_the_account_after_release(
        self, applicant: Applicant, desk: Desk, review: SignupReview
    ) -> None:
        thief = await applicant.sign_up(form(1, company_name="Thief Ltd"), place(1))
        honest = await applicant.sign_up(form(2, credit_code=credit_code(1)), place(2))
        row = await applicant.signups.appeal(honest.row.id)
        assert (row.status, row.outcome) == ("review", "review")
        with pytest.raises(NotInReview):
            await applicant.signups.appeal(honest.row.id)
        with pytest.raises(CreditCodeTaken):
            await approve(desk, review, row)
        assert thief.account is not None
        async with desk.database.transaction() as session:
            change = (session, desk.clock, CLI_ACTOR, thief.account.id, "not its code")
            assert await release_account_company(*change, suspend=True) == credit_code(1)
        approved = await approve(desk, review, row)
        # The code had a grant: an operator can top up, but no second one is given by itself.
        assert (approved.status, approved.outcome) == ("opened", "no_grant")
        assert await desk.sql(
            "select credit_code from account_company where account_id = :id",
            id=approved.account_id,
        ) == [(credit_code(1),)]
        assert (await desk.sign_in(form(2).email)).viewer.role is Role.OWNER
        ((to, _, text),) = await desk.mails("signup_approved")
        assert to == form(2).email
        assert form(2).company_name in text

    async def test_approved_grant_is_given_once_and_rejected_one_never(
        self, applicant: Applicant, desk: Desk, review: SignupReview
    ) -> None:
        await applicant.sign_up(form(1), place(1))
        waiting = [(await applicant.sign_up(form(n), place(1))).row for n in (2, 3, 4)]
        async with desk.database.transaction() as session:
            assert [row.id for row in await list_signups(session)] == [row.id for row in waiting]
        granted = await approve(desk, review, waiting[0])
        assert (granted.outcome, granted.decided_by) == ("grant", "cli")
        with pytest.raises(NotInReview):
            await approve(desk, review, waiting[0])
        assert (await approve(desk, review, waiting[1], grant=False)).outcome == "no_grant"
        async with desk.database.transaction() as session:
            name = ids.format_id("signup", waiting[2].id)
            rejected = await review.reject(session, CLI_ACTOR, name, "no answer")
        assert (rejected.status, rejected.outcome) == ("opened", "no_grant")
        assert await desk.sql("select count(*) from wallet_grant") == [(2,)]
        assert len(await desk.mails("signup_grant_given")) == 1
        assert "no answer" in (await desk.mails("signup_rejected"))[-1][2]
        entries = {entry.action for entry in await desk.entries(rejected.account_id)}
        assert "signup.rejected" in entries
        assert await differences(desk.database) == ()

    async def test_register_mismatch_holds_the_account_until_the_review(
        self, desk: Desk, given: Settings, review: SignupReview
    ) -> None:
        class Register:
            async def check(self, name: str, credit_code: str) -> RegisterAnswer:
                return RegisterAnswer.MISMATCH

        asking = service(desk.database, desk.clock, given)
        object.__setattr__(asking, "register", Register())
        held = await Applicant(desk, asking).sign_up(form())
        assert outcome(held) == ("review", ["register_mismatch"])
        assert held.account is None
        async with desk.database.transaction() as session:
            rejected = await review.reject(
                session, CLI_ACTOR, ids.format_id("signup", held.row.id), "other company"
            )
        assert (rejected.status, rejected.password_hash) == ("refused", None)

    async def test_same_name_with_another_code_is_reviewed_and_named_by_its_code(
        self, applicant: Applicant, desk: Desk, review: SignupReview
    ) -> None:
        await applicant.sign_up(form(1), place(1))
        sent = form(2, company_name=form(1).company_name)
        held = await applicant.sign_up(sent, place(2))
        assert outcome(held) == ("review", ["other_credit_code"])
        approved = await approve(desk, review, held.row)
        name = await desk.sql("select name from account where id = :id", id=approved.account_id)
        assert name == [(f"{sent.company_name} ({credit_code(2)})",)]

    async def test_counts_and_json_for_operators(self, applicant: Applicant, desk: Desk) -> None:
        await applicant.start(form(9), place(9))
        await applicant.sign_up(form(1), place(1))
        row = (await applicant.sign_up(form(2), place(1))).row
        async with desk.database.transaction() as session:
            counts = await count_signups(session, desk.clock.now())
        assert counts.by_outcome == {"grant": 1, "review": 1, "unverified": 1}
        assert counts.oldest_review == row.verified_at
        shown = signup_json(row)
        assert shown["reasons"] == ["same_network"]
        assert "password_hash" not in shown


class TestPayers:
    async def test_later_grant_of_one_payer_is_revoked_once_with_a_notice(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        rows = [(await applicant.sign_up(form(n), place(n))).row for n in (1, 2, 3)]
        async with desk.database.transaction() as session:
            for row in rows[:2]:
                assert row.account_id is not None
                paid = (session, row.account_id, "wechat_pay", "o-1", desk.clock.now())
                await record_payer(*paid)
                await record_payer(*paid)
        messages = applicant.signups.messages
        desk.clock.pass_(seconds=1)
        assert await revoke_shared_grants(desk.database, desk.clock, messages) == [rows[1].id]
        assert await revoke_shared_grants(desk.database, desk.clock, messages) == []
        left = await desk.sql(
            "select account_id, -sum(minor) from ledger_posting where book = 'wallet' "
            "group by 1 order by 2"
        )
        assert left[0] == (rows[1].account_id, 0)
        assert [minor for _, minor in left] == [0, 2000, 2000]
        ((to, _, _),) = await desk.mails("signup_grant_revoked")
        assert to == form(2).email
        entries = {entry.action for entry in await desk.entries(rows[1].account_id)}
        assert "signup.grant_revoked" in entries
        assert await differences(desk.database) == ()

    async def test_grant_that_cannot_be_revoked_does_not_keep_the_others_in_force(
        self, applicant: Applicant, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The usage of the second of four companies refers to unknown terms; a page has one."""
        monkeypatch.setattr(payer_check, "_PAGE_SIZE", 1)
        rows = await self.signed_up_with_payer(applicant, desk, "stripe", 4)
        bad = rows[1]
        assert bad.account_id is not None
        used = call(bad.account_id, desk.clock.now(), plan_version_id=UUID(int=9))
        await append(desk.database, used)
        messages = applicant.signups.messages
        with capture_logs() as logs:
            revoked = await revoke_shared_grants(desk.database, desk.clock, messages)
        assert revoked == [rows[2].id, rows[3].id]
        assert await grants_in_force(desk) == [rows[0].id, bad.id]
        (line,) = (one for one in logs if one["event"] == "a grant could not be revoked")
        assert (line["signup"], line["log_level"]) == (bad.id.hex, "error")
        assert "refer to unknown terms" in line["reason"]
        assert await revoke_shared_grants(desk.database, desk.clock, messages) == []
        assert len(await desk.mails("signup_grant_revoked")) == 2

    @pytest.mark.parametrize("kind", at_length(["stripe", "alipay"], ["alipay"]))
    async def test_ten_accounts_of_one_card_keep_one_grant(
        self, applicant: Applicant, desk: Desk, kind: str
    ) -> None:
        rows = await self.signed_up_with_payer(applicant, desk, kind, 10)
        messages = applicant.signups.messages
        revoked = await revoke_shared_grants(desk.database, desk.clock, messages)
        assert revoked == [row.id for row in rows[1:]]
        assert await grants_in_force(desk) == [rows[0].id]
        states = await desk.sql(
            "select distinct status, reasons from signup where id <> :id", id=rows[0].id
        )
        assert states == [("review", ["same_payer"])]
        assert await differences(desk.database) == ()

    async def test_company_of_a_shared_card_is_reviewed_once_and_keeps_its_grant(
        self, applicant: Applicant, desk: Desk, review: SignupReview
    ) -> None:
        """An accountant pays for two companies with one card."""
        first, second = await self.signed_up_with_payer(applicant, desk, "stripe", 2)
        messages = applicant.signups.messages
        assert await revoke_shared_grants(desk.database, desk.clock, messages) == [second.id]
        approved = await approve(desk, review, second)
        assert (approved.status, approved.outcome, approved.revoked_at) == ("opened", "grant", None)
        assert sorted(await grants_in_force(desk)) == sorted([first.id, second.id])
        shown = reviewed_signup_json(approved)
        assert shown["decided_again"] == {"outcome": "review", "reasons": ["same_payer"]}
        desk.clock.pass_(days=1)
        assert await revoke_shared_grants(desk.database, desk.clock, messages) == []
        balance = "select sum(minor) from ledger_posting where book = 'wallet' and account_id = :id"
        assert await desk.sql(balance, id=second.account_id) == [(-2000,)]
        with pytest.raises(NotInReview):
            await approve(desk, review, second)
        assert await differences(desk.database) == ()

    async def test_grant_that_an_operator_approved_is_not_revoked_for_its_payer(
        self, applicant: Applicant, desk: Desk, review: SignupReview
    ) -> None:
        """A company of an office was reviewed for its network; its card is no second review."""
        await applicant.sign_up(form(1), place(1))
        held = (await applicant.sign_up(form(2), place(1))).row
        await approve(desk, review, held)
        rows = await desk.sql("select account_id from signup order by id")
        async with desk.database.transaction() as session:
            for (account_id,) in rows:
                await record_payer(session, account_id, "stripe", "fp-1", desk.clock.now())
        messages = applicant.signups.messages
        assert await revoke_shared_grants(desk.database, desk.clock, messages) == []
        assert len(await grants_in_force(desk)) == 2

    async def signed_up_with_payer(
        self, applicant: Applicant, desk: Desk, kind: str, count: int
    ) -> list[Signup]:
        """Sign companies up, each from its own network, and let all pay with one card."""
        rows = []
        for number in range(1, count + 1):
            row = (await applicant.sign_up(form(number), place(number))).row
            assert row.account_id is not None
            async with desk.database.transaction() as session:
                await record_payer(session, row.account_id, kind, "fp-1", desk.clock.now())
            desk.clock.pass_(seconds=1)
            rows.append(row)
        return rows


async def grants_in_force(desk: Desk) -> list[UUID]:
    rows = await desk.sql(
        "select id from signup where grant_id is not null and revoked_at is null order by id"
    )
    return [row[0] for row in rows]


class TestRetention:
    async def test_unverified_and_refused_sign_ups_are_deleted_and_accounts_kept(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        await applicant.sign_up(form(1), place(1))
        refused = (await applicant.sign_up(form(2, credit_code=credit_code(1)), place(2))).row
        await applicant.start(form(3), place(3))
        desk.clock.pass_(days=3)
        assert await delete_old_signups(desk.database, desk.clock) == 1
        stored = await desk.sql("select status, password_hash from signup order by id")
        assert stored == [("opened", None), ("refused", None)]
        assert await desk.sql("select count(*) from attempts") == [(0,)]
        desk.clock.pass_(days=180)
        assert await delete_old_signups(desk.database, desk.clock) == 1
        assert await desk.sql("select status from signup") == [("opened",)]
        assert refused.created_at < desk.clock.now() - timedelta(days=180)
