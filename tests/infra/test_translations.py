"""Message catalogs: reading of .po files, contexts, plural forms and untranslated texts."""

from pathlib import Path

import pytest

from infra.translations import MessageCatalog, pgettext_noop, read_catalog

FILE = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Language: zh_Hans_CN\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

msgid "Paid"
msgstr "已付款"

msgctxt "amount"
msgid "Paid"
msgstr "已付金额"

msgid "Invoice {number}"
msgstr "账单 {number}"

msgid "Not translated yet"
msgstr ""

msgid "%(num)s key"
msgid_plural "%(num)s keys"
msgstr[0] "%(num)s 个密钥"
"""
PAID_AMOUNT = pgettext_noop("amount", "Paid")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "invoices.po").write_text(FILE, encoding="utf-8")
    (tmp_path / "zh" / "more.po").write_text('msgid "More"\nmsgstr "更多"\n', encoding="utf-8")
    return tmp_path


@pytest.fixture
def chinese(folder: Path) -> MessageCatalog:
    return read_catalog(folder, "zh")


def test_texts_of_all_files_are_translated(chinese: MessageCatalog) -> None:
    assert (chinese.gettext("Paid"), chinese.gettext("More")) == ("已付款", "更多")


def test_context_tells_apart_equal_english_texts(chinese: MessageCatalog, folder: Path) -> None:
    assert chinese.gettext(PAID_AMOUNT) == "已付金额"
    assert read_catalog(folder, "en").gettext(PAID_AMOUNT) == "Paid"


def test_values_are_inserted(chinese: MessageCatalog) -> None:
    assert chinese.text("Invoice {number}", number=7) == "账单 7"


@pytest.mark.parametrize("text", ["Not translated yet", "Unknown", pgettext_noop("a", "Unknown")])
def test_text_without_translation_stays_english(chinese: MessageCatalog, text: str) -> None:
    assert chinese.gettext(text) == text.removeprefix("a\x04")


def test_plural_text_has_the_form_of_its_count(chinese: MessageCatalog, folder: Path) -> None:
    text = ("%(num)s key", "%(num)s keys")
    assert chinese.ngettext(*text, 1) == chinese.ngettext(*text, 2) == "%(num)s 个密钥"
    english = read_catalog(folder, "en")
    assert (english.ngettext(*text, 1), english.ngettext(*text, 2)) == text


def test_unknown_language_is_an_error(folder: Path) -> None:
    with pytest.raises(KeyError):
        read_catalog(folder, "fr")
