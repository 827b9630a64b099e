"""The store holds the path of Hugging Face's Trainer."""

import math

import numpy as np
import pytest
import torch

from anodiff.errors import ConfigError, OutputExistsError
from anodiff.trajectory import Window, open_trajectory

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own, of many kinds

SAMPLES, BATCH = 44, 4  # 11 batches an epoch


@pytest.fixture
def transformers():
    pytest.importorskip("accelerate", reason="needs accelerate: pip install anodiff[callbacks]")
    return pytest.importorskip("transformers", reason="needs transformers: pip install anodiff[callbacks]")


@pytest.fixture
def recorded(transformers, tmp_path):
    """Return a function that makes the callback, whose store is path.zarr."""
    from anodiff.trajectory.callbacks.huggingface import TrajectoryCallback

    return lambda **options: TrajectoryCallback(tmp_path / "path.zarr", **options)


class Data(torch.utils.data.Dataset):
    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(SAMPLES, 3, generator=generator)

    def __len__(self):
        return SAMPLES

    def __getitem__(self, number):
        return {"inputs": self.inputs[number], "labels": self.inputs[number].prod()}


class Network(torch.nn.Module):
    """Returns its loss as models of transformers do, and keeps it."""

    def __init__(self, output="dictionary"):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        self.losses, self.output = [], output

    def forward(self, inputs, labels=None):
        outputs = self.layers(inputs)[:, 0]
        loss = (outputs - labels).square().mean()
        if self.training:
            self.losses.append(float(loss))
        return {"loss": loss, "logits": outputs} if self.output == "dictionary" else (loss, outputs)


def train(folder, model, callback, optimiser=torch.optim.SGD, *, resume=False, **options):
    """Train, and return the weights, learning rates and gradients at every step of the optimiser."""
    weights = [flat(model)]
    rates, gradients = [], []
    settings = {
        "output_dir": str(folder / "trainer"),
        "num_train_epochs": 2,
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
    }
    settings |= {"per_device_train_batch_size": BATCH, "logging_strategy": "no", "save_strategy": "no", "max_grad_norm": 0.0}
    import transformers

    arguments = transformers.TrainingArguments(**settings | options)
    chosen = optimiser(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(chosen, 0.9)

    def before(optimiser, *_):
        rates.append(optimiser.param_groups[0]["lr"])
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).clone())

    chosen.register_step_pre_hook(before)
    chosen.register_step_post_hook(lambda *_: weights.append(flat(model)))
    trainer = transformers.Trainer(
        model, arguments, train_dataset=Data(), eval_dataset=Data(), callbacks=[callback], optimizers=(chosen, schedule)
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=resume)
    return torch.stack(weights).numpy(), rates, torch.stack(gradients).numpy()


def flat(model):
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()


@pytest.mark.parametrize("accumulate", [1, 3, 4], ids="{} batches a step".format)
@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
def test_there_is_one_point_after_every_optimiser_step_and_it_is_the_weights(recorded, tmp_path, optimiser, accumulate):
    model = Network()
    options = {"gradient_accumulation_steps": accumulate, "eval_strategy": "epoch"}
    weights, rates, _ = train(tmp_path, model, recorded(windows=[Window(0, 4)]), optimiser, **options)
    trajectory = open_trajectory(tmp_path / "path.zarr")
    steps = 2 * math.ceil(11 / accumulate)
    assert trajectory.steps_completed == steps == len(weights) - 1
    np.testing.assert_array_equal(trajectory.weights[:], weights[:5])
    np.testing.assert_allclose(trajectory.series("learning_rate"), rates, rtol=1e-6)
    batches = [list(range(start, min(start + accumulate, 11))) for start in range(0, 11, accumulate)]
    losses = [np.mean([model.losses[epoch * 11 + batch] for batch in step]) for epoch in range(2) for step in batches]
    np.testing.assert_allclose(trajectory.series("loss"), losses, rtol=1e-5)
    np.testing.assert_allclose(
        trajectory.series("train_loss"), [np.mean(losses[: steps // 2]), np.mean(losses[steps // 2 :])], rtol=1e-5
    )
    assert np.isfinite(trajectory.series("test_loss")).all()
    assert len(trajectory.series("test_loss")) == 2


def test_the_gradient_is_the_one_that_the_optimiser_used_after_clipping(recorded, tmp_path):
    callback = recorded(gradient_coordinates=1000)
    _, _, gradients = train(tmp_path, Network("tuple"), callback, max_grad_norm=0.1)
    trajectory = open_trajectory(tmp_path / "path.zarr")
    np.testing.assert_array_equal(trajectory.array("gradient_sample")[:-1], gradients)
    np.testing.assert_allclose(trajectory.series("gradient_norm"), np.linalg.norm(gradients, axis=1), rtol=1e-5)
    assert trajectory.series("gradient_norm").max() == pytest.approx(0.1, rel=1e-3)
    assert np.isfinite(trajectory.series("loss")).all()


def test_a_language_model_whose_losses_are_shares_of_a_step_has_their_sum(transformers, recorded, tmp_path):
    """The trainer divides by the tokens of all batches of a step, so each batch's loss is a part of the step's."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=17, n_positions=8, n_embd=8, n_layer=1, n_head=2)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.randint(17, (12, 8))
    settings = {"output_dir": str(tmp_path / "trainer"), "max_steps": 3, "use_cpu": True, "report_to": [], "disable_tqdm": True}
    settings |= {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "logging_steps": 1, "save_strategy": "no"}
    dataset = [{"input_ids": row, "labels": row} for row in tokens]
    callback = recorded(windows=[Window(0, 3)])
    trainer = transformers.Trainer(
        model, transformers.TrainingArguments(**settings), train_dataset=dataset, callbacks=[callback]
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    np.testing.assert_allclose(open_trajectory(tmp_path / "path.zarr").series("loss"), logged, rtol=1e-3)


def test_a_second_training_does_not_replace_the_path_of_the_first_unless_asked(recorded, tmp_path):
    callback = recorded()
    train(tmp_path, Network(), callback)
    for again in (callback, recorded()):
        with pytest.raises(OutputExistsError, match="finished recording of 22 steps"):
            train(tmp_path, Network(), again, num_train_epochs=1)
        assert open_trajectory(tmp_path / "path.zarr").steps_completed == 22
    train(tmp_path, Network(), recorded(overwrite=True), num_train_epochs=1)
    assert open_trajectory(tmp_path / "path.zarr").steps_completed == 11


def test_resuming_from_the_trainers_checkpoint_is_refused_in_one_line(transformers, recorded, tmp_path):
    options = {"save_strategy": "steps", "save_steps": 5}
    train(tmp_path, Network(), transformers.TrainerCallback(), max_steps=5, **options)
    with pytest.raises(ConfigError, match="resumes at step 5 from a checkpoint") as refused:
        train(tmp_path, Network(), recorded(), resume=True, max_steps=9, **options)
    assert "\n" not in str(refused.value)


def test_the_trainers_optimiser_gives_the_walks(recorded, tmp_path):
    options = {"weights": "none", "walks": ["gradient"], "groups": "layer", "windows": [Window(0, 10)]}
    _, rates, gradients = train(tmp_path, Network(), recorded(**options), torch.optim.AdamW, max_grad_norm=0.1)
    steps = -np.array(rates)[:10, None] * gradients[:10].astype(np.float64)
    found = open_trajectory(tmp_path / "path.zarr").part_gram("walk_gram", 0, 0)
    np.testing.assert_allclose(found, steps @ steps.T, atol=1e-5 * found.max())
