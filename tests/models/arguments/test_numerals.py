"""Numbers in words, decimal commas and composed units, in the forms that people write."""

import pytest

from models.arguments.quantities import find_quantities, normalize
from models.arguments.rewriting.numerals import with_plain_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("三百八十伏", "380伏"),
        ("零点八", "0.8"),
        ("百分之九十", "百分之90"),
        ("两千九百转", "2900转"),
        ("三百五", "350"),
        ("一千千克每立方米", "1000千克每立方米"),
        ("十六千瓦", "16千瓦"),
        ("三万六千度", "36000度"),
        ("五百万度", "5000000度"),
        ("一千零五转", "1005转"),
        ("三个小时", "3个小时"),
        ("twenty-five metres", "25 metres"),
        ("two hundred and ten minutes", "210 minutes"),
        ("zero point eight five", "0.85"),
        ("groups of five", "groups of 5"),
        ("22,8 kN", "22.8 kN"),
        ("0,355", "0.355"),
        ("61 500,5 kWh", "61500.5 kWh"),
        ("15.500,75 kWh", "15500.75 kWh"),
        ("3k pcs", "3000 pcs"),
        ("1.2 million kWh", "1200000 kWh"),
        ("factor .82", "factor 0.82"),
        ("2h10min", "2h 10min"),
    ],
)
def test_number_is_rewritten_in_digits(text: str, expected: str) -> None:
    assert with_plain_numbers(normalize(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "十分感谢",
        "三相电机",
        "第三班",
        "四分之一",
        "一件",
        "one piece",
        "two bearings",
        "1,300 rpm",
        "10.1,10.2,9.9",
        "1,2,3,4",
        "299.1 K",
        "9.9.2026",
    ],
)
def test_words_and_lists_are_left_alone(text: str) -> None:
    assert with_plain_numbers(normalize(text)) == normalize(text)


def test_full_width_comma_divides_numbers() -> None:
    assert with_plain_numbers(normalize("71，69，70")) == "71, 69, 70"


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("3 m³/min", 3, "m3/min"),
        ("20升每秒", 20, "L/s"),
        ("40 cubic metres per hour", 40, "m3/h"),
        ("150 gpm", 150, "gal/min"),
        ("0.86 t/m³", 0.86, "t/m3"),
        ("0.84 kg/l", 0.84, "kg/L"),
        ("1000千克每立方米", 1000, "kg/m3"),
        ("44 lbf·ft", 44, "lbf*ft"),
        ("30 ft-lb", 30, "ft*lbf"),
        ("110牛顿·米", 110, "N*m"),
        ("0.09 kN·m", 0.09, "kN*m"),
        ("4.5公斤力·米", 4.5, "kgf*m"),
        ("23.5转/秒", 23.5, "r/s"),
        ("990 times per minute", 990, "rpm"),
        ("58 N M型", 58, "N"),
        ("2.25吨力", 2.25, "kkgf"),
        ("3 h 20 min", 200, "min"),
        ("2小时5分", 125, "min"),
        ("2.4 秒/包", 2.4, "s/pcs"),
        ("4 kWh/pc", 4, "kWh/pcs"),
    ],
)
def test_unit_is_found_in_any_notation(text: str, value: float, unit: str) -> None:
    (quantity,) = find_quantities(normalize(text))
    assert quantity.value == pytest.approx(value)
    assert unit in {one for _, one in quantity.units}


def test_two_durations_of_a_list_are_not_joined() -> None:
    assert [one.value for one in find_quantities("8 h, 45 min")] == [8, 45]
    assert [one.value for one in find_quantities("8 h 90 min")] == [8, 90]
