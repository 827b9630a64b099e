"""A sweep's runs: which there are, and what they are called."""

import itertools
import re
import string
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from anodiff.errors import ConfigError
from anodiff.settings.loading import load_config, load_run, validate
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config
from anodiff.sweep.hypothesis_tests import FEWEST
from anodiff.sweep.runs import landscape_runs, runs_of_seeds, sweep_runs

CONFIGS = Path(__file__).parents[2] / "config"
DEFAULTS = {"data": "digits", "model": "resnet14", "training": {"steps": 100}}

#: Settings of every kind, each with values to choose from.
AXES = {
    "model": ["resnet14", "resnet20", "mlp3", "vgg9", {"name": "mlp3", "width": 7}],
    "training.batch_size": [16, 32, 128],
    "training.steps": [100, 200],
    "training.loss": ["mse", "cross_entropy"],
    "optimiser.learning_rate": [0.1, 1e-5, 0.25],
    "optimiser.momentum": [0.0, 0.9],
    "data.label_noise": [0.0, 0.2],
    "data.flip": [True, False],
    "recording.windows": ["log", "contiguous"],
    "recording.weights": ["full", "sketch"],
    "seed": [0, 1, 23],
}


def runs(*, defaults=DEFAULTS, **sweep):
    return sweep_runs(Config.model_validate({"sweep": {"name": "s", "defaults": defaults} | sweep}))


def name(entry, defaults=DEFAULTS):
    (only,) = runs(defaults=defaults, runs=[entry])
    return only


def refused(**sweep):
    with pytest.raises(ConfigError) as refusal:
        runs(**sweep)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


entries = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in AXES.items()})


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, "resnet14-bs128-lr0.1-seed0"),
        ({"seed": 7}, "resnet14-bs128-lr0.1-seed7"),
        ({"model": "mlp20"}, "mlp20-bs128-lr0.1-seed0"),
        ({"training.batch_size": 64, "optimiser.learning_rate": 1e-5}, "resnet14-bs64-lr1e-05-seed0"),
        ({"model.shortcut": False}, "resnet14-bs128-lr0.1-seed0-noshortcut"),
        ({"model.shortcut": True}, "resnet14-bs128-lr0.1-seed0"),
        ({"optimiser.momentum": 0.9}, "resnet14-bs128-lr0.1-seed0-momentum0.9"),
        ({"data.label_noise": 0.2}, "resnet14-bs128-lr0.1-seed0-labelnoise0.2"),
        ({"data.label_noise": 0.2, "data.seed": 3}, "resnet14-bs128-lr0.1-seed0-labelnoise0.2-dataseed3"),
        ({"model.batch_norm": False, "training.loss": "mse"}, "resnet14-bs128-lr0.1-seed0-nobatchnorm-mse"),
        ({"data.merged_classes": 2, "data.imbalance": 10}, "resnet14-bs128-lr0.1-seed0-merged2-imbalance10"),
        ({"data.cue": {"strength": 0.1, "fraction": 0.8}}, "resnet14-bs128-lr0.1-seed0-cue0.1-cuefraction0.8"),
        ({"training.loss": "hinge", "training.decoupling": 0.1}, "resnet14-bs128-lr0.1-seed0-hinge-decoupling0.1"),
        ({"data": "mnist"}, "resnet14-bs128-lr0.1-seed0-mnist"),
        ({"training.steps": 200}, "resnet14-bs128-lr0.1-seed0-steps200"),
        ({"training": {"steps": None, "epochs": 5}}, "resnet14-bs128-lr0.1-seed0-stepsauto-epochs5"),
        ({"optimiser": "adam"}, "resnet14-bs128-lr0.1-seed0-adam"),
        ({"optimiser.schedule": "cosine"}, "resnet14-bs128-lr0.1-seed0-cosine"),
        ({"model": {"name": "vit", "options": {"heads": 4}}}, "vit-bs128-lr0.1-seed0-heads4"),
        ({"model": "torchvision:resnet18"}, "torchvision.resnet18-bs128-lr0.1-seed0"),
        (
            {"data": {"name": "image_folder", "folder": "cats/small"}},
            "resnet14-bs128-lr0.1-seed0-image_folder-foldercats.small",
        ),
        (
            {"data": {"name": "gaussian_clusters", "clusters": {"classes": 3}}},
            "resnet14-bs128-lr0.1-seed0-gaussian_clusters-classes3",
        ),
        ({"optimiser": {"momentum": 0.9, "nesterov": True}}, "resnet14-bs128-lr0.1-seed0-momentum0.9-nesterov"),
        ({"recording.weights": "sketch"}, "resnet14-bs128-lr0.1-seed0-sketch"),
        ({"recording": {"weights": "sketch", "sketch_size": 256}}, "resnet14-bs128-lr0.1-seed0-sketch-sketchsize256"),
        ({"recording.gradient_coordinates": 1024}, "resnet14-bs128-lr0.1-seed0-gradients1024"),
        ({"recording.gradient_coordinates": 256}, "resnet14-bs128-lr0.1-seed0"),
    ],
    ids=str,
)
def test_a_name_says_what_the_run_is(entry, expected):
    assert name(entry) == expected


