"""YAML is read in one way, with bounds, and nothing in it is dropped or changed in silence."""

import itertools
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from anodiff.errors import ConfigError
from anodiff.settings.yaml_text import DEEPEST, LONGEST_NUMBER, MOST_BYTES, MOST_VALUES, check_values, read_yaml, write_yaml


def plain(text):
    numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )


def refused(text):
    with pytest.raises(ConfigError) as refusal:
        read_yaml(text, "c.yaml")
    line = str(refusal.value)
    assert line.startswith("c.yaml: ")
    assert line.isprintable()
    assert len(line) < 2100
    return line


@given(plain(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_what_is_written_is_read_again(values):
    again = read_yaml(write_yaml(values), "again")
    assert json.dumps(again) == json.dumps(values)


@given(plain(st.text(st.characters(exclude_categories=["Cc", "Cn", "Cs"]))))
def test_json_is_read_as_what_it_is(values):
    assert json.dumps(read_yaml(json.dumps(values, ensure_ascii=False, indent=1), "json")) == json.dumps(values)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-1", 0.1), ("1e5", 1e5), ("1E+3", 1000.0), ("-2.5e-3", -0.0025), (".5", 0.5), ("3.", 3.0), ("1_000", 1000),
        ("-7", -7), ("+7", 7), ("0", 0), ("-0", 0), ("0x1f", 31), ("0b101", 5), ("1.0e+30", 1e30), ("!!float 3", 3.0),
    ],
)  # fmt: skip
def test_a_number_is_a_number(text, number):
    (found,) = read_yaml(f"[{text}]", "c.yaml")
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    "text", ["2020-01-01", "1e", "e5", "1.2.3", "0x", "0b2", "-", ".", "=", "12:", "'1e-1'", "!!str 5", "<<"]
)
def test_what_is_no_number_is_text(text):
    (found,) = read_yaml(f"[{text}]" if ":" not in text else f"['{text}']", "c.yaml")
    assert isinstance(found, str)


@pytest.mark.parametrize("text", ["010", "-007", "1:30", "190:20:30.15", "00"])
def test_a_number_that_is_another_one_elsewhere_is_refused(text):
    assert f"line 2: '{text}' is another number" in refused(f"a: 1\nb: {text}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' is given twice"),
        ("x: {a: 1, 'a': 2}\n", "line 1: key 'a' is given twice"),
        ("- {a: {b: 1}}\n- {a: {b: 1,\n  b: 1}}", "line 3: key 'b' is given twice"),
        ("on: 1", "key True is not text"),
        ("1: 1", "key 1 is not text"),
        ("? [a]\n: 1", "line 1: a section or list as a key"),
        ("&a a: *a\nb: *c", "line 2: alias *c stands for nothing"),
        ("a: &a [*a]", "alias *a stands within what it stands for"),
        ("a: &a\n  b: {c: *a}", "line 2: alias *a stands within"),
        ("a: 1\n---\nb: 1", "a second document"),
        ("a: !!binary aGk=", "tag 'tag:yaml.org,2002:binary'"),
        ("a: !!set {x}", "tag 'tag:yaml.org,2002:set'"),
        ("a: !mine 3", "tag '!mine'"),
        ("a: !!int x", "'x' is not of the tag's type"),
        ("<<: 3", "'<<' takes a section"),
        ("a: " + "9" * (LONGEST_NUMBER + 1), "a number of 101 characters"),
        ("a: " + "[" * 100_000, f"line 1: more than {DEEPEST}"),
        ("a: " + "{b: " * 100_000, f"line 1: more than {DEEPEST}"),
        ("\n".join(" " * depth + "a:" for depth in range(DEEPEST + 2)), f"line {DEEPEST + 1}: more than {DEEPEST}"),
        ("[" + "1," * MOST_VALUES + "]", "more than 200,000 values"),
        ("#" * (MOST_BYTES + 1), "longer than 2,097,152 bytes"),
        ('a: "\\x00"\nb: [', "not YAML"),
    ],
    ids=lambda value: value[:24],
)  # fmt: skip
def test_a_text_that_is_no_config_is_refused_with_its_line(text, said):
    assert said in refused(text)


@pytest.mark.parametrize("each", ["[*{0},*{0},*{0},*{0},*{0},*{0},*{0},*{0}]", "{{x: *{0}, y: *{0}, z: *{0}}}"])
def test_a_billion_laughs_are_counted_and_not_made(each):
    names = [f"a{number}" for number in range(30)]
    lines = [f"{after}: &{after} {each.format(before)}" for before, after in itertools.pairwise(names)]
    assert "aliases expanded" in refused("a0: &a0 [ha]\n" + "\n".join(lines))


def test_aliases_and_merges_mean_what_yaml_says():
    text = "base: &b {x: 1, y: [2]}\nother: &o {x: 5, z: 6}\none: {<<: *b, y: 3}\nboth: {<<: [*b, *o], w: *b}\n"
    assert read_yaml(text, "c.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "a.b[1]: nan is not a finite number"),
        (float("-inf"), "-inf is not a finite number"),
        (10**LONGEST_NUMBER, "a number of more than 100 digits"),
        ("a\0b", "text with a character that no file can hold"),
        ("\ud800", "text with a character that no file can hold"),
        ({1: 2}, "key 1 is not text"),
        ({"x\0": 2}, "text with a character"),
    ],
    ids=repr,
)
def test_values_that_no_yaml_gives_are_refused_with_their_place(value, said):
    with pytest.raises(ConfigError, match="here: a\\.b\\[1\\]") as refusal:
        check_values({"a": {"b": [0, value]}}, "here")
    assert said in str(refusal.value)


def test_values_that_contain_themselves_are_refused():
    values = {}
    values["a"] = [values]
    with pytest.raises(ConfigError, match="within each other"):
        check_values(values, "here")
