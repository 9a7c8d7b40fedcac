"""Translation catalogues: every text has a Chinese translation, and no translation is unused."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import gateway.dashboard
from gateway.dashboard.i18n import LANGUAGES, read_languages, read_translations
from tests.gateway.dashboard.texts import of_inputs, said

_VALUE = re.compile(r"%\(\w+\)s|%%|{\w+}")
_FOLDER = Path(gateway.dashboard.__file__).parent / "translations"


def test_catalogues_translate_exactly_the_used_texts() -> None:
    ours, theirs = said(), read_translations("zh")
    assert sorted(ours.keys() - theirs.keys()) == []
    assert sorted(theirs.keys() - ours.keys() - of_inputs()) == []


def test_translations_are_not_empty_and_keep_placeholders() -> None:
    for english, chinese in read_translations("zh").items():
        for text in [chinese] if isinstance(chinese, str) else chinese:
            assert text, english
            assert sorted(_VALUE.findall(text)) == sorted(_VALUE.findall(english)), english


def test_each_text_is_in_one_catalogue() -> None:
    seen: dict[str, str] = {}
    for file in sorted((_FOLDER / "zh").glob("*.po")):
        with file.open("rb") as opened:
            for message in read_po(opened):
                if message.id:
                    assert str(message.id) not in seen, (message.id, file.name)
                    seen[str(message.id)] = file.name


@pytest.mark.parametrize("code", LANGUAGES)
def test_text_without_translation_is_returned_unchanged(code: str) -> None:
    language = read_languages()[code]
    assert language.gettext("nothing says this") == "nothing says this"
    assert language.ngettext("%(num)s thing", "%(num)s things", 2) == "%(num)s things"
    assert language.ngettext("%(num)s thing", "%(num)s things", 1) == "%(num)s thing"
