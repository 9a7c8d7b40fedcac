"""Which variants are kept in memory."""

from serving.specialists.mechanism import load_mechanism
from serving.specialists.variant_cache import KEPT_S, Variant, Variants

ONE = load_mechanism("m", "oee")
MEBIBYTE = 1 << 20


def variant(size: int = 100) -> Variant:
    return Variant(ONE, "m", size)


class TestVariants:
    def test_found_by_id_until_dropped(self) -> None:
        variants = Variants()
        variants.put("var_1", variant())
        assert variants.find("var_1") is not None
        assert variants.find("var_2") is None
        variants.drop("var_1")
        variants.drop("var_1")
        assert variants.find("var_1") is None

    def test_for_a_day(self) -> None:
        """What its customer has deleted is used no more; what is used is loaded anew."""
        now = [0.0]
        variants = Variants(clock=lambda: now[0])
        variants.put("var_1", variant())
        now[0] = KEPT_S - 1
        assert variants.find("var_1") is not None
        now[0] = KEPT_S + 1
        assert variants.find("var_1") is None

    def test_those_not_used_for_longest_go_first(self) -> None:
        variants = Variants(most_bytes=4 * MEBIBYTE)
        for number in range(12):
            variants.put(f"var_{number}", variant())
        assert variants.find("var_0") is not None
        for number in range(12, 20):
            variants.put(f"var_{number}", variant())
        assert variants.find("var_0") is not None
        assert variants.find("var_1") is None
        assert variants.find("var_19") is not None

    def test_a_large_one_takes_the_place_of_many(self) -> None:
        variants = Variants(most_bytes=4 * MEBIBYTE)
        for number in range(10):
            variants.put(f"var_{number}", variant())
        variants.put("large", variant(MEBIBYTE // 2))
        assert variants.find("large") is not None
        assert len(variants) < 8
