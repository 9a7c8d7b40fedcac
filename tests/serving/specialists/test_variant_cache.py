"""Which variants are kept in memory."""

from serving.specialists.mechanism import load_mechanism
from serving.specialists.variant_cache import TTL_S, LoadedVariant, VariantCache

ONE = load_mechanism("m", "oee")
MEBIBYTE = 1 << 20


def variant(size: int = 100) -> LoadedVariant:
    return LoadedVariant(ONE, "m", size)


class TestVariants:
    def test_found_by_id_until_dropped(self) -> None:
        variants = VariantCache()
        variants.put("var_1", variant())
        assert variants.get("var_1") is not None
        assert variants.get("var_2") is None
        variants.remove("var_1")
        variants.remove("var_1")
        assert variants.get("var_1") is None

    def test_for_a_day(self) -> None:
        """What its customer has deleted is used no more; what is used is loaded anew."""
        now = [0.0]
        variants = VariantCache(clock=lambda: now[0])
        variants.put("var_1", variant())
        now[0] = TTL_S - 1
        assert variants.get("var_1") is not None
        now[0] = TTL_S + 1
        assert variants.get("var_1") is None

    def test_those_not_used_for_longest_go_first(self) -> None:
        variants = VariantCache(max_bytes=4 * MEBIBYTE)
        for number in range(12):
            variants.put(f"var_{number}", variant())
        assert variants.get("var_0") is not None
        for number in range(12, 20):
            variants.put(f"var_{number}", variant())
        assert variants.get("var_0") is not None
        assert variants.get("var_1") is None
        assert variants.get("var_19") is not None

    def test_a_large_one_takes_the_place_of_many(self) -> None:
        variants = VariantCache(max_bytes=4 * MEBIBYTE)
        for number in range(10):
            variants.put(f"var_{number}", variant())
        variants.put("large", variant(MEBIBYTE // 2))
        assert variants.get("large") is not None
        assert len(variants) < 8
