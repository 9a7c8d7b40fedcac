"""Decisions by facts, mailboxes, networks and devices. Nothing of it needs a database."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.signups.decision import (
    ClaimKind,
    CompanyMatch,
    Decision,
    Outcome,
    Reason,
    RegisterAnswer,
    SignupFacts,
    decide,
)
from gateway.signups.devices import generate_device_token, read_device_token
from gateway.signups.disposable_domains import load_disposable_domains
from gateway.signups.mailboxes import canonical_mailbox
from gateway.signups.networks import signup_network
from gateway.signups.policy import SignupPolicy
from gateway.signups.texts import load_texts
from infra.settings import SettingsInvalid
from tests.support.builders import settings
from tests.support.gateway.signing_up import VERSIONS, signup_settings, write_texts

pytestmark = pytest.mark.unit
HONEST = SignupFacts(grant_minor=2000)
FACTS = st.builds(
    SignupFacts,
    disposable=st.booleans(),
    company=st.sampled_from(CompanyMatch),
    register=st.sampled_from(RegisterAnswer),
    has_credit_code=st.booleans(),
    granted=st.frozensets(st.sampled_from(ClaimKind)),
    network_grants=st.integers(0, 3),
    network_limit=st.integers(1, 3),
    grant_minor=st.integers(0, 1),
    appealed=st.booleans(),
)


class TestDecision:
    @pytest.mark.parametrize(
        ("changed", "outcome", "reasons", "opens"),
        [
            ({}, "grant", (), True),
            ({"disposable": True}, "refuse", ("disposable_email",), False),
            ({"company": CompanyMatch.SAME}, "refuse", ("company_has_account",), False),
            (
                {"company": CompanyMatch.SAME, "appealed": True},
                "review",
                ("company_has_account",),
                False,
            ),
            ({"company": CompanyMatch.SAME_NAME}, "review", ("other_credit_code",), False),
            ({"register": RegisterAnswer.MISMATCH}, "review", ("register_mismatch",), False),
            ({"grant_minor": 0}, "no_grant", ("grants_off",), True),
            ({"granted": frozenset({ClaimKind.EMAIL})}, "no_grant", ("same_email",), True),
            (
                {"granted": frozenset({ClaimKind.CREDIT_CODE, ClaimKind.COMPANY})},
                "no_grant",
                ("same_credit_code", "same_company"),
                True,
            ),
            ({"granted": frozenset({ClaimKind.DEVICE})}, "review", ("same_device",), True),
            ({"network_grants": 1}, "review", ("same_network",), True),
            ({"network_grants": 4, "network_limit": 5}, "grant", (), True),
            ({"has_credit_code": False}, "review", ("no_credit_code",), True),
        ],
    )
    def test_facts_give_outcome_and_reasons(
        self, changed: dict[str, object], outcome: str, reasons: tuple[str, ...], opens: bool
    ) -> None:
        made = decide(replace(HONEST, **changed))  # type: ignore[arg-type]
        assert made == Decision(Outcome(outcome), tuple(map(Reason, reasons)), opens)

    @given(facts=FACTS)
    def test_stored_facts_give_the_same_decision(self, facts: SignupFacts) -> None:
        assert decide(SignupFacts.from_json(facts.to_json())) == decide(facts)

    @given(facts=FACTS)
    def test_grant_is_given_only_without_any_reason(self, facts: SignupFacts) -> None:
        made = decide(facts)
        if made.outcome is Outcome.GRANT:
            assert not made.reasons
            assert not facts.granted
            assert facts.grant_minor
            assert facts.network_grants < facts.network_limit
            assert made.opens_account
        else:
            assert made.reasons


class TestMailboxes:
    @pytest.mark.parametrize(
        ("email", "mailbox"),
        [
            ("l.i+maas@googlemail.com", "li@gmail.com"),
            ("Li.Xue.Mei@Gmail.com", "lixuemei@gmail.com"),
            ("li+1@plant.example", "li@plant.example"),
            ("li.xm@plant.example", "li.xm@plant.example"),
            ("li-shop@163.com", "li@163.com"),
            ("li+shop@126.com", "li@126.com"),
            ("10001+x@qq.com", "10001@qq.com"),
            ("li-xm@qq.com", "li-xm@qq.com"),
            ("li@b\u00fccher.example", "li@xn--bcher-kva.example"),
            ("li@\u5de5\u5382.example.", "li@xn--fmrp5v.example"),
            ("+li@plant.example", "+li@plant.example"),
            ("li@pm.me", "li@proton.me"),
            (f"li@{'x' * 80}.example", f"li@{'x' * 80}.example"),
        ],
    )
    def test_aliases_are_one_mailbox(self, email: str, mailbox: str) -> None:
        assert canonical_mailbox(email) == mailbox
        assert canonical_mailbox(mailbox) == mailbox

    def test_disposable_domains_of_package_and_operator(self, tmp_path: Path) -> None:
        own = tmp_path / "domains"
        own.write_text("# ours\nbad.example\n!mailinator.com # tested with\n")
        with_own, plain = load_disposable_domains(own), load_disposable_domains(None)
        assert plain.has("x@mailinator.com")
        assert plain.has("x@a.b.mailinator.com")
        assert not plain.has("x@bad.example")
        assert not plain.has("x@com")
        assert with_own.has("x@sub.BAD.example")
        assert not with_own.has("x@mailinator.com")
        own.write_bytes(b"\xff\xfe")
        with pytest.raises(SettingsInvalid):
            load_disposable_domains(own)


class TestOrigin:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("testclient", "testclient"),
        ],
    )
    def test_network_of_an_address(self, address: str, network: str) -> None:
        assert signup_network(address) == network

    def test_device_token_counts_only_with_our_signature(self) -> None:
        token = generate_device_token(b"k")
        value = read_device_token(b"k", token)
        assert value is not None
        assert len(bytes.fromhex(value)) == 16
        for forged in (None, "", ".", value, f"{value}.0", token[1:], "\u00e9" * 300):
            assert read_device_token(b"k", forged) is None
        assert read_device_token(b"other", token) is None


class TestPolicy:
    def test_texts_have_version_or_hash(self, tmp_path: Path) -> None:
        texts = load_texts(write_texts(tmp_path))
        assert texts.get("terms", "zh").version == VERSIONS["terms"]
        assert texts.get("terms", "en").text.startswith("The terms")
        tmp_path.joinpath("terms.en.md").write_text("Plain.")
        plain = load_texts(tmp_path).get("terms", "en")
        assert (plain.version, plain.text) == (plain.digest[:12], "Plain.")
        tmp_path.joinpath("privacy.zh.md").write_text(" ")
        with pytest.raises(SettingsInvalid, match=r"privacy\.zh\.md is empty"):
            load_texts(tmp_path)

    def test_grants_by_plan_and_missing_texts(self, tmp_path: Path) -> None:
        policy = SignupPolicy.from_settings(
            signup_settings("postgresql://x", tmp_path, sign_up_grant="20, team=50.5")
        )
        assert [policy.grant_minor(plan) for plan in (None, "other", "team")] == [2000, 2000, 5050]
        for wrong in ({"sign_up_grant": "0.001"}, {"sign_up_texts_dir": None}):
            with pytest.raises(SettingsInvalid):
                SignupPolicy.from_settings(signup_settings("postgresql://x", tmp_path, **wrong))
        off = SignupPolicy.from_settings(settings("postgresql://x", tmp_path, "http://x"))
        assert not off.enabled
        assert off.texts is None
