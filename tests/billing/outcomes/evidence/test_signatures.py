"""Evidence signatures: openssl and this code sign alike; no other key or message verifies."""

import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from billing.outcomes.evidence.signatures import (
    AttestationInvalid,
    AttestationKeyInvalid,
    generate_key_pair,
    is_valid_signature,
    parse_public_key,
    parse_signature,
    public_pem,
    sign,
    signing_message,
)

DOCS = Path(__file__).parents[4] / "docs"
CONTRACT = "octr_" + "0" * 31 + "1"
MESSAGE = signing_message(CONTRACT, "readings", b"at,value,unit\n")
OTHER = X25519PrivateKey.generate()


class TestSigningMessage:
    def test_message_has_the_documented_format(self) -> None:
        """Attesters' programs build this message themselves."""
        digest = "8d33d86d39c44fbc8d7b5e3634d7bf2307959a81b363a192139bb2486f825e99"
        assert MESSAGE.decode() == f"maas-evidence-v1\n{CONTRACT}\nreadings\n{digest}\n"

    def test_signature_fails_for_another_contract_kind_body_or_key(self) -> None:
        private, public = generate_key_pair()
        key, signature = parse_public_key(public.decode()), parse_signature(sign(private, MESSAGE))
        assert is_valid_signature(key, MESSAGE, signature)
        for contract, kind, body in (
            (CONTRACT[:-1] + "2", "readings", b"at,value,unit\n"),
            (CONTRACT, "correction", b"at,value,unit\n"),
            (CONTRACT, "readings", b"at,value,unit\r\n"),
        ):
            assert not is_valid_signature(key, signing_message(contract, kind, body), signature)
        other = parse_public_key(generate_key_pair()[1].decode())
        assert not is_valid_signature(other, MESSAGE, signature)

    @pytest.mark.usefixtures("processes")
    @pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
    def test_openssl_gives_the_same_signature(self, tmp_path: Path) -> None:
        private, public = generate_key_pair()
        (tmp_path / "key.pem").write_bytes(private)
        (tmp_path / "message").write_bytes(MESSAGE)
        command = ["openssl", "pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "message"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        assert is_valid_signature(parse_public_key(public.decode()), MESSAGE, done.stdout)
        assert b64encode(done.stdout).decode() == sign(private, MESSAGE)

    def test_documented_program_gives_the_same_signature(self) -> None:
        text = (DOCS / "outcomes.md").read_text(encoding="utf-8")
        program = text.partition("```python\n")[2].partition("```")[0]
        names: dict[str, Any] = {}
        exec(program, names)
        private, _ = generate_key_pair()
        signed = names["signature"](CONTRACT, "readings", b"at,value,unit\n", private)
        assert signed == sign(private, MESSAGE)


class TestAttestationKeys:
    def test_public_key_is_parsed_from_pem_and_base64(self) -> None:
        _, public = generate_key_pair()
        key = parse_public_key(f"\n{public.decode()}\n")
        assert parse_public_key(b64encode(key).decode()) == key
        assert parse_public_key(public_pem(key)) == key

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            "é",
            b64encode(bytes(31)).decode(),
            "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
            OTHER.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
        ],
    )
    def test_invalid_public_key_is_rejected(self, text: str) -> None:
        with pytest.raises(AttestationKeyInvalid) as caught:
            parse_public_key(text)
        assert caught.value.param == "public_key"

    @pytest.mark.parametrize("weak", ["00" * 32, "01" + "00" * 30 + "80", "ec" + "ff" * 30 + "7f"])
    def test_weak_public_key_is_rejected(self, weak: str) -> None:
        with pytest.raises(AttestationKeyInvalid):
            parse_public_key(b64encode(bytes.fromhex(weak)).decode())

    def test_unusable_private_key_is_rejected(self) -> None:
        kind = (Encoding.PEM, PrivateFormat.PKCS8)
        private, _ = generate_key_pair()
        locked = load_pem_private_key(private, None).private_bytes(
            *kind, BestAvailableEncryption(b"x")
        )
        for key in (b"", b"x", OTHER.private_bytes(*kind, NoEncryption()), locked):
            with pytest.raises(AttestationKeyInvalid):
                sign(key, MESSAGE)


class TestSignatureParsing:
    @pytest.mark.parametrize("text", ["", "???", "ü", b64encode(bytes(63)).decode()])
    def test_invalid_signature_text_is_rejected(self, text: str) -> None:
        with pytest.raises(AttestationInvalid) as caught:
            parse_signature(text)
        assert caught.value.param == "signature"
