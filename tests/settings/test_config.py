"""A wrong setting gives one line: which key, its value, what to write instead."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from anodiff.errors import ConfigError
from anodiff.settings.loading import load_config, load_run, load_stage, validate
from anodiff.settings.reference import config_reference, config_schema
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import AnalysisSettings
from anodiff.settings.sweep import Config
from anodiff.sweep.runs import sweep_runs

SHIPPED = sorted(Path(__file__).parents[2].glob("config/*.yaml"))
RUN = {"training": {"steps": 100}}


def refused(call, *arguments):
    """Return the one line of the error for a bad input."""
    with pytest.raises(ConfigError) as refusal:
        call(*arguments)
    line = str(refusal.value)
    assert line
    assert "\n" not in line
    return line


def nested(dotted, value):
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return value


def merged(dotted, value):
    """Return RUN with one more setting."""
    (section, change), *_ = nested(dotted, value).items()
    return RUN | {section: RUN.get(section, {}) | change if isinstance(change, dict) else change}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("training.batch_size", 0, "greater than or equal to 1"),
        ("training.batch_size", 1.5, "integer"),
        ("training.batch_size", "many", "integer"),
        ("training.steps", 1, "greater than or equal to 2"),
        ("training.epochs", 0, "greater than or equal to 1"),
        ("training.threads", 0, "greater than or equal to 1"),
        ("training.evaluate_every", 0, "greater than or equal to 1"),
        ("training.loss", "huber", "'cross_entropy', 'mse' or 'hinge'"),
        ("training.decoupling", -0.1, "greater than or equal to 0"),
        ("training.sampling", "some", "'without_replacement' or 'with_replacement'"),
        ("training.initialisation", "zeros", "'kaiming' or 'default'"),
        ("optimiser.learning_rate", 0, "greater than 0"),
        ("optimiser.learning_rate", float("nan"), "finite"),
        ("optimiser.learning_rate", float("inf"), "finite"),
        ("optimiser.momentum", 1, "less than 1"),
        ("optimiser.weight_decay", -1e-9, "greater than or equal to 0"),
        ("optimiser.name", "sdg", "'sgd', 'adam', 'adamw' or 'muon'"),
        ("optimiser.betas", [0.9], "required"),
        ("optimiser.schedule.factor", 1, "less than 1"),
        ("optimiser.schedule.milestones", [0.5, 1.0], "less than 1"),
        ("optimiser.schedule.warmup", -1, "greater than or equal to 0"),
        ("data.label_noise", 1.01, "less than or equal to 1"),
        ("data.merged_classes", 1, "greater than or equal to 2"),
        ("data.imbalance", 0.9, "greater than or equal to 1"),
        ("data.cue", {"strength": 0.1, "fraction": 2}, "less than or equal to 1"),
        ("data.shift", 65, "less than or equal to 64"),
        ("data.noise", -0.1, "greater than or equal to 0"),
        ("data.train_samples", 0, "greater than or equal to 1"),
        ("model.depth", 0, ""),
        ("model.width", 0, ""),
        ("recording.window_length", 1, "greater than or equal to 2"),
        ("recording.noise_every", -1, "greater than or equal to 0"),
        ("recording.windows", "every", "'contiguous' or 'log'"),
        ("recording.weights", "half", "'full', 'sketch' or 'none'"),
        ("recording.sketch_size", 0, "greater than or equal to 4"),
        ("recording.sketch_size", 1002, "multiple of 4"),
        ("recording.gradient_coordinates", -1, "greater than or equal to 0"),
        ("seed", -1, "greater than or equal to 0"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_key_and_the_bound(key, value, expected):
    line = refused(validate, RunSettings, merged(key, value), "run.yaml")
    assert line.startswith("run.yaml: ")
    assert key.split(".")[-1] in line
    assert expected in line


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.batch_size", 1),
        ("training.steps", 2),
        ("optimiser.momentum", 0),
        ("optimiser.learning_rate", 1e-12),
        ("data.label_noise", 1),
        ("data.imbalance", 1),
        ("data.shift", 64),
        ("recording.window_length", 2),
        ("recording.gradient_coordinates", 0),
        ("seed", 0),
    ],
)
def test_the_bounds_themselves_are_allowed(key, value):
    settings = validate(RunSettings, merged(key, value), "run.yaml").model_dump()
    for part in key.split("."):
        settings = settings[part]
    assert settings == value


@pytest.mark.parametrize(
    ("model", "values", "path", "suggestion"),
    [
        (RunSettings, RUN | {"optimizer": {}}, "optimizer", "optimiser"),
        (RunSettings, {"training": {"steps": 9, "batchsize": 4}}, "training.batchsize", "batch_size"),
        (RunSettings, merged("optimiser.schedule", {"warm_up": 1}), "optimiser.schedule.warm_up", "warmup"),
        (
            RunSettings,
            merged("data", {"name": "gaussian_clusters", "clusters": {"clases": 2}}),
            "data.clusters.clases",
            "classes",
        ),
        (
            RunSettings,
            merged("recording.windows", [{"start": 0, "length": 9}, {"start": 0, "length": 9, "strid": 2}]),
            "recording.windows.1.strid",
            "stride",
        ),
        (Config, {"sweep": {"name": "s", "grids": []}}, "sweep.grids", "grid"),
        (Config, {"sweep": {"name": "s"}, "analysys": {}}, "analysys", "analysis"),
        (Config, {"sweep": {"name": "s"}, "analysis": {"slope_witdh": 0.3}}, "analysis.slope_witdh", "slope_width"),
        (Config, {"sweep": {"name": "s"}, "paths": {"result": "x"}}, "paths.result", "results"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unknown_key_is_named_by_its_path_with_the_nearest_known_one(model, values, path, suggestion):
    line = refused(validate, model, values, "here")
    assert f"unknown key '{path}'; did you mean '{suggestion}'?" in line


def test_an_unknown_key_unlike_all_others_lists_the_known_ones():
    line = refused(validate, RunSettings, RUN | {"zzz": 1}, "here")
    assert "unknown key 'zzz'; known: data, model, optimiser, training, recording, seed" in line


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "set either 'steps' or 'epochs'"),
        ({"training": {"steps": 10, "epochs": 1}}, "set either 'steps' or 'epochs'"),
        (merged("recording.windows", [{"start": 50, "length": 51}]), "from step 50 to 101 ends beyond the run's 100 steps"),
        (
            merged("recording.sketch_size", 512),
            "'sketch_size' is for weights: sketch; leave it out, or set weights to sketch",
        ),
        (
            merged("recording.windows", [{"start": 0, "length": 10, "stride": 3}]),
            "'length' 10 must be a multiple of 'stride' 3",
        ),
        (merged("recording.windows", [{"length": 10}]), "recording.windows.0.start"),
        (merged("optimiser", {"name": "adam", "momentum": 0.9}), "are for sgd; adam has 'betas'"),
        (merged("optimiser", {"nesterov": True}), "'nesterov' needs a 'momentum'"),
        (merged("data", "cifar11"), "unknown data set 'cifar11'; did you mean 'cifar10'?"),
        (merged("data", {"name": "mnist", "folder": "x"}), "'folder' is for image_folder, not for mnist"),
        (merged("data", "image_folder"), "image_folder needs 'folder'"),
        (merged("model", "resnet15"), "resnet15"),
        (merged("model", "restnet14"), "resnet14"),
        (merged("model", 14), "model"),
        (merged("model", {"name": "mlp3", "options": {"widht": 3}}), "width"),
        ({"training": 100}, "training"),
        ([1, 2], "expected keys and values"),
        (None, "expected keys and values"),
        ({1: 2}, "1"),
    ],
    ids=str,
)
def test_conflicting_settings_are_refused_in_one_line(values, expected):
    assert expected in refused(validate, RunSettings, values, "run.yaml")


def test_all_mistakes_are_reported_together():
    values = {"training": {"steps": 0, "batch_size": 0}, "seed": -1}
    line = refused(validate, RunSettings, values, "run.yaml")
    assert all(key in line for key in ("training.steps", "training.batch_size", "seed"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"sweep: [1, 2", "not YAML: .*line 1"),
        (b"a: b: c\n", "not YAML: .*line 1"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"a: !!python/object:os.system 1\n", "not YAML"),
        (b"", "expected keys and values"),
        (b"just text", "expected keys and values"),
    ],
    ids=["unclosed", "two colons", "binary", "tagged", "empty", "text"],
)
@pytest.mark.parametrize("load", [load_config, load_run])
def test_a_file_that_holds_no_settings_is_refused_with_its_name(tmp_path, load, content, expected):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    line = refused(load, path)
    assert line.startswith(f"{path}: ")
    assert re.search(expected, line)


def test_a_file_that_is_not_there_or_a_folder_is_refused_with_its_name(tmp_path):
    assert refused(load_config, tmp_path / "none.yaml") == f"{tmp_path / 'none.yaml'}: no such file"
    assert refused(load_config, tmp_path).startswith(f"{tmp_path}: ")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-a", "a b", ".hidden"])
def test_a_sweep_name_is_a_plain_folder_name(name):
    assert "sweep.name" in refused(validate, Config, {"sweep": {"name": name}}, "c.yaml")


@pytest.mark.parametrize("key", ["results", "scratch", "data"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("~", "not replaced"),
        ("~/x", "not replaced"),
        ("~me/x", "not replaced"),
        ("/a/$USER", "not replaced"),
        ("${HOME}/x", "not replaced"),
        ("a\0b", "no file can hold"),
        ("a\nb", "control character"),
        ("a\x7fb", "control character"),
        ("x" * 256, "too long"),
        ("é" * 128, "too long"),
        ("x/" * 513, "too long"),
        (None, "valid string"),
        (3, "valid string"),
        (True, "valid string"),
        (["a"], "valid string"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_no_folder_is_refused(key, path, said):
    line = refused(validate, Config, {"sweep": {"name": "s"}, "paths": {key: path}}, "c.yaml")
    assert line.startswith(f"c.yaml: paths.{key}: ")
    assert said in line


@pytest.mark.parametrize(
    "path", ["a b", "it's", '"', "$(x)", "`x`", ";", "a~b", "5$", "x" * 255, "é", "/", "..", "./-x", "*?["]
)
def test_any_folder_there_can_be_is_allowed(path):
    config = validate(Config, {"sweep": {"name": "s"}, "paths": dict.fromkeys(("results", "scratch", "data"), path)}, "c.yaml")
    assert set(config.paths.model_dump().values()) == {path}


@pytest.mark.parametrize("path", ["{run}", "a{", "}", "-x", " x", "x "])
def test_results_are_nothing_that_snakemake_or_a_command_takes_for_something_else(path):
    assert "paths.results: " in refused(validate, Config, {"sweep": {"name": "s"}, "paths": {"results": path}}, "c.yaml")


@pytest.mark.parametrize(
    "key", ["seed", "training.steps", "training.batch_size", "optimiser.learning_rate", "data.noise", "recording.window_length"]
)
def test_true_is_no_number(key):
    assert f"{key}: expected a number, got True" in refused(validate, RunSettings, merged(key, True), "run.yaml")


def test_true_is_no_number_in_a_list():
    assert "expected a number" in refused(validate, RunSettings, merged("optimiser.betas", [0.5, True]), "run.yaml")
    assert validate(RunSettings, merged("training.cuda_graph", True), "run.yaml").training.cuda_graph is True


def test_every_whole_number_and_every_list_is_bounded():
    """So that no config takes the memory of a machine before its sizes are looked at."""

    def unbounded(schema, where):
        if schema.get("type") == "integer" and not ({"minimum", "maximum"} <= schema.keys() or "enum" in schema):
            yield where
        if schema.get("type") == "array" and "maxItems" not in schema:
            yield where
        for key, value in schema.items():
            for number, each in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(each, dict):
                    yield from unbounded(each, f"{where}/{key}/{number}")

    bounded_elsewhere = {"/$defs/0/SweepSettings/0/properties/0/grid/0", "/$defs/0/SweepSettings/0/properties/0/runs/0"}
    assert set(unbounded(json.loads(config_schema()), "")) == bounded_elsewhere


@pytest.mark.parametrize(
    ("training", "recording", "said"),
    [
        ({"steps": 10_000_001}, {}, "less than or equal to 10000000"),
        ({"steps": 10_000_000}, {"window_length": 99}, "101,011 windows are too many"),
        ({"steps": 200_000}, {"window_length": 100_001}, "a window of 100,001 points"),
        ({"steps": 200_000}, {"windows": [{"start": 0, "length": 200_000}]}, "a window of 200,000 points"),
        ({"steps": 10**6}, {"windows": [{"start": 0, "length": 10**5}] * 101}, "10,100,000 points are too many"),
    ],
    ids=str,
)
def test_a_run_that_is_too_long_is_refused(training, recording, said):
    assert said in refused(validate, RunSettings, {"training": training, "recording": recording}, "run.yaml")


def test_the_longest_runs_are_allowed():
    for recording in ({"window_length": 100}, {"windows": "log", "window_length": 100_000}):
        validate(RunSettings, {"training": {"steps": 10_000_000}, "recording": recording}, "run.yaml")
    validate(RunSettings, {"training": {"steps": 100_000}, "recording": {"window_length": 10_000_000}}, "run.yaml")


@pytest.mark.parametrize("name", ["os:system", "subprocess:run", "builtins:exec", "__main__:x", "os.path:join"])
def test_a_function_of_python_is_no_network(name):
    assert "belongs to Python" in refused(validate, RunSettings, merged("model", {"name": name}), "run.yaml")


def test_of_many_mistakes_ten_are_listed_and_long_values_are_shortened():
    line = refused(validate, RunSettings, RUN | {f"key{number}": 0 for number in range(25)}, "run.yaml")
    assert line.endswith("; and 15 more")
    assert line.count("unknown key") == 10
    line = refused(validate, RunSettings, merged("training.loss", "x" * 10_000), "run.yaml")
    assert "x…x" in line
    assert len(line) < 300


def test_later_files_and_changes_override_earlier_ones_key_by_key(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.json"
    first.write_text("sweep: {name: s}\nanalysis: {slope_width: 0.5, largest_lag: 0.8}\nlongest_job: 30\n")
    second.write_text('{"analysis": {"slope_width": 1e-1}}')
    config = load_config(first, second, changes={"analysis": {"null_draws": "30"}, "longest_job": 40})
    assert config.analysis == AnalysisSettings(slope_width=0.1, largest_lag=0.8, null_draws=30)
    assert config.longest_job == 40
    with pytest.raises(ConfigError, match=r"first\.yaml \+ .*second\.json \+ --config: longest_job: "):
        load_config(first, second, changes={"longest_job": -1})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_configs_are_valid_and_match_the_schema(path):
    assert sweep_runs(load_config(path))
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(config_schema()))


@pytest.mark.parametrize(
    ("made", "path", "form"),
    [(config_schema, "workflow/schemas/config.schema.json", "json"), (config_reference, "config/README.md", "markdown")],
    ids=["schema", "reference"],
)
def test_what_is_generated_from_the_models_is_in_sync(made, path, form):
    committed = SHIPPED[0].parents[1] / path
    assert committed.read_text() == made(), f"run: anodiff schema --format {form} > {path}"


def test_the_schema_refuses_unknown_keys_and_documents_every_field():
    schema = json.loads(config_schema())
    with pytest.raises(jsonschema.ValidationError, match="grids"):
        jsonschema.validate({"sweep": {"name": "s", "grids": []}}, schema)
    sections = {"Config": schema} | schema["$defs"]
    for name, section in sections.items():
        for key, field in section["properties"].items():
            referred = sections.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
            assert field.get("description") or referred.get("description"), f"{name}.{key}"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"lags_per_decade": 3}, "greater than or equal to 4"),
        ({"largest_lag": 0}, "greater than 0"),
        ({"largest_lag": 1.1}, "less than or equal to 1"),
        ({"slope_width": 0}, "greater than 0"),
        ({"long_lags": [900, 200]}, r"must increase, as in [200, 900]"),
        ({"long_lags": [200]}, "required"),
    ],
    ids=str,
)
def test_analysis_settings_are_bounded(values, expected):
    assert expected in refused(validate, AnalysisSettings, values, "--analysis")


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (["pdf"], "leaves out svg, which the page needs; add it"),
        (["svg", "pdf", "pdf"], "names a format twice"),
        (["svg", "jpeg"], "'svg', 'pdf' or 'png'"),
        ([], "at least 1 item"),
    ],
    ids=str,
)
def test_the_figures_have_known_formats_each_once_and_svg_among_them(formats, expected):
    assert expected in refused(validate, Config, {"sweep": {"name": "s"}, "figures": {"formats": formats}}, "c.yaml")


def test_changes_override_the_analysis_settings_of_the_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("sweep: {name: s}\nanalysis: {slope_width: 0.5, largest_lag: 0.8}")
    assert load_stage(AnalysisSettings, "analysis", None) == AnalysisSettings()
    assert load_stage(AnalysisSettings, "analysis", path) == AnalysisSettings(slope_width=0.5, largest_lag=0.8)
    assert load_stage(AnalysisSettings, "analysis", path, "{slope_width: 0.3}") == AnalysisSettings(
        slope_width=0.3, largest_lag=0.8
    )
    all_of_them = AnalysisSettings(lags_per_decade=9, long_lags=(3, 4))
    assert load_stage(AnalysisSettings, "analysis", None, all_of_them.model_dump_json()) == all_of_them


@pytest.mark.parametrize("changes", ["{", "[1]", "slope_width", "{slope: 1}", "{long_lags: [3, 2]}", ""])
def test_bad_changes_of_the_analysis_are_refused_in_one_line(changes):
    assert refused(load_stage, AnalysisSettings, "analysis", None, changes).startswith("--analysis: ")
