"""Rewrite powers of ten and fraction signs as plain numbers.

`3×10^1`, `3x10¹` and `3·10的1次方` become `30`, `1½` becomes `1.5`. Before NFKC, which makes `10¹`
101 and `1½` eleven halves.
"""

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_RAISED = re.compile(r"(?<![A-WYZa-wyz\d.,])10([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})")
_POWER = re.compile(
    r"(?<![A-Za-z\d.,^])(?:(?P<factor>\d{1,15}(?:\.\d{1,15})?)\s?[x×*·⋅✕]\s?)?"
    r"10(?:\s?(?:\^|\*\*)\s?\(?(?P<exponent>[-+−]?\d{1,3})\)?(?!\d)|的(?P<spoken>\d{1,3})次[方幂])",
    re.IGNORECASE,
)
_FRACTION_SIGN = re.compile(r"(?P<whole>\d{0,9})\s?(?P<sign>[¼½¾⅐-⅞])")


def with_plain_powers(text: str) -> str:
    """Return a text with its powers of ten and fraction signs as plain numbers."""
    text = _RAISED.sub(lambda match: f"10^{match[1].translate(_SUPERSCRIPTS)}", text)
    return _FRACTION_SIGN.sub(_from_sign, _POWER.sub(_from_power, text))


def _from_power(match: "re.Match[str]") -> str:
    """Return a power of ten in digits; one too large for a float keeps its exponent."""
    exponent = (match["exponent"] or match["spoken"]).replace("−", "-")
    scientific = f"{match['factor'] or 1}e{exponent}"
    plain = f"{float(scientific):.12g}"
    return f"{scientific} " if plain == "inf" else f"{plain} " if "e" in plain else plain


def _from_sign(match: "re.Match[str]") -> str:
    """Return a fraction sign, with the whole number before it, in digits."""
    value = int(match["whole"] or 0) + unicodedata.numeric(match["sign"])
    return f"{value:.12g}"
