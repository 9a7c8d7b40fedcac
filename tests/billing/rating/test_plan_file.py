"""Plan files: parsing of all fields, and errors for invalid files."""

import pytest

from billing.rating.plan_file import ListPrices, list_price_terms, parse_plan_file
from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.quantities import METERS
from billing.rating.terms import (
    ANY_MODEL,
    PACK_PLAN,
    Alignment,
    Allowance,
    Discount,
    Interval,
    ModelPrice,
    PlanTerms,
    TermsInvalid,
)

WHOLE = """
plan = "team"
names = { en = "Team", zh = "团队" }
currency = "CNY"
fixed_fee = "99.00"
interval = "year"
alignment = "anniversary"
trial_days = 14
minimum = "50"
spend_cap = "1000.5"
tax_inclusive = true
list_prices = true

[[price]]
model = "chat"
meter = "input_tokens"
per = 1000000
price = "2.5"

[[price]]
model = "chat"
meter = "output_tokens"
kind = "graduated"
per = 1000
tiers = [
  { up_to = 1000000, price = "0.02" },
  { price = "0.01", flat = "3" },
]

[[price]]
model = "forecast"
meter = "rows"
kind = "package"
size = 1000
price = "0.7"

[[price]]
model = "detect"
meter = "rows"
kind = "volume"
tiers = [{ up_to = 10, price = "0.2" }, { price = "0.1" }]

[[allowance]]
meter = "rows"
quantity = 500

[[allowance]]
model = "chat"
meter = "input_tokens"
quantity = 1000

[[discount]]
percent = "10"

[[discount]]
model = "chat"
percent = "12.5001"
"""
LIST = {
    "chat": {"input_tokens": 9999, "cached_input_tokens": 9999},
    "embed": {"output_tokens": 4, "input_tokens": 3},
    "classify": {"rows": 5},
}
HEAD = 'plan = "p"\nnames = { en = "P", zh = "P" }\ncurrency = "CNY"\n'
TIER = "price[0].tiers[0].price"
ROWS = '[[price]]\nmodel = "m"\nmeter = "rows"\n'


def no_list(currency: str) -> ListPrices:
    raise AssertionError(f"the file does not ask for the list in {currency}")


def read(text: str) -> PlanTerms:
    return parse_plan_file(text, no_list)


class TestPlanFileParsing:
    def test_file_with_all_fields_is_parsed(self) -> None:
        terms = parse_plan_file(WHOLE, lambda currency: LIST if currency == "CNY" else {})
        assert terms == PlanTerms(
            plan="team",
            names={"en": "Team", "zh": "团队"},
            currency="CNY",
            prices=(
                # 2.5 yuan for a million: 2.5 * 10^9 / 10^6 nano-units for one
                ModelPrice("chat", "input_tokens", PerUnit(2_500)),
                ModelPrice(
                    "chat",
                    "output_tokens",
                    # 0.02 and 0.01 for a thousand; the flat amount is not for `per` units
                    Graduated((Tier(10**6, 20_000), Tier(None, 10_000, 3 * 10**9))),
                ),
                ModelPrice("forecast", "rows", Package(1000, 700_000_000)),
                ModelPrice("detect", "rows", Volume((Tier(10, 2 * 10**8), Tier(None, 10**8)))),
                # Of the list whole models that have no price above, by name.
                ModelPrice("classify", "rows", PerUnit(5)),
                ModelPrice("embed", "input_tokens", PerUnit(3)),
                ModelPrice("embed", "output_tokens", PerUnit(4)),
            ),
            allowances=(
                Allowance(ANY_MODEL, "rows", 500),
                Allowance("chat", "input_tokens", 1000),
            ),
            discounts=(Discount(ANY_MODEL, 100_000), Discount("chat", 125_001)),
            fixed_fee=9900,
            interval=Interval.YEAR,
            alignment=Alignment.ANNIVERSARY,
            trial_days=14,
            minimum=5000,
            spend_cap=1_000_500_000_000,
            tax_inclusive=True,
        )

    def test_omitted_fields_have_defaults(self) -> None:
        """By default there are no fees and no prices, and periods are calendar months."""
        names = {"en": "P", "zh": "P"}
        assert read(HEAD) == PlanTerms("p", names, "CNY", ())

    @pytest.mark.parametrize(
        ("currency", "text", "minor"),
        [("CNY", "12.34", 1234), ("JPY", "1234", 1234), ("KWD", "1.234", 1234), ("JPY", "7.0", 7)],
    )
    def test_fees_are_parsed_to_minor_units_of_the_currency(
        self, currency: str, text: str, minor: int
    ) -> None:
        head = HEAD.replace("CNY", currency)
        terms = read(f'{head}fixed_fee = "{text}"\nminimum = "{text}"')
        assert (terms.fixed_fee, terms.minimum) == (minor, minor)

    def test_discount_percentage_has_four_decimals(self) -> None:
        def ppm(percent: str) -> int:
            return read(f'{HEAD}[[discount]]\npercent = "{percent}"').discounts[0].ppm

        assert [ppm("0.0001"), ppm("33.3333"), ppm("100")] == [1, 333_333, 1_000_000]


