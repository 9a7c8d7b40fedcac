"""Secrets that configuration files name: from the environment, else from a file."""

from pathlib import Path

import pytest

from infra.secrets.named_secrets import NamedSecrets, is_secret_name, variable_name


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [
        ("openai", True),
        ("open_ai2", True),
        ("key", False),
        ("OPENAI", False),
        ("sk-live", False),
        ("", False),
        ("a" * 65, False),
        ("../secret", False),
    ],
)
def test_name_is_lower_case_and_not_that_of_the_installation(name: str, is_valid: bool) -> None:
    assert is_secret_name(name) is is_valid


def test_variable_takes_precedence_over_file(tmp_path: Path) -> None:
    (tmp_path / "maas_secret_openai").write_text("of the file\n")
    from_file, from_both = [
        NamedSecrets(tmp_path, environment).read("openai")
        for environment in ({}, {"MAAS_SECRET_OPENAI": " of the variable "})
    ]
    assert from_file is not None
    assert from_both is not None
    assert from_file.get_secret_value() == "of the file"
    assert from_both.get_secret_value() == "of the variable"
    assert "of the" not in repr(from_both)


@pytest.mark.parametrize("value", ["", "  ", "a\nb", "a\rb", "密钥", "a\x00b"])
def test_value_that_no_header_can_carry_is_missing(value: str) -> None:
    assert NamedSecrets(None, {"MAAS_SECRET_X": value}).read("x") is None


def test_missing_file_or_folder_is_a_missing_secret(tmp_path: Path) -> None:
    assert NamedSecrets(tmp_path, {}).read("x") is None
    absent = NamedSecrets(tmp_path / "absent", {})
    assert absent.read("x") is None
    assert absent.names() == set()


def test_secret_key_of_the_installation_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "maas_secret_key").write_text("k" * 32)
    secrets = NamedSecrets(tmp_path, {variable_name("key"): "k" * 32, "MAAS_SECRET_A": "x"})
    assert secrets.read("key") is None
    assert secrets.names() == {"a"}
