"""Sign-up from the form to the account: codes, repetition, concurrency, what is not disclosed."""

import asyncio
from dataclasses import replace

import pytest

from billing.accounts.companies import CompanyInvalid
from billing.subscriptions.plans import PlanNotFound
from gateway.identity.email_address import EmailInvalid
from gateway.identity.invitation_acceptance import Registration
from gateway.identity.passwords import PasswordInvalid
from gateway.identity.profile import PersonInvalid
from gateway.identity.roles import Role
from gateway.identity.throttling.lockout import LockedOut
from gateway.signups.errors import (
    EmailNotAccepted,
    SignupCodeExpired,
    SignupCodeWrong,
    SignupDisabled,
    SignupEnded,
    SignupNotFound,
    SignupsBusy,
    TooManyCodes,
)
from gateway.signups.service import SignupService
from gateway.signups.texts import TextsOutdated
from infra import ids
from infra.error_collection import SeveralErrors
from tests.support.billing.making import differences
from tests.support.gateway.desks import OFFICE, PASSWORD, Desk
from tests.support.gateway.signing_up import VERSIONS, Applicant, form, place


async def grants(desk: Desk) -> list[tuple[object, ...]]:
    return await desk.sql("select paid, minor, priority, business_key from wallet_grant")


class TestOpening:
    async def test_verified_sign_up_opens_account_with_owner_key_and_grant(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        result = await applicant.sign_up(form(language="en"))
        row, account, key = result.row, result.account, result.key
        assert account is not None
        assert key is not None
        assert result.session is not None
        assert (row.status, row.outcome, account.name) == ("opened", "grant", row.company_name)
        signup = ids.format_id("signup", row.id)
        assert await grants(desk) == [(False, 2000, 10, signup)]
        assert await desk.sql(
            "select tax_number, email, locale from billing_profile where account_id = :id",
            id=account.id,
        ) == [(row.credit_code, row.email, "en")]
        viewer = await desk.viewer(result.session.token)
        assert viewer is not None
        assert (viewer.role, viewer.account_id) == (Role.OWNER, account.id)
        assert key.secret not in str(await desk.sql("select k::text from api_key k"))
        (credit,) = await desk.sql("select amount from quota where kind = 'credit'")
        assert credit == (20 * 10**9,)  # prepaid: no credit limit, but the grant
        actions = {entry.action for entry in await desk.entries(account.id)}
        assert {"account.signed_up", "signup.granted", "key.created"} <= actions
        assert await differences(desk.database) == ()
        again = await desk.sign_in(row.email)
        assert again.viewer.account_id == account.id

    async def test_accepted_texts_are_stored_with_version_hash_time_and_address(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        row = (await applicant.sign_up(form())).row
        terms, privacy = row.texts
        assert (terms["kind"], terms["version"], terms["language"]) == ("terms", "2026-11-01", "zh")
        assert len(privacy["sha256"]) == 64
        assert privacy["address"] == place().address
        assert terms["accepted_at"] == row.created_at.isoformat()

    async def test_registered_person_keeps_password_and_owns_the_second_company(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        first = await applicant.sign_up(form(1))
        sent = form(2, email=form(1).email, password="another long phrase")
        second = await applicant.sign_up(sent, place(2))
        assert second.session is None
        assert second.key is not None
        assert (second.row.outcome, second.row.reasons) == ("no_grant", ["same_email"])
        assert second.row.person_id == first.row.person_id
        signed_in = await desk.sign_in(sent.email, PASSWORD)
        assert signed_in.viewer.elsewhere

    async def test_invited_person_who_signs_up_can_still_join(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        firm = await desk.account("Acme")
        secret = await desk.invite(firm.id, form().email, Role.DEVELOPER)
        opened = (await applicant.sign_up(form())).session
        assert opened is not None
        someone = await desk.of(opened)
        async with desk.database.transaction() as session:
            joining = desk.identity.invitation_acceptance.join
            assert await joining(session, someone.viewer, secret, OFFICE.address) == firm.id

    async def test_plan_withdrawn_before_the_code_leaves_list_prices(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        signup_id = await applicant.start(form())
        await desk.sql("update signup set plan = 'gone'")
        result = await applicant.signups.enter_code(
            signup_id, await applicant.code(signup_id), place()
        )
        assert (result.row.status, result.row.plan) == ("opened", None)

    async def test_exactly_one_account_and_grant_by_concurrent_codes_and_forms(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        twice = [await applicant.start(form()), await applicant.start(form())]
        entering = [
            applicant.signups.enter_code(signup_id, await applicant.code(signup_id), place())
            for signup_id in (*twice, *twice)
        ]
        done = await asyncio.gather(*entering, return_exceptions=True)
        assert sum(isinstance(one, SignupEnded) for one in done) == 2
        statuses = sorted(one.row.status for one in done if not isinstance(one, BaseException))
        assert statuses == ["opened", "refused"]
        assert len(await grants(desk)) == 1
        assert await desk.sql("select count(*) from account") == [(1,)]

    async def test_failure_between_steps_leaves_nothing_and_the_code_works_again(
        self, applicant: Applicant, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signup_id = await applicant.start(form())
        code = await applicant.code(signup_id)

        async def fail(*_: object) -> None:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr("gateway.signups.service.create_default_key", fail)
            with pytest.raises(RuntimeError):
                await applicant.signups.enter_code(signup_id, code, place())
        assert await grants(desk) == await desk.sql("select 1 from account") == []
        result = await applicant.signups.enter_code(signup_id, code, place())
        assert result.row.outcome == "grant"


class TestForm:
    async def test_repeated_form_sends_one_code(self, applicant: Applicant, desk: Desk) -> None:
        signup_id = ids.new_id()
        for _ in range(2):
            await applicant.signups.start(form(), place(), signup_id)
        assert len(await desk.mails("signup_code")) == 1

    async def test_all_errors_of_a_form_are_raised_together(self, signups: SignupService) -> None:
        wrong = form(
            company_name="=cmd()",
            contact_name="",
            email="nobody",
            password="short",
            credit_code="123",
            versions={},
        )
        with pytest.raises(SeveralErrors) as raised:
            await signups.start(wrong, place(), ids.new_id())
        assert [(type(one), one.param) for one in raised.value.errors] == [
            (CompanyInvalid, "company_name"),
            (CompanyInvalid, "credit_code"),
            (PersonInvalid, "contact_name"),
            (EmailInvalid, "email"),
            (PasswordInvalid, "password"),
            (TextsOutdated, "terms_version"),
        ]

    @pytest.mark.parametrize(
        "name", ["", "x", "A\r\nBcc: all@x.example", "@SUM(1)", "+1", "A\u202eB", "-", "x" * 10**6]
    )
    async def test_harmful_company_names_are_rejected(
        self, signups: SignupService, name: str
    ) -> None:
        if "\r\n" in name:  # line ends become blanks, so no header can be added
            await signups.start(form(company_name=name), place(), ids.new_id())
            return
        with pytest.raises(CompanyInvalid):
            await signups.start(form(company_name=name), place(), ids.new_id())

    async def test_disposable_address_unknown_plan_and_old_texts_are_rejected(
        self, signups: SignupService
    ) -> None:
        for sent, error in (
            (form(email="x@sub.mailinator.com"), EmailNotAccepted),
            (form(plan="none"), PlanNotFound),
            (form(versions={**VERSIONS, "privacy": "old"}), TextsOutdated),
        ):
            with pytest.raises(error):
                await signups.start(sent, place(), ids.new_id())

    async def test_answer_and_rows_are_the_same_for_registered_addresses(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        firm = await desk.account("Acme")
        await desk.someone(firm.id, "li@plant7.example")
        for number in (7, 8):
            await applicant.start(form(number), place(number))
        (known, unknown) = await desk.mails("signup_code")
        assert known[1] == unknown[1]
        assert len(known[2]) == len(unknown[2])

    async def test_code_e_mail_contains_nothing_that_was_entered(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        sent = form(company_name="Win at evil.example", contact_name="Click evil.example")
        await applicant.start(sent)
        ((_, subject, text),) = await desk.mails("signup_code")
        assert "evil" not in subject + text


class TestCodes:
    async def test_wrong_codes_lock_the_code_and_another_one_works(
        self, applicant: Applicant
    ) -> None:
        signup_id = await applicant.start(form())
        code = await applicant.code(signup_id)
        wrong = f"{(int(code) + 1) % 10**6:06}"
        for _ in range(5):
            with pytest.raises(SignupCodeWrong):
                await applicant.signups.enter_code(signup_id, wrong, place())
        with pytest.raises(SignupCodeExpired):
            await applicant.signups.enter_code(signup_id, code, place())
        await applicant.signups.send_another_code(signup_id, place())
        newer = await applicant.code(signup_id)
        result = await applicant.signups.enter_code(signup_id, f" {newer[:3]} {newer[3:]}", place())
        assert result.row.status == "opened"
        with pytest.raises(SignupEnded):
            await applicant.signups.enter_code(signup_id, newer, place())
        with pytest.raises(SignupEnded):
            await applicant.signups.send_another_code(signup_id, place())

    async def test_code_of_another_sign_up_is_wrong(self, applicant: Applicant) -> None:
        one, other = await applicant.start(form(1)), await applicant.start(form(2), place(2))
        with pytest.raises(SignupCodeWrong):
            await applicant.signups.enter_code(one, await applicant.code(other), place())

    async def test_expired_code_and_sign_up(self, applicant: Applicant, desk: Desk) -> None:
        signup_id = await applicant.start(form())
        code = await applicant.code(signup_id)
        desk.clock.pass_(seconds=901)
        with pytest.raises(SignupCodeExpired):
            await applicant.signups.enter_code(signup_id, code, place())
        desk.clock.pass_(days=1)
        for act in (
            applicant.signups.enter_code(signup_id, code, place()),
            applicant.signups.send_another_code(signup_id, place()),
            applicant.signups.enter_code(ids.new_id(), code, place()),
        ):
            with pytest.raises(SignupNotFound):
                await act

    async def test_code_from_before_the_clock_was_set_back_is_expired(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        signup_id = await applicant.start(form())
        code = await applicant.code(signup_id)
        desk.clock.pass_(days=-1)
        with pytest.raises(SignupCodeExpired):
            await applicant.signups.enter_code(signup_id, code, place())

    async def test_number_of_codes_is_limited_by_sign_up_and_by_mailbox(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        signup_id = await applicant.start(form())
        for _ in range(4):
            await applicant.signups.send_another_code(signup_id, place())
        with pytest.raises(TooManyCodes):
            await applicant.signups.send_another_code(signup_id, place())
        # An alias is the same mailbox, from wherever the form comes.
        with pytest.raises(LockedOut):
            await applicant.start(form(2, email="li+2@plant1.example"), place(2))
        assert len(await desk.mails("signup_code")) == 5

    async def test_guesses_are_limited_by_network(self, applicant: Applicant) -> None:
        signups = applicant.signups
        for _ in range(60):
            with pytest.raises((SignupNotFound, SignupCodeWrong)):
                await signups.enter_code(ids.new_id(), "000000", place())
        with pytest.raises(LockedOut):
            await signups.enter_code(ids.new_id(), "000000", place())

    async def test_codes_and_passwords_are_not_stored_in_plain_text(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        signup_id = await applicant.start(form())
        stored = str(await desk.sql("select s::text from signup s"))
        stored += str(await desk.sql("select o::text from outbox o"))
        assert PASSWORD not in stored
        assert await applicant.code(signup_id) not in stored


class TestLimits:
    async def test_sign_ups_of_an_hour_are_limited(self, applicant: Applicant, desk: Desk) -> None:
        policy = replace(applicant.signups.policy, hourly_limit=2)
        limited = Applicant(desk, replace(applicant.signups, policy=policy))
        for number in (1, 2):
            await limited.start(form(number), place(number))
        with pytest.raises(SignupsBusy):
            await limited.start(form(3), place(3))
        desk.clock.pass_(hours=1, seconds=1)
        await limited.start(form(3), place(3))

    async def test_switched_off_mid_way_refuses_every_step(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        signup_id = await applicant.start(form())
        policy = replace(applicant.signups.policy, enabled=False)
        off = replace(applicant.signups, policy=policy)
        code = await applicant.code(signup_id)
        for act in (
            off.start(form(2), place(2), ids.new_id()),
            off.send_another_code(signup_id, place()),
            off.enter_code(signup_id, code, place()),
            off.appeal(signup_id),
        ):
            with pytest.raises(SignupDisabled):
                await act
        assert (await applicant.signups.enter_code(signup_id, code, place())).account is not None

    async def test_person_registered_meanwhile_keeps_the_own_password(
        self, applicant: Applicant, desk: Desk
    ) -> None:
        signup_id = await applicant.start(form(password="another long phrase"))
        firm = await desk.account("Acme")
        secret = await desk.invite(firm.id, form().email, Role.VIEWER)
        joined = Registration("Li", PASSWORD, "en")
        await desk.identity.invitation_acceptance.accept(secret, joined, OFFICE)
        code = await applicant.code(signup_id)
        result = await applicant.signups.enter_code(signup_id, code, place())
        assert result.session is None
        assert result.row.status == "opened"
        await desk.sign_in(form().email, PASSWORD)