class TestListPriceTerms:
    def test_terms_contain_every_list_price(self) -> None:
        terms = list_price_terms("JPY", LIST)
        assert (terms.plan, terms.currency) == ("list", "JPY")
        assert [(one.model, one.meter) for one in terms.prices] == [
            ("chat", "cached_input_tokens"),
            ("chat", "input_tokens"),
            ("classify", "rows"),
            ("embed", "input_tokens"),
            ("embed", "output_tokens"),
        ]
        assert terms.price("embed", "output_tokens") == PerUnit(4)
        assert set(terms.names) == {"en", "zh"}

    def test_version_id_does_not_depend_on_list_order(self) -> None:
        backwards = {
            model: dict(reversed(meters.items())) for model, meters in reversed(LIST.items())
        }
        assert (
            list_price_terms("CNY", backwards).version_id()
            == list_price_terms("CNY", LIST).version_id()
        )


# What is no plan file at all: the message says where.
UNREADABLE = {
    "empty": ("", "plan"),
    "not TOML": ("plan =", "Invalid value"),
    "a number beyond all sense": (f"{HEAD}trial_days = {'9' * 5000}", "limit"),
    "unknown field": (f'{HEAD}monthly_fee = "9"', "monthly_fee"),
    "unknown field of a price": (f'{HEAD}{ROWS}price = "1"\ncurrency = "CNY"', "currency"),
    "unknown field of a tier": (
        f'{HEAD}{ROWS}kind = "volume"\ntiers = [{{ price = "1", from = 0 }}]',
        "from",
    ),
    "unknown field of an allowance": (f"{HEAD}[[allowance]]\nunits = 5", "units"),
    "unknown field of a discount": (f"{HEAD}[[discount]]\nppm = 5", "ppm"),
    "missing field": (HEAD.replace("plan", "#"), "plan"),
    "an amount that is a number": (f"{HEAD}fixed_fee = 9.9", "fixed_fee"),
    "a quantity that is a fraction": (
        f'{HEAD}[[allowance]]\nmeter = "rows"\nquantity = 1.5',
        r"allowance\[0\].quantity",
    ),
    "unknown interval": (f'{HEAD}interval = "week"', "interval"),
    "unknown alignment": (f'{HEAD}alignment = "never"', "alignment"),
}
# What no terms can be made of: the field.
WRONG = {
    "fee: negative": ('fixed_fee = "-1"', "fixed_fee"),
    "fee: finer than a fen": ('fixed_fee = "0.001"', "fixed_fee"),
    "fee: no plain decimal": ('fixed_fee = "1e3"', "fixed_fee"),
    "minimum: finer than a fen": ('minimum = "0.125"', "minimum"),
    "spend cap: finer than a nano-unit": ('spend_cap = "0.0000000001"', "spend_cap"),
    "spend cap: absurd": ('spend_cap = "9999999999"', "spend_cap"),
    "trial: too long": ("trial_days = 731", "trial_days"),
    "price: none": (ROWS, "price[0]"),
    "price: a package without a size": (f'{ROWS}kind = "package"\nprice = "1"', "price[0]"),
    "price: no tiers": (f'{ROWS}kind = "graduated"', "price[0]"),
    "price: negative": (f'{ROWS}price = "-1"', "price[0]"),
    "price: no whole nano-unit": (f'{ROWS}per = 1000\nprice = "0.0000005"', "price[0]"),
    "price: for no units": (f'{ROWS}per = 0\nprice = "1"', "price[0]"),
    "price: for fewer than none": (f'{ROWS}per = -1\nprice = "1"', "price[0]"),
    "price: of an unknown kind": (f'{ROWS}kind = "flat"\nprice = "1"', "price[0]"),
    "price: the second": (f'{ROWS}price = "1"\n{ROWS}price = "x"', "price[1]"),
    "price: of an unknown meter": (f'{ROWS}price = "1"'.replace("rows", "hours"), "price[0]"),
    "price: of all models": (f'{ROWS}price = "1"'.replace('"m"', '"*"'), "price[0]"),
    "price: twice": (f'{ROWS}price = "1"\n' * 2, "price[1]"),
    "tiers: a flat amount is none": (
        f'{ROWS}kind = "graduated"\ntiers = [{{ price = "1", flat = "x" }}]',
        "price[0]",
    ),
    "tiers: no whole nano-unit": (
        f'{ROWS}kind = "volume"\nper = 3\ntiers = [{{ price = "1" }}]',
        "price[0]",
    ),
    "allowance: of what has no price": (
        '[[allowance]]\nmeter = "rows"\nquantity = 1',
        "allowance[0]",
    ),
    "allowance: nothing": (
        f'{ROWS}price = "1"\n[[allowance]]\nmeter = "rows"\nquantity = 0',
        "allowance[0]",
    ),
    "allowance: twice": (
        f'{ROWS}price = "1"\n' + '[[allowance]]\nmeter = "rows"\nquantity = 1\n' * 2,
        "allowance[1]",
    ),
    "discount: nothing": ('[[discount]]\npercent = "0"', "discount[0]"),
    "discount: over everything": ('[[discount]]\npercent = "100.0001"', "discount[0]"),
    "discount: negative": ('[[discount]]\npercent = "-5"', "discount[0]"),
    "discount: too fine": ('[[discount]]\npercent = "0.00001"', "discount[0]"),
    "discount: twice": ('[[discount]]\npercent = "1"\n' * 2, "discount[1]"),
    "discount: of a model without a price": (
        '[[discount]]\nmodel = "x"\npercent = "1"',
        "discount[0]",
    ),
}
WRONG_PRICES = {
    "absurd": 'price = "1000001"',
    "a package of nothing": 'kind = "package"\nsize = 0\nprice = "1"',
    "the last tier ends": 'kind = "graduated"\ntiers = [{ up_to = 5, price = "1" }]',
    "tiers backwards": 'kind = "graduated"\ntiers = [{ up_to = 5, price = "1" }, '
    '{ up_to = 4, price = "1" }, { price = "1" }]',
    "volume that rises": 'kind = "volume"\ntiers = [{ up_to = 5, price = "1" }, { price = "2" }]',
    "volume with a flat amount": 'kind = "volume"\ntiers = [{ price = "1", flat = "1" }]',
}


