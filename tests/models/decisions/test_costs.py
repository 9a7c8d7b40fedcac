"""Costs as customers state them: three forms, and the path of each wrong field."""

import math
from typing import Any

import pytest

from models.decisions.costs import CostsInvalid, LimitCosts, Side, class_costs, limit_costs
from models.decisions.costs import parse_costs as parse

PAIR = {"false_alarm": 200, "miss": 9000.5}
CLASSES = ("no", "yes")


def test_costs_by_class_belong_to_their_classes() -> None:
    stated = parse({"yes": PAIR}, "costs")
    (cost,) = class_costs(stated, CLASSES, None, "costs")
    assert (cost.index, cost.pair.false_alarm, cost.pair.miss) == (1, 200, 9000.5)


def test_pair_belongs_to_the_named_class_or_the_usual_one() -> None:
    named, plain = parse({**PAIR, "class": "no"}, "costs"), parse(PAIR, "costs")
    assert class_costs(named, CLASSES, "yes", "costs")[0].index == 0
    assert class_costs(plain, CLASSES, "yes", "costs")[0].index == 1


def test_class_with_the_name_of_a_field_is_a_class_if_it_has_costs() -> None:
    stated = parse({"miss": PAIR}, "costs")
    assert class_costs(stated, ("miss", "hit"), None, "costs")[0].index == 0


def test_limit_and_side_are_kept_unless_stated() -> None:
    trained = limit_costs(
        parse({**PAIR, "limit": 3, "act_when": "below"}, "c"), None, Side.ABOVE, None, "c"
    )
    again = limit_costs(parse({"false_alarm": 1, "miss": 2}, "c"), trained, Side.ABOVE, None, "c")
    assert (again.limit, again.side) == (3, Side.BELOW)
    assert again.pair.threshold == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        (3, "costs"),
        ({}, "costs"),
        ({"yes": {"false_alarm": -1, "miss": 2}}, "costs.yes.false_alarm"),
        ({"yes": {"false_alarm": 1, "miss": 0}}, "costs.yes.miss"),
        ({"yes": {"false_alarm": 1}}, "costs.yes.miss"),
        ({"yes": {**PAIR, "gain": 1}}, "costs.yes.gain"),
        ({"yes": PAIR, "no": 3}, "costs.yes"),
        ({"false_alarm": math.inf, "miss": 1}, "costs.false_alarm"),
        ({"false_alarm": math.nan, "miss": 1}, "costs.false_alarm"),
        ({"false_alarm": 10**400, "miss": 1}, "costs.false_alarm"),
        ({"false_alarm": True, "miss": 1}, "costs.false_alarm"),
        ({"false_alarm": "1", "miss": 1}, "costs.false_alarm"),
        ({**PAIR, "limit": math.inf}, "costs.limit"),
        ({**PAIR, "act_when": "near"}, "costs.act_when"),
        ({**PAIR, "class": 3}, "costs.class"),
    ],
)
def test_wrong_field_is_named_by_its_path(stated: Any, path: str) -> None:
    with pytest.raises(CostsInvalid) as caught:
        parse(stated, "costs")
    assert caught.value.path == path
    assert f"`{path}`" in caught.value.message


@pytest.mark.parametrize(
    ("stated", "usual", "path"),
    [
        ({"maybe": PAIR}, "yes", "costs.maybe"),
        ({**PAIR, "class": "maybe"}, "yes", "costs.class"),
        (PAIR, None, "costs"),
        ({**PAIR, "limit": 3}, "yes", "costs.limit"),
        ({**PAIR, "act_when": "above"}, "yes", "costs.act_when"),
    ],
)
def test_costs_that_do_not_suit_a_classifier_are_rejected(
    stated: Any, usual: str | None, path: str
) -> None:
    with pytest.raises(CostsInvalid) as caught:
        class_costs(parse(stated, "costs"), CLASSES, usual, "costs")
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        ({"yes": PAIR}, "costs.yes"),
        ({**PAIR, "class": "yes"}, "costs.class"),
        (PAIR, "costs.limit"),
        ({**PAIR, "limit": 125}, "costs.limit"),
    ],
)
def test_costs_that_do_not_suit_a_number_are_rejected(stated: Any, path: str) -> None:
    usual: LimitCosts | None = None
    with pytest.raises(CostsInvalid) as caught:
        limit_costs(parse(stated, "costs"), usual, Side.BELOW, 125, "costs")
    assert caught.value.path == path