def test_a_name_says_what_differs_from_the_sweeps_own_defaults():
    defaults = DEFAULTS | {"optimiser": {"momentum": 0.9, "nesterov": True, "learning_rate": 0.5}}
    assert name({}, defaults) == "resnet14-bs128-lr0.5-seed0"
    assert name({"optimiser.momentum": 0.8}, defaults) == "resnet14-bs128-lr0.5-seed0-momentum0.8"
    assert (
        name({"optimiser": {"momentum": 0.0, "nesterov": False}}, defaults) == "resnet14-bs128-lr0.5-seed0-momentum0-nonesterov"
    )


def test_a_run_without_a_section_that_the_others_have_says_so():
    defaults = DEFAULTS | {"data": {"name": "digits", "cue": {"strength": 0.1, "fraction": 0.5}}}
    assert name({"data.cue.fraction": 1.0}, defaults) == "resnet14-bs128-lr0.1-seed0-cuefraction1"
    assert name({"data.cue": None}, defaults) == "resnet14-bs128-lr0.1-seed0-nocue"


def test_defaults_that_only_a_run_completes_are_no_error():
    assert name({"optimiser.momentum": 0.9}, DEFAULTS | {"optimiser": {"nesterov": True}}).endswith("-momentum0.9")


def test_lists_are_named_by_their_content():
    windows = [[{"start": 0, "length": 10}], [{"start": 10, "length": 10}], [{"start": 0, "length": 10}]]
    first, second, again = (name({"recording.windows": one}) for one in windows)
    assert first == again
    assert first != second


@given(st.lists(entries, min_size=2, max_size=6))
def test_a_run_is_called_the_same_alone_and_among_others(several):
    alone = {name(one): one for one in several}
    assert list(runs(runs=list(alone.values()))) == list(alone)


@given(st.permutations(sorted(AXES)), st.integers(1, 4), st.data())
def test_another_axis_renames_no_run_of_the_old_ones(keys, count, data):
    # The new axis has among its values the one that the runs had before.
    old, (new, *_) = {key: AXES[key][:2] for key in keys[:count]}, keys[count:]
    usual = {
        "model": "resnet14",
        "seed": 0,
        "training.batch_size": 128,
        "training.steps": 100,
        "recording.windows": "contiguous",
    }
    usual |= {"training.loss": "cross_entropy", "optimiser.learning_rate": 0.1, "optimiser.momentum": 0.0}
    usual |= {"data.label_noise": 0.0, "data.flip": False, "recording.weights": "full"}
    other = data.draw(st.sampled_from([value for value in AXES[new] if value != usual[new]]))
    before = runs(grid=[old])
    after = runs(grid=[old | {new: [usual[new], other]}])
    assert len(after) == 2 * len(before)
    assert {one: after[one].settings for one in before} == {one: run.settings for one, run in before.items()}


@given(entries, entries)
def test_runs_share_a_name_only_if_they_share_all_settings(one, other):
    (first,), (second,) = (runs(runs=[entry]).values() for entry in (one, other))
    assert (first.name == second.name) == (first.settings == second.settings)


