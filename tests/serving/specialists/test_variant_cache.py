"""The in-memory cache of variants: expiry and eviction."""

from serving.specialists.mechanism import load_mechanism
from serving.specialists.variant_cache import TTL_S, LoadedVariant, VariantCache

ONE = load_mechanism("m", "oee")
MEBIBYTE = 1 << 20


def variant(size: int = 100) -> LoadedVariant:
    return LoadedVariant(ONE, "m", size)


class TestVariantCache:
    def test_variant_is_found_until_removed(self) -> None:
        variants = VariantCache()
        variants.put("var_1", variant())
        assert variants.get("var_1") is not None
        assert variants.get("var_2") is None
        variants.remove("var_1")
        variants.remove("var_1")
        assert variants.get("var_1") is None

    def test_variant_expires_after_ttl(self) -> None:
        """A deleted variant is not used beyond the TTL; a variant in use is loaded again."""
        now = [0.0]
        variants = VariantCache(clock=lambda: now[0])
        variants.put("var_1", variant())
        now[0] = TTL_S - 1
        assert variants.get("var_1") is not None
        now[0] = TTL_S + 1
        assert variants.get("var_1") is None

    def test_least_recently_used_variants_are_evicted_first(self) -> None:
        variants = VariantCache(max_bytes=4 * MEBIBYTE)
        for number in range(12):
            variants.put(f"var_{number}", variant())
        assert variants.get("var_0") is not None
        for number in range(12, 20):
            variants.put(f"var_{number}", variant())
        assert variants.get("var_0") is not None
        assert variants.get("var_1") is None
        assert variants.get("var_19") is not None

    def test_large_variant_evicts_several_small_variants(self) -> None:
        variants = VariantCache(max_bytes=4 * MEBIBYTE)
        for number in range(10):
            variants.put(f"var_{number}", variant())
        variants.put("large", variant(MEBIBYTE // 2))
        assert variants.get("large") is not None
        assert len(variants) < 8
