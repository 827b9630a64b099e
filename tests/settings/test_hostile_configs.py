"""Whatever a config file holds: one line that refuses it, or runs that can be made. A thousand files, drawn at random."""

import copy
import json
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anodiff.errors import AnodiffError
from anodiff.settings.base import dotted
from anodiff.settings.loading import load_config, load_run
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config
from anodiff.settings.yaml_text import write_yaml
from anodiff.sweep.runs import landscape_runs, sweep_runs

VALID = {
    "sweep": {
        "name": "s",
        "defaults": {"data": "digits", "model": {"name": "mlp3", "width": 8}, "training": {"steps": 40}},
        "grid": [{"training.batch_size": [8, 16], "seed": [0, 1]}],
        "runs": [{"optimiser": {"name": "adam"}}, {"model": {"name": "mynets:net", "options": {"deep": {"a": 1, "b": [1.5]}}}}],
    },
    "paths": {"data": "here"},
}
RUN_KEYS = [
    *RunSettings.model_fields,
    *dotted(RunSettings.model_construct().model_dump()),
    "model.options.deep.a",
    "data.clusters.classes",
    "optimiser.schedule",
]
CONFIG_KEYS = [
    *Config.model_fields,
    *dotted(Config.model_construct(sweep=None).model_dump(exclude={"sweep"})),
    *(f"sweep.{key}" for key in ("name", "defaults", "grid", "runs")),
]

WORDS = [
    "",
    " ",
    "x",
    "mlp3",
    "resnet",
    "vit",
    "a:b",
    "os:system",
    "../..",
    "~",
    "$HOME",
    "{run}",
    "$(touch x)",
    "'; x; '",
    "\n",
    "\0",
]
words = st.sampled_from([*WORDS, "é", "\ud800", "\x1b[2J", "1e-1", "010", "null", ".nan", "k" * 3000, *RUN_KEYS])
numbers = st.sampled_from([0, 1, 2, -1, 3, 10**7, 10**12, 2**63, 10**150, 0.5, 1e-300, 1e300, float("nan"), float("inf"), -0.0])
junk = st.recursive(
    st.none() | st.booleans() | words | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.sampled_from([1, None, True]), inner, max_size=3),
    max_leaves=6,
)
places = st.one_of(
    st.tuples(st.just(()), st.sampled_from(CONFIG_KEYS) | words),
    st.tuples(
        st.sampled_from([("sweep", "defaults"), ("sweep", "grid", 0), ("sweep", "runs", 0), ("sweep", "runs", 1)]),
        st.sampled_from(RUN_KEYS) | words,
    ),
)
#: What looks wrong and is not.
ALLOWED = {
    ("paths", "results"): ["'; touch x; '", "$(x)", "a b", "é", "x" * 255, "./-x"],
    ("paths", "scratch"): ["{SETTINGS.paths.data}", "{{", "-x", "\\", '`x`"', "..", "/"],
    ("sweep", "defaults", "seed"): [0, 2**63 - 1, "3", 4.0],
    ("sweep", "defaults", "optimiser"): [
        "sgd",
        {"name": "sgd", "learning_rate": 1e300},
        {"name": "sgd", "momentum": 1e-300},
    ],
    ("sweep", "defaults", "recording"): [{"windows": "log", "window_length": 10**7}, {"windows": [{"start": 0, "length": 40}]}],
    ("sweep", "runs", 0): [{"model": "vit"}, {"data": {"name": "image_folder", "folder": "{run}"}}, {"data.label_noise": 1e-7}],
    ("sweep", "runs", 1, "model", "options"): [
        {"$(touch x)": "'; x; '", "{run}": {"/": [None, "\n"]}, "data": "x"},
        {"k" * 300: "v" * 3000, "deep.a": 1.0},
        {"1e-1": "1e-1", "on": "on", "day": "2020-01-01", "nothing": "null", "010": "010", "~": "~", "<<": "<<", "": ""},
        {"x": 10**99, "y": -(10**99), "z": 5e-324, "text": "\x1b[2J\u2028\ufeff"},
    ],
}
allowed = st.sampled_from([(place, value) for place, values in ALLOWED.items() for value in values])
TOKENS = [
    *(
        "&a ",
        "*a",
        "<<: *a\n",
        "!!python/object:os.system ",
        "!!float ",
        "? ",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "\t",
        "'",
        '"',
    ),
    *(
        "---\n",
        "|\n",
        ">\n",
        "#",
        "%TAG ! x\n",
        "\0",
        "\ufeff",
        "seed: 1\n",
        "sweep: {name: t}\n",
        "[" * 200,
        "  ",
        ".inf",
        "1:30",
    ),
]