@given(entries)
def test_a_name_is_a_plain_file_name(entry):
    assert set(name(entry)) <= set(string.ascii_letters + string.digits + "._+-")


@given(entries)
def test_a_group_is_the_name_without_the_seed(entry):
    (run,) = runs(runs=[entry]).values()
    assert run.group == run.name.replace(f"-seed{run.settings.seed}", "")


@given(entries)
def test_run_yaml_gives_the_same_settings_again(entry):
    (run,) = runs(runs=[entry]).values()
    assert validate(RunSettings, yaml.safe_load(run.yaml), "run.yaml") == run.settings


def test_run_yaml_says_everything_so_that_later_defaults_do_not_change_it(tmp_path):
    (run,) = runs(runs=[{"model": {"name": "vit", "options": {"heads": 2}}}]).values()
    path = tmp_path / "run.yaml"
    path.write_text(run.yaml)
    assert load_run(path) == run.settings

    def keys(model):
        return {key: keys(value) if hasattr(value, "model_fields_set") else None for key, value in model}

    def given_keys(model, values):
        return {
            key: given_keys(sub, values[key]) if hasattr(sub, "model_fields_set") else None
            for key, sub in model
            if key in values
        }

    assert given_keys(run.settings, yaml.safe_load(run.yaml)) == keys(run.settings)
    assert run.settings.model.width is not None


def test_a_block_is_every_combination_of_its_lists_in_order():
    made = runs(grid=[{"seed": [0, 1], "training.batch_size": [8, 16]}, {"seed": [5]}], runs=[{"seed": 9}])
    assert [(run.settings.seed, run.settings.training.batch_size) for run in made.values()] == [
        *itertools.product([0, 1], [8, 16]),
        (5, 128),
        (9, 128),
    ]


def test_a_single_value_is_an_axis_of_one():
    (run,) = runs(grid=[{"seed": 3, "model": "mlp3"}]).values()
    assert (run.settings.seed, run.settings.model.name) == (3, "mlp3")


def test_dotted_and_nested_keys_say_the_same():
    (dotted,) = runs(runs=[{"optimiser.schedule.name": "cosine", "optimiser.schedule.warmup": 5}])
    (nested,) = runs(runs=[{"optimiser": {"schedule": {"name": "cosine", "warmup": 5}}}])
    (mixed,) = runs(runs=[{"optimiser": {"schedule.warmup": 5}, "optimiser.schedule": "cosine"}])
    assert dotted == nested == mixed


def test_an_entry_merges_with_the_defaults_where_it_names_nothing_else():
    defaults = DEFAULTS | {"model": {"name": "resnet14", "width": 8}, "data": {"name": "digits", "shift": 2}}
    (run,) = runs(defaults=defaults, runs=[{"model": {"name": "resnet14", "shortcut": False}, "data.noise": 1.0}]).values()
    assert (run.settings.model.width, run.settings.model.shortcut) == (8, False)
    assert (run.settings.data.name, run.settings.data.shift, run.settings.data.noise) == ("digits", 2, 1.0)


