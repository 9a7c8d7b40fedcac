"""Signed records and delegations: verification, disclosures, versions and tampering."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.plant.identifiers.codes import parse_identifier
from gateway.plant.identifiers.delegations import (
    Authority,
    DelegationTerms,
    issue_delegation,
    issue_revocation,
    verify_delegation,
    verify_revocation,
)
from gateway.plant.identifiers.denials import (
    issue_access_token,
    issue_denial,
    verify_access_token,
    verify_denial,
)
from gateway.plant.identifiers.errors import (
    IdentifierInvalid,
    RecordConflict,
    RecordInvalid,
    StatementUntrusted,
)
from gateway.plant.identifiers.keys import ES256, generate_key, load_key
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.records import (
    Access,
    FieldValue,
    NewRecord,
    open_disclosure,
    sign_record,
    verify_record,
)
from gateway.plant.identifiers.registration import next_record, parse_lines, stored_fields
from gateway.plant.identifiers.statements import unverified_payload

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
PUMP = parse_identifier("88.100.5001/PUMP-1")
FIELDS = {
    "name": FieldValue("泵 1"),
    "drawing": FieldValue("D-77", Access.PARTNER),
    "cost": FieldValue("1200 CNY", Access.OWNER),
}


def authority(prefix: str = "88.100.5001", node: str = "") -> Authority:
    return Authority(Prefix(prefix), generate_key(), node)


class TestRecords:
    @pytest.mark.parametrize("algorithm", ["Ed25519", ES256])
    def test_partner_verifies_public_and_partner_fields_of_the_signed_record(
        self, algorithm: str
    ) -> None:
        owner = Authority(Prefix("88.100.5001"), generate_key(algorithm))
        signed = sign_record(NewRecord(PUMP, 3, FIELDS), owner, NOW)
        public_owner = Authority(owner.prefix, load_key(owner.key.public()))
        record = verify_record(signed.token, public_owner)
        assert (record.version, record.public) == (3, {"name": "泵 1"})
        shown = signed.visible_to(Access.PARTNER)
        assert [open_disclosure(record, one) for one in shown] == [("drawing", FIELDS["drawing"])]
        assert len(signed.visible_to(Access.OWNER)) == 2
        assert signed.visible_to(Access.PUBLIC) == ()

    def test_restricted_values_are_not_in_the_signed_payload(self) -> None:
        signed = sign_record(NewRecord(PUMP, 1, FIELDS), authority(), NOW)
        payload = unverified_payload(signed.token)
        assert payload["fields"] == {"name": "泵 1"}
        assert "D-77" not in str(payload)
        assert "drawing" not in str(payload)

    def test_altered_or_foreign_disclosure_is_rejected(self) -> None:
        owner = authority()
        signed = sign_record(NewRecord(PUMP, 1, FIELDS), owner, NOW)
        record = verify_record(signed.token, owner)
        forged = urlsafe_b64encode(msgspec.json.encode(["x", "partner", "drawing", "D-78"]))
        with pytest.raises(StatementUntrusted):
            open_disclosure(record, forged.decode().rstrip("="))

    def test_record_of_another_key_prefix_or_type_is_rejected(self) -> None:
        owner, liar = authority(), authority()
        lie = sign_record(NewRecord(PUMP, 1), liar, NOW).token
        denial = issue_denial(PUMP, owner, NOW, 30)
        narrower = Authority(Prefix("88.100.5001.7"), owner.key)
        honest = sign_record(NewRecord(PUMP, 1), owner, NOW).token
        for token, signer in ((lie, owner), (denial, owner), (honest, narrower), ("x", owner)):
            with pytest.raises(StatementUntrusted):
                verify_record(token, signer)

    def test_header_cannot_choose_the_algorithm(self) -> None:
        owner = authority()
        body = sign_record(NewRecord(PUMP, 1), owner, NOW).token.split(".")[1]
        header = msgspec.json.encode(
            {"alg": "none", "kid": owner.key.kid, "typ": "maas-record+jws"}
        )
        token = f"{urlsafe_b64encode(header).decode().rstrip('=')}.{body}."
        with pytest.raises(StatementUntrusted):
            verify_record(token, owner)

    def test_record_outside_the_prefix_or_with_too_many_fields_is_not_signed(self) -> None:
        many = {f"f{number}": FieldValue("x") for number in range(65)}
        other = parse_identifier("88.100.5002/X")
        for new in (NewRecord(other, 1), NewRecord(PUMP, 1, many), NewRecord(PUMP, 0)):
            with pytest.raises(RecordInvalid):
                sign_record(new, authority(), NOW)


class TestRegistration:
    def test_same_content_changes_nothing_and_other_content_gets_the_next_version(self) -> None:
        owner = authority()
        draft = NewRecord(PUMP, 0, FIELDS)
        first = next_record(draft, None, owner, NOW)
        assert first is not None
        assert first.version == 1
        assert stored_fields(first) == FIELDS
        assert next_record(draft, first, owner, NOW) is None
        second = next_record(NewRecord(PUMP, 0, {}), first, owner, NOW)
        assert second is not None
        assert second.version == 2

    @pytest.mark.parametrize("version", [1, 2])
    def test_version_that_is_not_newer_is_a_conflict(self, version: int) -> None:
        owner = authority()
        stored = sign_record(NewRecord(PUMP, 2, FIELDS), owner, NOW)
        with pytest.raises(RecordConflict):
            next_record(NewRecord(PUMP, version, {}), stored, owner, NOW)

    def test_errors_of_lines_are_partial(self) -> None:
        body = b"""{"id": "88.100.5001/A"}