class TestInvalidPlanFile:
    @pytest.mark.parametrize(("text", "said"), UNREADABLE.values(), ids=UNREADABLE)
    def test_unreadable_file_is_rejected_with_its_cause(self, text: str, said: str) -> None:
        with pytest.raises(TermsInvalid, match=f"cannot be read: .*{said}"):
            read(text)

    @pytest.mark.parametrize(("text", "field"), WRONG.values(), ids=WRONG)
    def test_invalid_value_is_rejected_with_its_field(self, text: str, field: str) -> None:
        with pytest.raises(TermsInvalid) as caught:
            read(HEAD + text)
        assert caught.value.param == field
        assert caught.value.message.startswith(f"{field}: ")

    @pytest.mark.parametrize(
        ("text", "param", "line"),
        [
            ("plan =", "line 1", "at end of document"),
            ("\n\nplan = x\n", "line 3", "at line 3, column 8"),
            ("x = [\n1,\n", "line 2", "at end of document"),
            (HEAD.replace("zh", "de"), "names", "line 2"),
            (f'{HEAD}\n\ninterval = "week"', "interval", "line 6"),
            (f'{HEAD}{ROWS}price = "1"\n{ROWS}{ROWS}', "price[1]", "line 8"),
            (f'{HEAD}{ROWS}price = "1"\n{ROWS}price = 1', "price[1].price", "line 11"),
            (f'{HEAD}{ROWS}kind = "volume"\ntiers = [\n{{ up_to = 1 }}]', TIER, "line 8"),
            (f'{HEAD}[[price]]\nmeter = "rows"', "price[0].model", "line 4"),
            (f'{HEAD}[price]\nmodel = "m"', "price", "line 4"),
        ],
    )
    def test_error_message_contains_the_line(self, text: str, param: str, line: str) -> None:
        with pytest.raises(TermsInvalid) as caught:
            read(text)
        assert caught.value.param == param
        assert line in caught.value.message

    @pytest.mark.parametrize(
        "text",
        [
            f'{HEAD}note = """\ntrial_days = 3\n"""\ntrial_days = 731',
            f'{HEAD}price = [{{ model = "m", meter = "rows" }}]',
            f"{HEAD}x = {'[' * 3000}",
            f"{HEAD}trial_days = {'9' * 5000}",
            "",
        ],
    )
    def test_error_message_has_no_line_if_the_line_is_unknown(self, text: str) -> None:
        with pytest.raises(TermsInvalid) as caught:
            read(text)
        assert "line" not in caught.value.message

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            (f'{ROWS}price = "1"\n' * 2, "m rows occurs twice"),
            ('[[discount]]\nmodel = "x"\npercent = "1"', "no price of the model x"),
            ('[[allowance]]\nmeter = "rows"\nquantity = 1', "[*] rows has no price"),
        ],
    )
    def test_error_message_names_the_duplicate_or_unpriced_entry(
        self, text: str, what: str
    ) -> None:
        with pytest.raises(TermsInvalid, match=what):
            read(HEAD + text)

    @pytest.mark.parametrize("text", WRONG_PRICES.values(), ids=WRONG_PRICES)
    def test_invalid_price_is_rejected_with_its_index(self, text: str) -> None:
        with pytest.raises(PriceInvalid) as caught:
            read(f'{HEAD}{ROWS}price = "1"\n{ROWS}{text}')
        assert caught.value.param == "price[1]"
        assert caught.value.message.startswith("price[1]: ")

    @pytest.mark.parametrize("currency", ["yuan", "cny", "CNYX", ""])
    def test_unknown_currency_is_rejected(self, currency: str) -> None:
        with pytest.raises(TermsInvalid) as caught:
            read(HEAD.replace("CNY", currency))
        assert caught.value.param == "currency"

    @pytest.mark.parametrize(("currency", "text"), [("JPY", "0.5"), ("KWD", "0.0005")])
    def test_amount_with_too_many_decimals_for_the_currency_is_rejected(
        self, currency: str, text: str
    ) -> None:
        with pytest.raises(TermsInvalid, match=f"{currency} amounts have") as caught:
            read(f'{HEAD}fixed_fee = "{text}"'.replace("CNY", currency))
        assert caught.value.param == "fixed_fee"

    @pytest.mark.parametrize(
        ("text", "field"),
        [
            ('price = "1"\nsize = 10', "size"),
            ('price = "1"\ntiers = [{ price = "1" }]', "tiers"),
            ('kind = "package"\nsize = 10\nprice = "1"\nper = 5', "per"),
            ('kind = "graduated"\nprice = "1"\ntiers = [{ price = "1" }]', "price"),
            ('kind = "volume"\nsize = 5\ntiers = [{ price = "1" }]', "size"),
        ],
    )
    def test_field_of_another_price_kind_is_rejected(self, text: str, field: str) -> None:
        """If it were ignored, the plan would cost something else than its author wrote."""
        with pytest.raises(TermsInvalid, match=f"does not have the field `{field}`") as caught:
            read(HEAD + ROWS + text)
        assert caught.value.param == "price[0]"


