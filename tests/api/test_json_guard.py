"""What the JSON parser at the edge lets through, and where it says the trouble is."""

import pytest

from api import json_guard
from nas.errors import Invalid

REFUSED = {
    "NaN": (b'{"a": [1, NaN]}', "/a/1", "NaN"),
    "Infinity": (b"-Infinity", "", "-Infinity"),
    "1e400": (b'{"a": {"b/c~": 1e400}}', "/a/b~1c~0", "too large"),
    "5000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "/a", "5000 digits"),
    "repeated key": (b'{"o": {"a": 1, "a": 1}}', "/o", "'a' appears twice"),
    "NUL": (b'{"a": "x\\u0000"}', "/a", "NUL"),
    "lone surrogate": (b'["\\ud800"]', "/0", "surrogate"),
    "NUL in a key": (b'{"a\\u0000": 1}', "", "NUL"),
    "long key": (b'{"' + b"k" * 201 + b'": 1}', "", "200 characters"),
    "33 levels": (b"[" * 34 + b"]" * 34, "/0" * 33, "32 levels"),
    "100000 levels": (b"[" * 100_000, "", "32 levels"),
    "100000 objects": (b'{"a":' * 100_000, "", "32 levels"),
    "many values": (b"[" + b"0," * 400_000 + b"0]", "", "20000 values"),
    "not JSON": (b"{'a': 1}", "", "line 1, column 2"),
    "two documents": (b"{} {}", "", "Extra data"),
    "empty": (b"", "", "not JSON"),
    "not UTF-8": (b'"\xff"', "", "UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_parse_refuses(name: str):
    text, pointer, words = REFUSED[name]
    with pytest.raises(Invalid) as raised:
        json_guard.parse(text)
    assert raised.value.problems[0].pointer == pointer
    assert words in raised.value.problems[0].reason


def test_parse_reports_every_value_that_is_wrong():
    with pytest.raises(Invalid) as raised:
        json_guard.parse(b'{"a": NaN, "b": [1e999, 2], "c": "\\u0000"}')
    assert [problem.pointer for problem in raised.value.problems] == ["/a", "/b/0", "/c"]


def test_parse_keeps_what_is_fine():
    text = '{"a": [1, -2.5e3, true, null, "ü😀"], "b": {"c": 999999999999999999}}'.encode()
    assert json_guard.parse(text) == {"a": [1, -2500.0, True, None, "ü😀"], "b": {"c": 999999999999999999}}
    assert json_guard.parse(b'"\\ud83d\\ude00"') == "😀"
