"""Text and images do not mix: what one has and the other lacks is refused before the first job, in one line."""

import pytest

from anodiff.errors import ConfigError
from anodiff.settings.loading import validate
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config
from anodiff.sweep import costs, run_size
from anodiff.sweep.runs import learning_runs, sweep_runs

GPT = {"name": "gpt", "depth": 1, "width": 8, "heads": 2, "context": 7}


def run(**changes):
    return validate(RunSettings, {"data": "text", "model": GPT, "training": {"steps": 4}} | changes, "run.yaml")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": "resnet14"}, "model 'resnet14' takes images, and data: text are tokens; set model: gpt"),
        ({"model": "torchvision:resnet18"}, "takes images, and data: text are tokens"),
        ({"data": "digits"}, "model 'gpt' takes tokens, and data: digits are images; set data: text"),
        ({"data": "digits", "model": {"name": "mlp", "context": 9}}, "'model.context' is for text"),
        ({"model": {"name": "gpt4"}}, "unknown model 'gpt4'"),
        ({"model": GPT | {"heads": 3}}, "heads must divide width, got heads 3 and width 8"),
        ({"model": GPT | {"batch_norm": True}}, "takes no option 'batch_norm'"),
        ({"model": GPT | {"context": 0}}, "model.context: input should be greater than or equal to 1"),
        ({"model": GPT | {"options": {"vocabulary": 5}}}, "takes no option 'vocabulary'"),
        ({"model": GPT | {"options": {"context": 5}}}, "takes no option 'context'"),
        ({"model": {"name": "mine:net", "options": {"vocabulary": 5}}}, "leave option 'vocabulary' out; the data set sets it"),
        ({"training": {"steps": 4, "loss": "mse"}}, "training.loss: mse compares classes of images"),
        ({"training": {"steps": 4, "loss": "hinge"}}, "for text it is cross_entropy"),
        ({"training": {"steps": 4, "channels_last": True}}, "training.channels_last is for images"),
        ({"training": {"steps": 4, "accumulation": 129}}, "training.accumulation: 129 micro-batches of 128 samples"),
        ({"training": {"steps": 4, "accumulation": 0}}, "training.accumulation: input should be greater than or equal to 1"),
        ({"optimiser": {"clip": 0}}, "optimiser.clip: input should be greater than 0"),
        ({"optimiser": {"clip": float("nan")}}, "optimiser.clip"),
        ({"optimiser": {"name": "muon", "momentum": 0, "nesterov": True}}, "'nesterov' needs a 'momentum' above 0"),
        *(
            ({"data": {"name": "text", field: value}}, f"'{field}' is for images, not for text; leave it out")
            for field, value in {
                "normalise": True, "shift": 1, "flip": True, "noise": 0.1, "label_noise": 0.1, "merged_classes": 2,
                "imbalance": 2, "cue": {"strength": 1, "fraction": 1},
            }.items()
        ),
        ({"data": {"name": "text", "image_size": 8}}, "'image_size' is for image_folder, not for text"),
        ({"data": {"name": "text", "files": []}}, "data.files"),
        ({"data": {"name": "text", "files": ["/home/me/a.txt"]}}, "is a path of one machine"),
        ({"data": {"name": "text", "files": "~/a.txt"}}, "which are not replaced"),
        ({"data": {"name": "text", "tokenizer": "/t.json"}}, "is a path of one machine"),
        ({"data": {"name": "text", "test_fraction": 0}}, "data.test_fraction"),
        ({"data": {"name": "text", "test_fraction": 1}}, "data.test_fraction"),
        ({"data": {"name": "text", "stride": 0}}, "data.stride"),
        ({"data": {"name": "digits", "files": ["a.txt"]}, "model": "mlp"}, "'files' is for text, not for digits"),
        ({"data": {"name": "digits", "stride": 3}, "model": "mlp"}, "'stride' is for text, not for digits"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(changes, expected):
    with pytest.raises(ConfigError) as caught:
        run(**changes)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_stored_run_is_complete_and_reads_as_itself():
    for changes in ({}, {"optimiser": "muon"}, {"data": {"name": "text", "files": "a.txt"}}):
        settings = run(**changes)
        assert RunSettings.model_validate(settings.model_dump(mode="json")) == settings
    assert run(optimiser="muon").optimiser.momentum == 0.95
    assert run(data={"name": "text", "files": "a.txt"}).data.files == ["a.txt"]
    assert not run().data.normalise


def sweep(**defaults):
    base = {"data": "text", "model": GPT, "training": {"steps": 4}} | defaults
    return Config.model_validate({"sweep": {"name": "s", "defaults": base, "grid": [{"seed": [0, 1]}]}})


def test_what_is_learned_when_is_measured_on_images_alone():
    mixed = {"grid": [{"seed": [0]}], "runs": [{"data": "digits", "model": "mlp"}]}
    config = Config.model_validate(
        {"sweep": {"name": "s", "defaults": {"data": "text", "model": GPT, "training.steps": 4}} | mixed}
    )
    runs = sweep_runs(config)
    assert [runs[name].settings.data.name for name in learning_runs(runs, "all")] == ["digits"]


def test_runs_are_named_by_what_differs():
    config = Config.model_validate(
        {
            "sweep": {
                "name": "s",
                "defaults": {"data": "text", "model": GPT, "training.steps": 4, "optimiser.name": "adamw"},
                "grid": [{"model.context": [7, 9], "optimiser.clip": [None, 1.0], "training.accumulation": [1, 2]}],
                "runs": [{"optimiser": {"name": "muon", "learning_rate": 0.1}}],
            }
        }
    )
    names = list(sweep_runs(config))
    assert names[0] == "gpt-bs128-lr0.1-seed0"
    assert names[7] == "gpt-bs128-lr0.1-seed0-context9-clip1-accumulation2"
    assert names[8] == "gpt-bs128-lr0.1-seed0-muon"


def test_a_context_longer_than_the_text_is_refused_before_the_first_job():
    with pytest.raises(ConfigError, match=r"no block of model\.context \+ 1 tokens"):
        sweep_runs(sweep(model=GPT | {"context": 900_000}))


@pytest.mark.parametrize("data", [{}, {"test_fraction": 0.3}, {"stride": 3}, {"train_samples": 50}], ids=str)
def test_blocks_are_counted_without_reading_them(data):
    from anodiff.data import load

    settings = run(data={"name": "text"} | data)
    dataset = load(settings.data, "nowhere", context=7)
    held = run_size.samples(settings)
    assert (held.samples, held.vocabulary, held.context) == (len(dataset.train_labels), dataset.classes, 7)
    assert run_size.network_size(settings) == (256 * 8 + 7 * 8 + 12 * 64 + 13 * 8 + 16, 16)
    assert costs.training_memory(settings, "cpu") > 0


def test_micro_batches_ask_for_less_memory():
    whole, parts = (run(training={"steps": 4, "batch_size": 4096, "accumulation": n}) for n in (1, 8))
    assert costs.training_memory(parts, "cpu") < costs.training_memory(whole, "cpu")