def put(values, place, key, value, spelled):
    """Set a value, under a dotted key or within sections; return whether there is such a place."""
    for part in place:
        values = values[part]
    *parents, last = [key] if spelled else key.split(".")
    for part in parents:
        values = values.setdefault(part, {}) if isinstance(values, dict) else None
    if isinstance(values, dict):
        values[last] = value


def try_out(folder, content):
    """Load a config as every command does: refused in a line, or its runs, which have names and files that can be."""
    path = folder / "c.yaml"
    path.write_bytes(content)
    try:
        config = load_config(path)
        runs = sweep_runs(config)
    except AnodiffError as error:
        line = str(error)
        assert line.isprintable()
        assert 0 < len(line) < 2100
        return {}
    assert runs
    for name, run in runs.items():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,240}", name)
        (folder / name).write_text(run.yaml)
        assert load_run(folder / name) == run.settings
    assert set(landscape_runs(runs, config.landscape.seeds)) <= set(runs)
    return runs


many = settings(max_examples=350, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(changes=st.lists(st.tuples(places, junk, st.booleans()), min_size=1, max_size=4), as_json=st.booleans())
def test_wrong_values_anywhere(tmp_path, changes, as_json):
    values = copy.deepcopy(VALID)
    for (place, key), value, spelled in changes:
        try:
            put(values, place, key, value, spelled)
        except (KeyError, IndexError, TypeError):  # an earlier change has taken the place away
            continue
    text = json.dumps(values) if as_json else yaml.dump(values, allow_unicode=True)
    try_out(tmp_path, text.encode("utf-8", "surrogatepass"))


@many
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(TOKENS)), min_size=1, max_size=4),
    flow=st.booleans(),
)
def test_wrong_text_anywhere(tmp_path, edits, flow):
    text = yaml.safe_dump(VALID, default_flow_style=flow, sort_keys=False)
    for where, dropped, token in edits:
        at = round(where * len(text))
        text = text[:at] + token + text[at + dropped :]
    try_out(tmp_path, text.encode())


@settings(many, max_examples=200)
@given(changes=st.lists(allowed, min_size=1, max_size=4, unique_by=lambda change: change[0]), as_json=st.booleans())
def test_strange_values_that_are_allowed(tmp_path, changes, as_json):
    values = copy.deepcopy(VALID)
    for (*place, key), value in changes:
        inner = values
        for part in place:
            inner = inner[part]
        inner[key] = value
    text = json.dumps(values) if as_json else write_yaml(values)
    assert try_out(tmp_path, text.encode())


@settings(many, max_examples=100)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(tmp_path, content):
    try_out(tmp_path, content)


def test_the_config_that_is_changed_is_valid(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(VALID))
    assert len(sweep_runs(load_config(path))) == 6


@pytest.mark.parametrize("kind", ["sections", "lists"])
def test_runs_of_sections_within_each_other_as_deep_as_allowed_are_made(tmp_path, kind):
    value = 1
    for _ in range(20):
        value = {"a": value} if kind == "sections" else [value]
    text = yaml.safe_dump(
        {"sweep": {"name": "s", "runs": [{"training.steps": 4, "model": {"name": "a:b", "options": {"k": value}}}]}}
    )
    assert try_out(tmp_path, text.encode())
