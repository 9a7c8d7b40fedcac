"""What a customer states about the costs of false alarms and misses, and its validation.

Three forms: by class (`{"leak": {"false_alarm": 200, "miss": 9000}}`), a pair for models of two
classes (`{"false_alarm": 200, "miss": 9000}`, with `class` for the class to act on), and a pair
with a `limit` for models of numbers.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from models.sentences import sentence

FALSE_ALARM, MISS = "false_alarm", "miss"
CLASS, LIMIT, SIDE = "class", "limit", "act_when"
_PAIR = (FALSE_ALARM, MISS)
_FIELDS = (*_PAIR, CLASS, LIMIT, SIDE)


class CostsInvalid(ValueError):
    """Costs that cannot be used; `path` names the field, `message` says what is wrong with it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.message = sentence("`{path}` {reason}", path=path, reason=reason)
        super().__init__(self.message)


class Side(StrEnum):
    """The side of a limit on which a value calls for action."""

    ABOVE = "above"
    BELOW = "below"


class CostPair(msgspec.Struct, frozen=True):
    """The costs of acting in vain and of not acting on the event, in one currency, above 0."""

    false_alarm: float
    miss: float

    @property
    def threshold(self) -> float:
        """The probability above which acting is cheaper."""
        return self.false_alarm / (self.false_alarm + self.miss)


class StatedCosts(msgspec.Struct, frozen=True):
    """Costs as they were stated: by class, or one pair with the class or limit it applies to."""

    by_class: dict[str, CostPair] = {}
    pair: CostPair | None = None
    of_class: str | None = None
    limit: float | None = None
    side: Side | None = None


class ClassCost(msgspec.Struct, frozen=True):
    """The costs of acting on a class, by its position among the model's classes."""

    index: int
    pair: CostPair


class LimitCosts(msgspec.Struct, frozen=True):
    """The costs of acting on a value beyond a limit, in the target's unit."""

    limit: float
    side: Side
    pair: CostPair


def parse_costs(stated: object, path: str) -> StatedCosts:
    """Return costs from JSON; `path` is where they were stated. Raises CostsInvalid."""
    fields = _require_object(stated, path)
    if not fields:
        raise CostsInvalid(
            path,
            sentence(
                "must have `{false_alarm}` and `{miss}`, or classes with both.",
                false_alarm=FALSE_ALARM,
                miss=MISS,
            ),
        )
    if all(isinstance(value, Mapping) for value in fields.values()):
        pairs = {name: _parse_pair(fields[name], f"{path}.{name[:64]}") for name in fields}
        return StatedCosts(by_class=pairs)
    _require_known(fields, _FIELDS, path)
    of_class, side = fields.get(CLASS), fields.get(SIDE)
    if of_class is not None and not isinstance(of_class, str):
        raise CostsInvalid(f"{path}.{CLASS}", sentence("must be the name of a class."))
    if side is not None and (not isinstance(side, str) or side not in list(Side)):
        raise CostsInvalid(f"{path}.{SIDE}", sentence("must be `above` or `below`."))
    limit = fields.get(LIMIT)
    return StatedCosts(
        pair=_parse_pair({name: fields[name] for name in _PAIR if name in fields}, path),
        of_class=of_class,
        limit=None if limit is None else _parse_number(limit, f"{path}.{LIMIT}"),
        side=None if side is None else Side(side),
    )


def class_costs(
    stated: StatedCosts, classes: Sequence[str], usual: str | None, path: str
) -> tuple[ClassCost, ...]:
    """Return the costs by class. A pair without a class applies to `usual`. Raises CostsInvalid."""
    for name, value in ((LIMIT, stated.limit), (SIDE, stated.side)):
        if value is not None:
            raise CostsInvalid(f"{path}.{name}", sentence("has no meaning for a model of classes."))
    if stated.pair is None:
        pairs = stated.by_class
    elif stated.of_class is None and usual is None:
        raise CostsInvalid(
            path,
            sentence("must name the class to act on in `{field}`, or costs by class.", field=CLASS),
        )
    else:
        pairs = {stated.of_class or usual or "": stated.pair}
    at = f"{path}.{CLASS}" if stated.of_class else None
    for name in pairs:
        if name not in classes:
            known = ", ".join(classes[:20])
            reason = sentence(
                "names {name}, which is no class of the model. Classes: {known}.",
                name=repr(name[:64]),
                known=known,
            )
            raise CostsInvalid(at or f"{path}.{name[:64]}", reason)
    return tuple(ClassCost(classes.index(name), pair) for name, pair in pairs.items())


def limit_costs(
    stated: StatedCosts, usual: LimitCosts | None, side: Side, highest: float | None, path: str
) -> LimitCosts:
    """Return the costs of a limit. Raises CostsInvalid.

    usual: what applies where limit or side are left out, else `side`. highest: the limit must be
    below it, if there is one.
    """
    if stated.pair is None:
        name = next(iter(stated.by_class))
        raise CostsInvalid(
            f"{path}.{name[:64]}", sentence("names a class, but the model predicts a number.")
        )
    if stated.of_class is not None:
        raise CostsInvalid(f"{path}.{CLASS}", sentence("has no meaning for a model of numbers."))
    limit = stated.limit if stated.limit is not None or usual is None else usual.limit
    if limit is None:
        raise CostsInvalid(
            f"{path}.{LIMIT}", sentence("is missing: the value that calls for action.")
        )
    if highest is not None and limit >= highest:
        reason = sentence(
            "must be below {highest:g}, from which on lives are not told apart.", highest=highest
        )
        raise CostsInvalid(f"{path}.{LIMIT}", reason)
    return LimitCosts(limit, stated.side or (usual.side if usual else side), stated.pair)


def _parse_pair(stated: object, path: str) -> CostPair:
    """Return a pair of costs. Raises CostsInvalid."""
    fields = _require_object(stated, path)
    _require_known(fields, _PAIR, path)
    for name in _PAIR:
        if name not in fields:
            raise CostsInvalid(f"{path}.{name}", sentence("is missing."))
    false_alarm, miss = (_parse_number(fields[name], f"{path}.{name}") for name in _PAIR)
    for name, value in ((FALSE_ALARM, false_alarm), (MISS, miss)):
        if value <= 0:
            raise CostsInvalid(
                f"{path}.{name}", sentence("is {value:g}; it must be greater than 0.", value=value)
            )
    return CostPair(false_alarm, miss)


def _parse_number(stated: object, path: str) -> float:
    """Return a finite number. Raises CostsInvalid."""
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        raise CostsInvalid(path, sentence("must be a number."))
    try:
        number = float(stated)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise CostsInvalid(path, sentence("must be a finite number."))
    return number


def _require_object(stated: object, path: str) -> Mapping[str, object]:
    """Return a JSON object. Raises CostsInvalid for anything else."""
    if not isinstance(stated, Mapping):
        raise CostsInvalid(path, sentence("must be an object with costs."))
    return stated


def _require_known(fields: Mapping[str, object], known: Sequence[str], path: str) -> None:
    """Raise CostsInvalid for a field that is not known."""
    for name in fields:
        if name not in known:
            names = ", ".join(f"`{one}`" for one in known)
            raise CostsInvalid(
                f"{path}.{name[:64]}", sentence("is unknown; it has {names}.", names=names)
            )
