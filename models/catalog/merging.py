"""Merge operators' catalog files into the built-in catalog: new models, and changed fields."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.catalog.files import CatalogFile
from models.catalog.problems import ProblemList
from models.catalog.profiles import PROFILES
from models.catalog.schema import MODEL_FIELDS, check_fields

_PRICE_TABLES = frozenset({"meters", "cost"})


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """The valid fields of a model's entry after merging, and the file that defined them last.

    `invalid_fields` were stated with wrong values, which are reported already.
    """

    fields: Mapping[str, Any]
    file: str
    file_number: int
    invalid_fields: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """Return the model's id."""
        return str(self.fields["id"])

    @property
    def label(self) -> str:
        """Return how messages name the entry."""
        return f"the model {self.id!r}"


def merge_models(
    built_in: CatalogFile, operator_files: Sequence[CatalogFile], problems: ProblemList
) -> list[ModelEntry]:
    """Return the entries of all models: built-in ones as operators changed them, then new ones."""
    merged = _read_entries(built_in, problems)
    defined_in: dict[str, str] = {}
    for file in operator_files:
        entries = _read_entries(file, problems)
        for entry in entries:
            other = defined_in.get(entry.id)
            if other is not None:
                text = f"{other} defines it too. Keep it in one file."
                problems.add(file.name, text, entry.label, "id")
            else:
                merged = _apply(entry, merged, problems)
        defined_in |= {entry.id: file.name for entry in entries}
    return merged


def _read_entries(file: CatalogFile, problems: ProblemList) -> list[ModelEntry]:
    """Return a file's entries with their valid fields; report problems."""
    entries: list[ModelEntry] = []
    seen: dict[str, set[str]] = {}
    for number, table in enumerate(file.models, start=1):
        shown = table.get("id")
        label = f"the model {shown!r}" if isinstance(shown, str) else f"model number {number}"
        if "id" not in table:
            problems.add(file.name, "is missing.", label, "id")
        fields = check_fields(table, MODEL_FIELDS, file.name, label, problems)
        if "id" not in fields:
            continue
        entry = ModelEntry(fields, file.name, file.number, frozenset(table.keys() - fields.keys()))
        profiles = set(fields.get("profiles", PROFILES))
        if not profiles.isdisjoint(seen.get(entry.id, ())) or (
            entry.id in seen and "profiles" not in fields
        ):
            text = "is there twice for one profile. Entries of one id must have other profiles."
            problems.add(file.name, text, label, "id")
            continue
        seen.setdefault(entry.id, set()).update(profiles)
        entries.append(entry)
    return entries


def _apply(
    change: ModelEntry, entries: list[ModelEntry], problems: ProblemList
) -> list[ModelEntry]:
    """Return the entries with an operator's entry: a new model, or changes of one.

    A model with an entry for each profile is changed in the entries of the `profiles` that the
    operator's entry states, by default in all.
    """
    same = [entry for entry in entries if entry.id == change.id]
    built_in = [entry for entry in same if entry.file_number != change.file_number]
    if not built_in:
        return [*entries, _merge(ModelEntry({}, change.file, change.file_number), change, problems)]
    fields = dict(change.fields)
    if len(built_in) > 1 and fields.get("profiles"):
        wanted = set(fields.pop("profiles"))
        built_in = [entry for entry in built_in if wanted & set(entry.fields["profiles"])]
    changed = replace(change, fields=fields)
    replaced = {id(entry): _merge(entry, changed, problems) for entry in built_in}
    return [replaced.get(id(entry), entry) for entry in entries]


def _merge(entry: ModelEntry, change: ModelEntry, problems: ProblemList) -> ModelEntry:
    """Return an entry with the fields of an operator's entry; `false` removes a field."""
    fields = dict(entry.fields)
    for name, value in change.fields.items():
        if value is False:
            fields.pop(name, None)
        elif name in _PRICE_TABLES:
            fields[name] = _merge_meters(fields.get(name, {}), value, change, name, problems)
        elif name == "engine":
            fields[name] = {**fields.get(name, {}), **value}
        else:
            fields[name] = value
    return replace(
        change, fields=fields, invalid_fields=entry.invalid_fields | change.invalid_fields
    )


def _merge_meters(
    meters: Mapping[str, Any],
    changes: Mapping[str, Any],
    entry: ModelEntry,
    field: str,
    problems: ProblemList,
) -> dict[str, Any]:
    """Return the price table with changed meters; within a meter each currency is changed alone."""
    merged = dict(meters)
    for meter, row in changes.items():
        old = merged.get(meter)
        if row is False:
            merged.pop(meter, None)
        elif not isinstance(row, dict) or not isinstance(old, dict):
            merged[meter] = _without_removed(row.items()) if isinstance(row, dict) else row
        else:
            unstated = old.keys() - row.keys() - {"per"}
            if row.get("per", old.get("per")) != old.get("per") and unstated:
                currencies = ", ".join(sorted(unstated))
                text = (
                    f"changes the number of units, so state the price in {currencies} too, or "
                    "`false` to remove it."
                )
                problems.add(entry.file, text, entry.label, f"{field}.{meter}.per")
            merged[meter] = _without_removed({**old, **row}.items())
    return merged


def _without_removed(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the items as a table, without those whose value is `false`."""
    return {name: value for name, value in items if value is not False}
