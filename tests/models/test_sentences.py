"""Sentences for customers: English text, template and values."""

import numpy as np

from models.sentences import Sentence, describe_verdict, listing, sentence


def test_sentence_is_its_english_text_with_formatted_values() -> None:
    made = sentence("Read {rows} rows, {share:.1%} of {name}.", rows=3, share=0.25, name="M1")
    assert made == "Read 3 rows, 25.0% of M1."
    assert made.as_json() == {
        "template": "Read {rows} rows, {share:.1%} of {name}.",
        "values": {"rows": 3, "share": 0.25, "name": "M1"},
    }


def test_parts_and_lists_keep_their_templates() -> None:
    parts = listing([sentence("{count} days", count=2), "x"])
    made = sentence("It is {verdict} that, every {parts}.", verdict=verdict(), parts=parts)
    assert made == "It is worse than that, every 2 days, x."
    assert made.as_json()["values"] == {
        "verdict": {"template": "worse than", "values": {}},
        "parts": [{"template": "{count} days", "values": {"count": 2}}, "x"],
    }


def verdict() -> Sentence:
    return describe_verdict(is_better=False, is_worse=True)


def test_numbers_of_numpy_are_json_and_those_that_json_lacks_are_none() -> None:
    made = sentence("{a} {b:g} {c:.1f}", a=np.int64(2), b=np.float32(0.5), c=float("nan"))
    assert made == "2 0.5 nan"
    assert made.as_json()["values"] == {"a": 2, "b": 0.5, "c": None}
    assert [type(one) for one in made.values.values()] == [int, float, float]