def test_a_section_that_names_something_else_starts_afresh():
    defaults = DEFAULTS | {"model": {"name": "resnet14", "width": 8, "shortcut": False}, "data": {"name": "digits", "shift": 2}}
    (run,) = runs(defaults=defaults, runs=[{"model": "mlp3", "data": {"name": "mnist", "noise": 1.0}}]).values()
    (fresh,) = runs(runs=[{"model": "mlp3"}]).values()
    assert run.settings.model == fresh.settings.model
    assert (run.settings.data.shift, run.settings.data.noise) == (0, 1.0)


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ({}, "sweep: no runs; give 'grid' or 'runs'"),
        ({"runs": [{}, {"seed": 0}]}, "sweep.runs[1]: the sweep has two runs called 'resnet14-bs128-lr0.1-seed0'"),
        ({"grid": [{"seed": [1, 1]}]}, "sweep.grid[0]: the sweep has two runs called"),
        ({"grid": [{"seed": [1]}], "runs": [{"seed": 1}]}, "sweep.runs[0]: the sweep has two runs called"),
        ({"grid": [{"seed": []}]}, "sweep.grid[0].seed: an axis needs at least one value"),
        (
            {"grid": [{"seed": [0]}, {"training.batchsize": [3]}]},
            "sweep.grid[1]: unknown key 'training.batchsize'; did you mean",
        ),
        ({"runs": [{"optimiser": {"lr": 1}}]}, "sweep.runs[0]: unknown key 'optimiser.lr'"),
        ({"runs": [{"": 1}]}, "sweep.runs[0]: unknown key ''"),
        ({"runs": [{"training": 3}]}, "sweep.runs[0]: training"),
        ({"runs": [{"seed": "x"}]}, "sweep.runs[0]: seed"),
        ({"runs": [{"model": "resnet15"}]}, "sweep.runs[0]: model"),
        (
            {"runs": [{"training.steps": 4, "training": {"steps": 5}}]},
            "sweep.runs[0]: 'training.steps' is given in two spellings",
        ),
        ({"runs": [{"model": "mlp3", "model.name": "mlp3"}]}, "sweep.runs[0]: 'model.name' is given in two spellings"),
        ({"runs": [{"model": 2}]}, "sweep.runs[0]: model: expected keys and values, got 2"),
        ({"runs": [{"optimiser": ["sgd"]}]}, "sweep.runs[0]: optimiser: expected keys and values, got ['sgd']"),
        ({"grid": [{"training": [{"steps": 4}], "training.steps": [5]}]}, "sweep.grid[0]: 'training.steps' is given in two"),
        ({"runs": [{".".join("a" * 40): 1}]}, "sweep.runs[0]: 'a.a.a."),
        ({"runs": [{"training": {"epochs": 10**7, "steps": None}}]}, "sweep.runs[0]: training: 120,000,000 steps are too many"),
        ({"runs": [{"model": {"name": "a:b", "options": {"x": float("nan")}}}]}, "model.options.x: nan is not a finite number"),
        ({"grid": [{"seed": list(range(101)), "data.seed": list(range(200))}]}, "sweep: more than 20,000 runs"),
        ({"grid": [{"seed": list(range(10**4))}] * 3}, "sweep: more than 20,000 runs"),
        ({"grid": [{f"model.options.x{axis}": list(range(10)) for axis in range(5000)}]}, "sweep: more than 20,000 runs"),
        (
            {"defaults": {"optimizer": {}}, "runs": [{"training.steps": 5}]},
            "unknown key 'optimizer'; did you mean 'optimiser'?",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_sweep_is_refused_with_its_place(sweep, expected):
    assert expected in refused(**sweep)


@pytest.mark.parametrize(
    ("wrong", "right", "expected"),
    [
        ({"training": "x"}, {"training": {"steps": 5}}, "training: expected keys and values, got 'x'"),
        ({"training": None}, {"training": {"steps": 5}}, "training: expected keys and values, got None"),
        ({"training": {"steps": "x"}}, {"training.steps": 5}, "training.steps: "),
        ({"model": 2}, {"model": "mlp3", "training.steps": 5}, "model: expected keys and values, got 2"),
        ({"model": "mpl3"}, {"model": "mlp3", "training.steps": 5}, "unknown model 'mpl3'"),
        ({"optimiser": ["sgd"]}, {"optimiser": "sgd", "training.steps": 5}, "optimiser: expected keys and values"),
        ({"data": {"name": "digit"}}, {"data": "digits", "training.steps": 5}, "data.name: unknown data set 'digit'"),
        ({"seed": -1}, {"seed": 0, "training.steps": 5}, "seed: "),
        ({"recording.windows": [{"start": 0}]}, {"recording.windows": "log", "training.steps": 5}, "length: "),
    ],
    ids=str,
)
def test_wrong_defaults_are_refused_even_if_every_run_overrides_them(wrong, right, expected):
    line = refused(defaults=wrong, runs=[right])
    assert line.startswith("sweep.defaults")
    assert expected in line


OPTIONS = st.dictionaries(
    st.text(min_size=1, max_size=12),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-9, 9)
        | st.floats(-1, 1)
        | st.sampled_from(["1", "", "/", "{run}", "$(x)", "é", "." * 300]),
        lambda inner: (
            st.dictionaries(st.sampled_from(["a", "b", "a_", "a.b", "/"]), inner, min_size=1, max_size=2)
            | st.lists(inner, max_size=2)
        ),
        max_leaves=4,
    ),
    max_size=3,
)


