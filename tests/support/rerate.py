"""Rate exported invoices again from their calls and terms only: `rerate.py FOLDER…`."""

import csv
import hashlib
import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path


def rounded(value):
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


def amount(price, units):
    if price["kind"] == "package":
        return -(-units // price["size"]) * price["amount"]
    tiers = price.get("tiers", [{"up_to": None, "flat": 0, **price}])
    tops = [min(units, tier["up_to"] or units) for tier in tiers]
    if price["kind"] == "volume":
        return units * tiers[tops.index(units)]["unit"]
    within = zip(tiers, tops, [0, *tops], strict=False)
    return sum((top - at) * tier["unit"] + tier["flat"] for tier, top, at in within if top > at)


def sold(call):
    # A model at a service tier has prices of its own.
    return "@".join(filter(None, (call["model"], call["service_tier"])))


def usage(terms, share, calls, scale):
    # By model and meter: the price, units on time, late, and included.
    used = {(one["model"], one["meter"]): [one["price"], 0, 0, 0] for one in terms["prices"]}
    off, held, lines = {one["model"]: one["ppm"] for one in terms["discounts"]}, {}, []
    for (model, meter), (price, *_) in used.items():
        apart = meter == "input_tokens" and (model, "cached_input_tokens") in used
        for call in (call for call in calls if sold(call) == model):
            units = int(call[meter] or 0) - apart * int(call["cached_input_tokens"] or 0)
            used[model, meter][2 if call["late"] == "yes" else 1] += units
        slopes = [tier.get("unit", 0) for tier in price.get("tiers", [price])]
        slope = max(*slopes, -(-price.get("amount", 0) // price.get("size", 1)))
        held[model, meter] = slope * (10**6 - off.get(model, off.get("*", 0)))
    for one in sorted(terms["allowances"], key=lambda one: one["model"] == "*"):
        left = int(one["quantity"] * share)
        for place in sorted(used, key=held.get, reverse=True):
            if place[1] == one["meter"] and (
                place[0] == one["model"] or (one["model"] == "*" and "@" not in place[0])
            ):
                taken = min(left, sum(used[place][1:3]) - used[place][3])
                used[place][3], left = used[place][3] + taken, left - taken
    for (model, _), (price, on, late, free) in used.items():
        first, both = (amount(price, max(0, units - free)) for units in (on, on + late))
        lines += [(model, rounded(Fraction(nano * scale, 10**9))) for nano in (first, both - first)]
    for model, ppm in off.items():
        of = sum(n for of, n in lines if of == model or (model == "*" and of not in off))
        lines.append((model, -rounded(Fraction(of * ppm, 10**6))))
    missing = rounded(terms["minimum"] * share) - sum(n for _, n in lines)
    return [*(n for _, n in lines), max(0, missing)]


for folder in map(Path, sys.argv[1:]):
    said = json.loads((folder / "invoice.json").read_text("utf-8"))
    calls = list(csv.DictReader((folder / "calls.csv").read_text("utf-8-sig").splitlines()))
    scale, sums = 10 ** said["currency_exponent"], [0, 0]
    for one in said["terms"]:
        terms = json.loads((folder / "terms" / f"{one['version']}.json").read_text("utf-8"))
        mine = [call for call in calls if call["plan_version"] == one["version"]]
        told = [line for line in said["lines"] if line["plan_version"] == one["version"]]
        bases = [(line["base"], line["share"]) for line in told if line["base"]]
        again = usage(terms, Fraction(one["share"]), mine, scale)
        again += [rounded(Fraction(base) * Fraction(part) * scale) for base, part in bases]
        for line in (line for line in told if line["outcome"]):
            name = line["outcome"]["settlement"].removeprefix("oset_")
            bundle = (folder / "outcomes" / f"{name}.json").read_bytes()
            assert hashlib.sha256(bundle).hexdigest() == line["outcome"]["digest"]
            again.append(int(Decimal(line["amount"]) * scale))
        assert [*filter(None, again)] == [n for x in told if (n := Decimal(x["amount"]) * scale)]
        sums[terms["tax_inclusive"]] += sum(again)
    rate = Fraction(said["tax_percent"]) / 100
    net = sum(sums) - rounded(sums[1] * rate / (1 + rate))
    tax = (rounded(sums[0] * rate) + sum(sums) - net) * (said["tax_treatment"] == "standard")
    assert [Decimal(said[x]) * scale for x in ("net", "tax", "total")] == [net, tax, net + tax]
    sys.stdout.write(f"{folder}: {said['total']} {said['currency']}\n")
