"""The loss as a function of the weights: right, repeatable, and without a trace on the network it was taken from."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from anodiff import models
from anodiff.errors import ConfigError, StoreFormatError
from anodiff.landscape import LossSurface, place
from anodiff.settings.run import RunSettings
from anodiff.training.run import train_run

CROSS_ENTROPY = nn.functional.cross_entropy


def samples(count=60, channels=1, size=8, classes=4):
    random = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, size, size, generator=random), torch.randint(classes, (count,), generator=random)


def network(name="resnet14", **options):
    torch.manual_seed(1)
    return models.build(name, channels=1, size=8, classes=4, **options)


def flat(model):
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()]).double().numpy()


def slow_loss(model, point, images, labels, centre=None, batch_size=256):
    """The obvious way: set the weights, set the statistics by training-mode passes, evaluate."""
    model = copy.deepcopy(model)

    def put(values):
        nn.utils.vector_to_parameters(torch.as_tensor(values, dtype=torch.float32), model.parameters())

    put(point if centre is None else centre)
    torch.optim.swa_utils.update_bn(images.split(batch_size), model)
    put(point)
    model.eval()
    with torch.no_grad():
        return CROSS_ENTROPY(model(images), labels).item()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet14", {"width": 4}),
        ("resnet14", {"width": 4, "projection": True}),
        ("resnet14", {"width": 4, "batch_norm": False}),
        ("vgg9", {"width": 4, "batch_norm": True}),
        ("densenet10", {}),
        ("mlp3", {"batch_norm": True}),
        ("vit", {"width": 16, "depth": 2}),
    ],
)
def test_the_loss_is_that_of_the_network_in_evaluation_mode(name, options):
    try:
        model = network(name, **options)
    except ConfigError as error:
        pytest.skip(str(error))
    images, labels = samples()
    centre = flat(model)
    point = centre + np.random.default_rng(0).normal(0, 0.02, len(centre))
    surface = LossSurface(model, images, labels, CROSS_ENTROPY, batch_size=32)
    assert surface(point) == pytest.approx(slow_loss(model, point, images, labels, centre, 32), rel=1e-5)
    anew = LossSurface(model, images, labels, CROSS_ENTROPY, batch_size=32, batch_norm="per_point")
    assert anew(point) == pytest.approx(slow_loss(model, point, images, labels, None, 32), rel=1e-5)


def test_the_network_is_left_as_it_was():
    model = network(width=4).train()
    before, images_labels = copy.deepcopy(model.state_dict()), samples()
    surface = LossSurface(model, *images_labels, CROSS_ENTROPY)
    surface(surface.centre + 1)
    surface.gradient(surface.centre)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_point_has_the_same_loss_whatever_was_evaluated_before():
    surface = LossSurface(network(width=4), *samples(), CROSS_ENTROPY)
    first = surface(surface.centre)
    surface(surface.centre + 0.1)
    assert surface(surface.centre) == first


def test_folding_changes_nothing_but_the_last_bits():
    model, (images, labels) = network(width=4), samples()
    surface = LossSurface(model, images, labels, CROSS_ENTROPY, dtype=torch.float64)
    assert surface._folded is not None
    assert len(surface._folded.pairs) == 13
    folded = surface(surface.centre + 0.01)
    surface._folded = None
    surface._normalised = False
    assert surface(surface.centre + 0.01) == pytest.approx(folded, rel=1e-12)


def test_points_together_have_the_losses_of_points_alone():
    surface = LossSurface(network(width=4), *samples(), CROSS_ENTROPY, dtype=torch.float64, batch_size=25)
    points = surface.centre + np.random.default_rng(0).normal(0, 0.02, (3, surface.size))
    np.testing.assert_allclose(surface.together(points), [surface(point) for point in points], rtol=1e-12)


def test_the_gradient_is_the_slope_of_the_loss():
    surface = LossSurface(network(width=4), *samples(), CROSS_ENTROPY, dtype=torch.float64, batch_size=25)
    direction = np.random.default_rng(0).normal(size=surface.size)
    slope = (surface(surface.centre + 1e-8 * direction) - surface(surface.centre - 1e-8 * direction)) / 2e-8
    assert surface.gradient(surface.centre) @ direction == pytest.approx(slope, rel=1e-4)


def test_scaling_the_weights_before_a_normalisation_changes_nothing_where_statistics_are_estimated_at_each_point():
    surface = LossSurface(network(width=4), *samples(), CROSS_ENTROPY, batch_norm="per_point", dtype=torch.float64)
    scaled = surface.centre.copy()
    scaled[: int(np.prod(next(iter(surface.shapes.values()))))] *= 2
    assert surface(scaled) == pytest.approx(surface(surface.centre), rel=1e-4)  # but for ε
    held = LossSurface(network(width=4), *samples(), CROSS_ENTROPY, dtype=torch.float64)
    assert held(scaled) != pytest.approx(held(held.centre), rel=1e-2)


def test_wrong_settings_are_one_line():
    model, (images, labels) = network("mlp3"), samples()
    with pytest.raises(ConfigError, match="did you mean 'centre'"):
        LossSurface(model, images, labels, CROSS_ENTROPY, batch_norm="center")
    with pytest.raises(ConfigError, match="at least one sample"):
        LossSurface(model, images[:0], labels[:0], CROSS_ENTROPY)
    with pytest.raises(ConfigError, match="a centre of shape"):
        LossSurface(model, images, labels, CROSS_ENTROPY, centre=np.zeros(3))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    windows = [{"start": 0, "length": 6, "stride": 2}]
    settings = RunSettings.model_validate(
        {"data": {"name": "digits", "train_samples": 200}, "model": {"name": "resnet14", "width": 4}}
        | {"training": {"steps": 8, "batch_size": 50}, "recording": {"windows": windows, "gradient_coordinates": 0}}
    )
    train_run(settings, folder / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
    return folder / "trajectory.zarr"


def test_a_run_is_placed_at_a_stored_step(run):
    before = torch.get_rng_state()
    surface = place(run, 4, samples=100, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert surface.samples == 100
    assert surface(surface.centre) < place(run, 0, samples=100, seed=3)(place(run, 0).centre)


def test_a_step_that_is_not_stored_is_refused_with_the_nearest(run):
    with pytest.raises(ConfigError, match="step 3 is not stored; the nearest are 2 and 4"):
        place(run, 3)
    with pytest.raises(ConfigError, match="step 100 is not stored; the nearest are 6"):
        place(run, 100)
    with pytest.raises(ConfigError, match="500 samples of a training set of 200"):
        place(run, 4, samples=500)


def test_another_network_than_the_stored_is_refused(run):
    settings = RunSettings.model_validate({"data": "digits", "model": "mlp3", "training": {"steps": 8}})
    with pytest.raises(StoreFormatError, match="are not those of the network"):
        place(run, 4, settings=settings)
