"""The SPARQL query of a question, by what it asks for."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from gateway.plant.assets.values import NodeKind
from gateway.plant.graph.vocabulary import PLANT
from gateway.plant.questions.conditions import (
    absent,
    add_event,
    add_period,
    add_reference,
    add_scope,
    component_filter,
    concept_filter,
    narrows,
    node_values,
    values,
)
from gateway.plant.questions.plan import LABEL, MAX_ROWS, Pattern, Plan
from gateway.plant.questions.values import AnswerKind, Order, PlantQuery, RatingBound


def build_plan(query: PlantQuery) -> Plan:
    """Return the SPARQL query of a question."""
    return _BUILDERS[query.kind](query)


def location_query(assets: Iterable[str]) -> str:
    """Return the query of the hierarchy above assets, by their IRIs."""
    return (
        "select distinct ?part ?whole ?part_label ?whole_label where { "
        f"{values('?asset', assets)} "
        f"?asset <{PLANT}partOf>* ?part . ?part <{PLANT}partOf> ?whole . "
        f"?part <{LABEL}> ?part_label . ?whole <{LABEL}> ?whole_label }} limit {MAX_ROWS}"
    )


def _assets(query: PlantQuery) -> Plan:
    """Return assets of a class or place, with their events if there are any."""
    plan = Plan("?asset", order="?asset")
    add_scope(plan, query, "?asset")
    if query.negated:
        plan.cite("?asset", "code", "?code")
        if query.event is not None:
            plan.where(absent(query.event, query))
        return plan
    if query.event is not None:
        add_event(plan, query.event, "1", "?asset", needs_date=query.relation is not None)
        if not narrows(query):
            plan.where("filter(?place1 = ?asset)")
        plan.order = "?asset ?date1"
        add_period(plan, query, "?date1")
    else:
        plan.cite("?asset", "code", "?code")
    add_reference(plan, query, "?asset")
    return plan


def _work_orders(query: PlantQuery) -> Plan:
    """Return work orders with date, finding and action, the oldest first."""
    plan = Plan("?event1", order="?date1")
    if query.subject:
        plan.where(node_values("?event1", query.subject))
    if query.event is not None and query.event.nodes:
        add_event(plan, query.event, "1", "?asset", needs_date=True)
    else:
        plan.where(f"?event1 a <{PLANT}WorkOrder> .")
        plan.cite("?event1", "on", "?place1")
        plan.where(f"?place1 <{PLANT}partOf>* ?asset .")
        plan.maybe(("?event1", "date", "?date1"))
        plan.maybe(("?event1", "found", "?found1"))
        plan.maybe(("?event1", "remedy", "?done1"))
    if query.asset or query.within or query.asset_class:
        add_scope(plan, query, "?asset")
    else:
        plan.where("filter(?place1 = ?asset)")
    add_period(plan, query, "?date1")
    add_reference(plan, query, "?asset")
    return plan


def _failure_modes(query: PlantQuery) -> Plan:
    """Return failure modes: of a cause, of assets, as FMEA or work orders have them."""
    plan = Plan("?mode", order="?mode")
    predicates = {
        NodeKind.CAUSE: "causedBy",
        NodeKind.EFFECT: "hasEffect",
        NodeKind.REMEDY: "remediedBy",
    }
    if query.subject:
        plan.where(node_values("?subject", query.subject))
        plan.cite("?mode", predicates[query.subject[0].kind], "?subject")
        return plan
    is_scoped = bool(query.asset or query.within or query.asset_class)
    if query.observed or query.order is not Order.ALL:
        plan.cite("?event1", "found", "?mode")
        plan.cite("?event1", "on", "?place1")
        plan.maybe(("?event1", "date", "?date1"))
        plan.where(f"?place1 <{PLANT}partOf>* ?asset ." if is_scoped else "")
        if is_scoped:
            add_scope(plan, query, "?asset")
        add_period(plan, query, "?date1")
        plan.order = "?date1"
        return plan
    plan.cite("?item", "failureMode", "?mode")
    plan.cite("?item", "component", "?component")
    plan.maybe(("?item", "rpn", "?rpn"))
    if is_scoped or query.components:
        plan.where(component_filter(query))
    plan.order = "desc(?rpn)"
    return plan


def _of_mode(predicate: str, name: str) -> Callable[[PlantQuery], Plan]:
    """Return the builder of what failure modes have by a predicate."""

    def build(query: PlantQuery) -> Plan:
        """Return the query of causes, effects or remedies."""
        plan = Plan(name, order=name)
        plan.where(node_values("?mode", query.subject))
        plan.cite("?mode", predicate, name)
        return plan

    return build


def _risks(query: PlantQuery) -> Plan:
    """Return the items of the FMEA with a rating, the highest first."""
    rating = query.rating or RatingBound("rpn")
    plan = Plan("?item", order=f"desc(?{rating.rating}) ?item")
    if query.subject:
        plan.where(node_values("?mode", query.subject))
    plan.cite("?item", "failureMode", "?mode")
    plan.cite("?item", rating.rating, f"?{rating.rating}")
    plan.maybe(("?item", "cause", "?cause"))
    plan.maybe(("?item", "component", "?component"))
    if query.asset or query.within or query.asset_class or query.components:
        plan.where(f"?item <{PLANT}component> ?component .")
        plan.where(component_filter(query))
    if rating.low is not None:
        plan.where(f"filter(?{rating.rating} > {rating.low:g})")
    if rating.high is not None:
        plan.where(f"filter(?{rating.rating} < {rating.high:g})")
    return plan


def _documents(query: PlantQuery) -> Plan:
    """Return the documents about assets, failure modes or work orders."""
    plan = Plan("?document", order="?document")
    if query.subject:
        plan.where(node_values("?about", query.subject))
    plan.where(f"?document a <{PLANT}Document> .")
    plan.cite("?document", "about", "?about")
    plan.maybe(("?document", "filename", "?filename"))
    if query.asset or query.within or query.asset_class:
        plan.where(f"?about <{PLANT}partOf>* ?asset .")
        add_scope(plan, query, "?asset")
    return plan


def _points(query: PlantQuery) -> Plan:
    """Return points with unit and concept."""
    plan = Plan("?point", order="?point")
    if query.asset or query.within or query.asset_class:
        plan.where(f"?owner <{PLANT}partOf>* ?asset .")
        add_scope(plan, query, "?asset")
    plan.cite("?owner", "hasPoint", "?point")
    plan.maybe(("?point", "unit", "?unit"))
    plan.maybe(("?point", "concept", "?concept"))
    if query.concept is not None:
        plan.where(f"?point <{LABEL}> ?name . ?point <{PLANT}code> ?tag .")
        plan.where(concept_filter(query.concept))
    return plan


def _verdicts(query: PlantQuery) -> Plan:
    """Return verdicts and decisions with time, model and version, the newest first."""
    plan = Plan("?verdict", order="desc(?at)")
    plan.where(f"{{ ?verdict a <{PLANT}Verdict> }} union {{ ?verdict a <{PLANT}DecisionRecord> }}")
    plan.cite("?verdict", "on", "?asset")
    plan.cite("?verdict", "at", "?at")
    plan.cite("?verdict", "model", "?model")
    plan.maybe(("?verdict", "version", "?version"))
    plan.maybe(("?verdict", "verdict", "?decided"))
    add_scope(plan, query, "?asset")
    add_period(plan, query, "?at")
    return plan


def _property(query: PlantQuery) -> Plan:
    """Return the values of a property."""
    plan = Plan("?asset", order="?asset")
    add_scope(plan, query, "?asset")
    patterns = " union ".join(f"{{ ?asset <{iri}> ?value }}" for iri in query.properties)
    if len(query.properties) == 1:
        plan.patterns.append(Pattern("?asset", query.properties[0], "?value"))
        plan.optional.append([Pattern("?asset", f"{query.properties[0]}Unit", "?unit")])
    else:
        plan.where(patterns)
    return plan


def _location(query: PlantQuery) -> Plan:
    """Return the assets of which an asset is a part."""
    plan = Plan("?whole")
    plan.where(node_values("?asset", query.asset))
    plan.where(f"?asset <{PLANT}partOf>* ?part .")
    plan.cite("?part", "partOf", "?whole")
    return plan


def _parts(query: PlantQuery) -> Plan:
    """Return the assets directly below one."""
    plan = Plan("?part", order="?part")
    plan.where(node_values("?asset", query.asset))
    plan.cite("?part", "partOf", "?asset")
    return plan


_BUILDERS: Mapping[AnswerKind, Callable[[PlantQuery], Plan]] = MappingProxyType(
    {
        AnswerKind.ASSETS: _assets,
        AnswerKind.WORK_ORDERS: _work_orders,
        AnswerKind.FAILURE_MODES: _failure_modes,
        AnswerKind.CAUSES: _of_mode("causedBy", "?cause"),
        AnswerKind.EFFECTS: _of_mode("hasEffect", "?effect"),
        AnswerKind.REMEDIES: _of_mode("remediedBy", "?remedy"),
        AnswerKind.RISKS: _risks,
        AnswerKind.DOCUMENTS: _documents,
        AnswerKind.POINTS: _points,
        AnswerKind.VERDICTS: _verdicts,
        AnswerKind.PROPERTY: _property,
        AnswerKind.LOCATION: _location,
        AnswerKind.PARTS: _parts,
    }
)
