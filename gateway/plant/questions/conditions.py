"""Conditions of a question's query: which assets, which events, which period.

IRIs are made from codes by percent-encoding, and texts are escaped as literals, so that no name can
change a query.
"""

import re
from collections.abc import Iterable

from gateway.plant.assets.values import Node, NodeKind
from gateway.plant.graph.triples import text_literal
from gateway.plant.graph.vocabulary import PLANT, node_iri
from gateway.plant.questions.plan import LABEL, Pattern, Plan
from gateway.plant.questions.values import AssetClass, EventTerm, PlantQuery, TimeRelation

_OPERATORS = {TimeRelation.AFTER: ">", TimeRelation.BEFORE: "<"}
_UNTYPED_LEVELS = '"equipment", "component", "work_unit", "work_center"'


def add_event(plan: Plan, event: EventTerm, number: str, asset: str, *, needs_date: bool) -> None:
    """Add a work order on an asset or its parts that found or did something."""
    node, what, place, date = (f"?{name}{number}" for name in ("event", "what", "place", "date"))
    plan.where(node_values(what, event.nodes) if event.nodes else "")
    plan.cite(node, "remedy" if _is_remedy(event) else "found", what)
    plan.cite(node, "on", place)
    plan.where(f"{place} <{PLANT}partOf>* {asset} .")
    if needs_date:
        plan.cite(node, "date", date)
    else:
        plan.maybe((node, "date", date))


def add_reference(plan: Plan, query: PlantQuery, asset: str) -> None:
    """Add the event on the same asset before or after which the first one was."""
    if query.relation is None or query.reference is None:
        return
    add_event(plan, query.reference, "2", asset, needs_date=True)
    plan.where(f"filter(str(?date1) {_OPERATORS[query.relation]} str(?date2))")


def narrows(query: PlantQuery) -> bool:
    """Return whether a query says which assets it is about, so that their parts count too.

    Otherwise the areas of an event's asset would count as well.
    """
    wanted = query.asset_class
    return bool(query.asset) or (wanted is not None and bool(wanted.iris or wanted.patterns))


def absent(event: EventTerm, query: PlantQuery) -> str:
    """Return the condition that an asset had no such event in the period."""
    bounds = _bounds(query, "?never_date")
    date = f"?never <{PLANT}date> ?never_date . {bounds}" if bounds else ""
    predicate = "remedy" if _is_remedy(event) else "found"
    values = node_values("?never_what", event.nodes) if event.nodes else ""
    return (
        f"filter not exists {{ {values} ?never <{PLANT}{predicate}> ?never_what ; "
        f"<{PLANT}on> ?never_place . ?never_place <{PLANT}partOf>* ?asset . {date} }}"
    )


def _is_remedy(event: EventTerm) -> bool:
    """Return whether an event is something that was done."""
    return bool(event.nodes) and event.nodes[0].kind is NodeKind.REMEDY


def add_scope(plan: Plan, query: PlantQuery, asset: str) -> None:
    """Add which assets are meant: some by name, those of a class, those in a place."""
    plan.where(f"{asset} a <{PLANT}Asset> .")
    if query.asset:
        plan.where(node_values(asset, query.asset))
    if query.asset_class is not None and (query.asset_class.iris or query.asset_class.patterns):
        plan.where(_class_filter(query.asset_class, asset))
        if query.asset_class.iris:
            plan.implied.append(Pattern(asset, f"{PLANT}assetType", f"{asset}_type"))
    if query.within:
        plan.where(f"{node_values('?area', query.within)} {asset} <{PLANT}partOf>+ ?area .")
        plan.implied.append(Pattern("?area", f"{PLANT}code", "?area_code"))
        plan.where(f"?area <{PLANT}code> ?area_code .")


def _class_filter(wanted: AssetClass, asset: str) -> str:
    """Return the condition that an asset is of a class; without a type its name decides."""
    name = f"{asset}_name"
    level = f"{asset}_level"
    by_name = (
        f"{{ {asset} <{LABEL}> {name} ; <{PLANT}level> {level} . "
        f"filter not exists {{ {asset} <{PLANT}assetType> {asset}_any }} "
        f"filter({level} in ({_UNTYPED_LEVELS})) {_name_filters(name, wanted)} }}"
    )
    if not wanted.iris:
        return by_name
    typed = f"{{ {values(f'{asset}_type', wanted.iris)} {asset} <{PLANT}assetType> {asset}_type }}"
    return f"{typed} union {by_name}"


def _name_filters(variable: str, wanted: AssetClass) -> str:
    """Return the condition that a name has each word of a class in one of its forms."""
    return " ".join(
        f"filter(regex({variable}, {text_literal('|'.join(map(re.escape, words)))}, 'i'))"
        for words in wanted.patterns
    )


def concept_filter(wanted: AssetClass) -> str:
    """Return the condition that a point has a concept or, in its name or tag, its words."""
    named = " && ".join(
        f"regex(concat(?name, ' ', ?tag), {text_literal('|'.join(map(re.escape, words)))}, 'i')"
        for words in wanted.patterns
    )
    iris = ", ".join(f"<{iri}>" for iri in wanted.iris)
    is_concept = f"exists {{ ?point <{PLANT}concept> ?its . filter(?its in ({iris})) }} || "
    return f"filter({is_concept if iris else ''}({named}))"


def component_filter(query: PlantQuery) -> str:
    """Return the condition that an FMEA item is of the assets, or of a component by its text."""
    nodes = [*query.asset, *query.within]
    options = [f"?component = <{node_iri(node)}>" for node in nodes]
    options += [f"?component = {text_literal(text)}" for text in query.components]
    wanted = query.asset_class
    if wanted is not None:
        options.append(f"exists {{ {_class_filter(wanted, '?component')} }}")
    return f"filter({' || '.join(options)})" if options else "filter(false)"


def add_period(plan: Plan, query: PlantQuery, date: str) -> None:
    """Add the condition that a date is in the period."""
    bounds = _bounds(query, date)
    if bounds:
        plan.where(bounds)


def _bounds(query: PlantQuery, date: str) -> str:
    """Return the condition that a date is in the period, empty without one."""
    period = query.period
    parts = []
    if period.start:
        parts.append(f"str({date}) >= {text_literal(period.start)}")
    if period.end:
        parts.append(f"str({date}) < {text_literal(period.end)}")
    return f"filter({' && '.join(parts)})" if parts else ""


def node_values(variable: str, nodes: Iterable[Node]) -> str:
    """Return the condition that a variable is one of these nodes."""
    return values(variable, (node_iri(node) for node in nodes))


def values(variable: str, iris: Iterable[str]) -> str:
    """Return the condition that a variable is one of these IRIs."""
    return f"values {variable} {{ {' '.join(f'<{iri}>' for iri in iris)} }}"