{"id": "88.100.5001/B", "fields": {"n": {"value": "1", "access": "partner"}}, "version": 4}
{"id": "nonsense"}
{"id": "88.100.5001/C", "colour": 1}
not json"""
        lines = list(parse_lines(body))
        assert [one.number for one in lines if one.error] == [4, 5, 6]
        assert [one.has_version for one in lines] == [False, True, False, False, False]

    def test_too_many_lines_are_rejected(self) -> None:
        with pytest.raises(RecordInvalid):
            list(parse_lines(b"x\n" * 10_001))


class TestDelegations:
    def test_delegation_names_prefix_key_and_node(self) -> None:
        root, child = authority("88.100"), authority(node="http://127.0.0.1:1/")
        issued = issue_delegation(root, child, NOW, DelegationTerms())
        found = verify_delegation(issued.token, root, NOW + timedelta(days=1))
        assert found.authority.prefix == child.prefix
        assert found.authority.key.kid == child.key.kid
        assert found.authority.node == "http://127.0.0.1:1"

    @pytest.mark.parametrize("prefix", ["88.100", "88", "88.200.1"])
    def test_prefix_that_is_not_below_is_not_delegated(self, prefix: str) -> None:
        with pytest.raises(IdentifierInvalid):
            issue_delegation(
                authority("88.100"), authority(prefix, "http://n"), NOW, DelegationTerms()
            )

    @pytest.mark.parametrize(
        "node", ["", "ftp://x", "http://", "http://u@x", "http://x?y", "http://x:99999", "x" * 400]
    )
    def test_unusable_address_is_not_delegated(self, node: str) -> None:
        with pytest.raises(IdentifierInvalid):
            issue_delegation(authority("88.100"), authority(node=node), NOW, DelegationTerms())

    def test_expired_future_and_foreign_delegations_are_rejected(self) -> None:
        root, child = authority("88.100"), authority(node="http://n")
        token = issue_delegation(root, child, NOW, DelegationTerms(timedelta(days=1))).token
        for signer, moment in (
            (root, NOW + timedelta(days=2)),
            (root, NOW - timedelta(hours=1)),
            (authority("88.100"), NOW),
        ):
            with pytest.raises(StatementUntrusted):
                verify_delegation(token, signer, moment)

    def test_revocation_counts_only_from_the_parent(self) -> None:
        root, child = authority("88.100"), authority()
        token = issue_revocation(root, child.key.kid, child.prefix, NOW)
        assert verify_revocation(token, root) == child.key.kid
        with pytest.raises(StatementUntrusted):
            verify_revocation(issue_revocation(child, "x", root.prefix, NOW), child)


class TestDenialsAndTokens:
    def test_old_or_other_denials_are_rejected(self) -> None:
        owner, other = authority(), parse_identifier("88.100.5001/X")
        token = issue_denial(PUMP, owner, NOW, 9_999)
        assert verify_denial(token, PUMP, owner, NOW).ttl_s == 300
        for identifier, moment in ((other, NOW), (PUMP, NOW + timedelta(hours=2))):
            with pytest.raises(StatementUntrusted):
                verify_denial(token, identifier, owner, moment)

    def test_access_token_holds_for_one_prefix_until_it_expires(self) -> None:
        owner = authority()
        until = NOW + timedelta(hours=1)
        token = issue_access_token(owner, Access.PARTNER, "Acme", until, NOW)
        assert verify_access_token(token, owner, NOW) is Access.PARTNER
        elsewhere = Authority(Prefix("88.100.5002"), owner.key)
        for signer, moment in ((owner, until), (elsewhere, NOW), (authority(), NOW)):
            with pytest.raises(StatementUntrusted):
                verify_access_token(token, signer, moment)