@given(
    st.lists(st.tuples(OPTIONS, st.integers(0, 1)), min_size=1, max_size=6), st.sampled_from(["a:b", "é:ö", "x" * 300 + ":y"])
)
def test_names_of_any_options_are_safe_bounded_and_unique(several, model):
    made = {}
    for options, seed in several:
        entry = {"model": {"name": model, "options": options}, "seed": seed}
        try:
            (run,) = runs(runs=[entry]).values()
        except ConfigError:  # of keys that no text can be, or two spellings of one
            continue
        made[run.yaml] = entry
    if not made:
        return
    named = runs(runs=list(made.values()))
    assert [run.yaml for run in named.values()] == list(made)
    for name, run in named.items():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,240}", name)
        assert name.replace(f"-seed{run.settings.seed}", "", 1) == run.group
    alike = {}
    for run in named.values():
        alike.setdefault(run.group, set()).add(run.settings.model_dump_json(exclude={"seed"}))
    assert all(len(contents) == 1 for contents in alike.values())


def test_nested_options_are_named_after_the_key_that_they_are_in():
    one, other = ({"model": {"name": "a:b", "options": {key: {"x": 1}}}} for key in ("first", "second"))
    assert [name.partition("seed0-")[2] for name in runs(runs=[one, other])] == ["first.x1", "second.x1"]


def test_runs_whose_names_would_be_the_same_all_have_a_digest_whatever_their_order_and_seed():
    entries = [{"model": {"name": "a:b", "options": {"x": value}}, "seed": seed} for value, seed in [(1, 0), ("1", 1), (2, 0)]]
    first, second, other = runs(runs=entries)
    assert re.fullmatch(r"a\.b-bs128-lr0\.1-seed0-x1-[0-9a-f]{12}", first)
    assert re.fullmatch(r"a\.b-bs128-lr0\.1-seed1-x1-[0-9a-f]{12}", second)
    assert first[-12:] != second[-12:]
    assert other == "a.b-bs128-lr0.1-seed0-x2"
    assert set(runs(runs=entries[::-1])) == {first, second, other}


def test_the_settings_of_all_runs_together_are_bounded(monkeypatch):
    monkeypatch.setattr("anodiff.sweep.runs.MOST_SETTINGS", 1000)
    entries = [{"seed": seed, "model": {"name": "a:b", "options": {"x": [0] * 90}}} for seed in range(11)]
    assert len(runs(runs=entries[:10])) == 10
    assert "sweep.runs[10]: the settings of the runs hold more than 1,000 values together" in refused(runs=entries)


def test_text_of_an_option_stays_text_whatever_its_key():
    (run,) = runs(runs=[{"model": {"name": "a:b", "options": {"model": "x", "schedule": "y", "data": "z"}}}]).values()
    assert run.settings.model.options == {"model": "x", "schedule": "y", "data": "z"}


def test_numbers_of_a_config_reach_the_options_as_numbers(tmp_path):
    path = tmp_path / "c.yaml"
    options = "{dropout: 1e-1, text: '1e-1', day: 2020-01-01}"
    path.write_text(f"sweep: {{name: s, runs: [{{training.steps: 4, model: {{name: 'a:b', options: {options}}}}}]}}")
    (run,) = sweep_runs(load_config(path)).values()
    assert run.settings.model.options == {"dropout": 0.1, "text": "1e-1", "day": "2020-01-01"}
    (tmp_path / "run.yaml").write_text(run.yaml)
    assert load_run(tmp_path / "run.yaml") == run.settings


@pytest.fixture(scope="module")
def paper():
    return sweep_runs(load_config(CONFIGS / "paper.yaml"))


