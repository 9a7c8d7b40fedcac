"""Faults of a page that its HTML shows, for a look at every page without a browser."""

from collections import Counter
from html.parser import HTMLParser

_CONTROLS = {"input", "select", "textarea"}
_UNLABELLED_TYPES = {"hidden", "submit", "button"}
_NAMING = ("aria-label", "aria-labelledby", "title")


class _Reader(HTMLParser):
    """Collects identifiers, labels, controls and headings."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.labelled: set[str] = set()
        self.controls: list[tuple[str, str]] = []  # id and description of those without a name
        self.headings = 0
        self.faults: list[str] = []
        self._open_labels = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids[values["id"]] += 1
        if tag == "label":
            self._open_labels += 1
            self.labelled.add(values.get("for", ""))
        self.headings += tag == "h1"
        if tag == "img" and "alt" not in values:
            self.faults.append(f"image without alternative text: {values.get('src')}")
        if tag in _CONTROLS and values.get("type") not in _UNLABELLED_TYPES:
            self._add_control(tag, values)

    def handle_endtag(self, tag: str) -> None:
        self._open_labels -= tag == "label"

    def _add_control(self, tag: str, values: dict[str, str]) -> None:
        if not self._open_labels and not any(values.get(name) for name in _NAMING):
            self.controls.append((values.get("id", ""), f"{tag} {values.get('name')}"))


def markup_faults(html: str) -> list[str]:
    """Return repeated ids, unlabelled controls, images without a text, and missing headings."""
    reader = _Reader()
    reader.feed(html)
    faults = [*reader.faults]
    faults += [f"id used {number} times: {one}" for one, number in reader.ids.items() if number > 1]
    faults += [
        f"control without a label: {described}"
        for identifier, described in reader.controls
        if not identifier or identifier not in reader.labelled
    ]
    if reader.headings != 1:
        faults.append(f"{reader.headings} headings of the first level")
    return faults