def test_plan_file_accepts_a_price_for_every_meter() -> None:
    prices = "".join(f'{ROWS}price = "1"\n'.replace("rows", meter) for meter in METERS)
    assert [one.meter for one in read(HEAD + prices).prices] == list(METERS)


MINUTES = ROWS.replace("rows", "adaptation_seconds")


def test_fine_tuning_price_per_minute_is_stored_per_second() -> None:
    (price,) = read(f'{HEAD}{MINUTES}per = 60\nprice = "0.60"').prices
    assert price == ModelPrice("m", "adaptation_seconds", PerUnit(10**7))


def test_indivisible_minute_price_is_rejected_per_unit_and_accepted_as_package() -> None:
    """1.00 / 60 is not a whole number of nano-units: it is rejected rather than rounded."""
    with pytest.raises(TermsInvalid, match=r"1\.00 for 60 units is not a whole number"):
        read(f'{HEAD}{MINUTES}per = 60\nprice = "1.00"')
    (price,) = read(f'{HEAD}{MINUTES}kind = "package"\nsize = 60\nprice = "1.00"').prices
    assert price.price == Package(60, 10**9)


@pytest.mark.parametrize(
    ("name", "reason"), [("list", "reserved for the catalog"), (PACK_PLAN, "reserved for packs")]
)
def test_plan_file_with_a_reserved_plan_name_is_rejected(name: str, reason: str) -> None:
    with pytest.raises(TermsInvalid, match=reason) as caught:
        read(HEAD.replace('"p"', f'"{name}"', 1))
    assert caught.value.param == "plan"