def test_the_default_sweep_has_three_families_in_eight_configurations_and_its_claims_can_be_decided():
    made = sweep_runs(load_config(CONFIGS / "config.yaml"))
    settings = [run.settings for run in made.values()]
    assert {each.data.name for each in settings} == {"digits"}
    assert {each.model.name for each in settings} == {"mlp", "vgg9", "resnet8"}
    assert {each.model.shortcut for each in settings if each.model.name == "resnet8"} == {True, False}
    groups = Counter(run.group for run in made.values())
    assert len(groups) == 8
    assert min(groups.values()) >= 2
    for names in zip(
        *((each.model.name, each.training.batch_size, each.optimiser.learning_rate) for each in settings), strict=True
    ):
        assert min(Counter(names).values()) >= FEWEST
    assert len(landscape_runs(made, "first")) >= FEWEST


def test_runs_are_chosen_by_their_seeds():
    made = sweep_runs(load_config(CONFIGS / "digits.yaml"))
    assert runs_of_seeds(made, "none") == []
    assert runs_of_seeds(made, "all") == list(made)
    first = runs_of_seeds(made, "first")
    assert [made[name].settings.seed for name in first] == [0] * len(first)
    assert {made[name].group for name in first} == {run.group for run in made.values()}


def test_the_long_sweep_of_digits_has_every_kind_of_network_in_two_seeds():
    made = sweep_runs(load_config(CONFIGS / "digits.yaml"))
    assert {run.settings.data.name for run in made.values()} == {"digits"}
    groups = {}
    for run in made.values():
        groups.setdefault(run.group, set()).add(run.settings.seed)
    assert set(map(frozenset, groups.values())) == {frozenset({0, 1})}
    assert {run.settings.model.name for run in made.values()} == {"mlp", "vgg9", "resnet14"}


@pytest.mark.parametrize(
    ("models", "sizes"), [(["resnet14", "resnet20", "resnet56"], [128, 512, 1024]), (["resnet110"], [128, 256, 512])], ids=str
)
def test_the_published_sweep_has_residual_networks_with_and_without_shortcuts_over_batch_sizes(paper, models, sizes):
    settings = [run.settings for run in paper.values()]
    for model, size, shortcut in itertools.product(models, sizes, [True, False]):
        run = next(
            run for run in settings if (run.model.name, run.training.batch_size, run.model.shortcut) == (model, size, shortcut)
        )
        assert run.model.options == {"projection": True}
        assert (run.model.name, run.model.shortcut, run.training.batch_size, run.training.epochs) == (
            model,
            shortcut,
            size,
            500,
        )
        assert (run.data.name, run.data.shift, run.data.flip, run.data.normalise) == ("cifar10", 4, True, True)
        assert (run.optimiser.name, run.optimiser.learning_rate) == ("sgd", 0.1)
        assert (run.optimiser.momentum, run.optimiser.weight_decay, run.optimiser.schedule.name) == (0, 0, "constant")
        assert (run.training.initialisation, run.training.loss, run.model.width) == ("kaiming", "cross_entropy", 16)
        assert run.recording.window_length == 1000


def test_the_published_sweep_has_learning_rates_over_three_decades(paper):
    plain = {
        run.settings.optimiser.learning_rate
        for run in paper.values()
        if run.name == f"resnet14-bs128-lr{run.settings.optimiser.learning_rate:g}-seed0"
    }
    assert plain == {0.001, 0.01, 0.05, 0.1, 0.5, 1.0}


def test_the_published_sweep_has_the_other_networks_data_losses_and_lengths(paper):
    settings = [run.settings for run in paper.values()]
    models = {one.model.name for one in settings}
    assert {"vgg9", "densenet40", "alexnet", "mlp3", "mlp20", "mlp56", "mlp110", "vit"} <= models
    (vit,) = (one.model for one in settings if one.model.name == "vit")
    assert (vit.width, vit.depth, vit.options["patch"], vit.options["heads"]) == (512, 6, 2, 8)
    assert {one.model.width for one in settings if one.model.name.startswith("mlp")} == {100}
    assert {one.model.shortcut for one in settings if one.model.batch_norm is False and "resnet" in one.model.name} == {
        True,
        False,
    }
    assert {one.data.name for one in settings} == {"cifar10", "mnist"}
    assert {one.data.label_noise for one in settings} == {0, 0.2, 0.5, 1.0}
    assert {one.training.loss for one in settings} == {"cross_entropy", "mse"}
    assert {one.training.epochs for one in settings} == {500, 5000, 10000}
