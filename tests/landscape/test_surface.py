"""The loss as a function of the weights: correct and repeatable; the network it was taken from is unchanged."""

import copy
import shutil

import numpy as np
import pytest
import torch
import zarr
from torch import nn

from anodiff import models
from anodiff.errors import ConfigError, StoreFormatError
from anodiff.landscape import LossSurface, loss_surface_at
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import LandscapeSettings
from anodiff.storage.stores import finish_store
from anodiff.training.recorded.network import points_near, stored_point
from anodiff.training.run import train_run
from anodiff.trajectory.store import open_trajectory

CROSS_ENTROPY = nn.functional.cross_entropy


def samples(count=60, channels=1, size=8, classes=4):
    random = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, size, size, generator=random), torch.randint(classes, (count,), generator=random)


def network(name="resnet14", **options):
    torch.manual_seed(1)
    return models.build(name, channels=1, size=8, classes=4, **options)


def flat(model):
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()]).double().numpy()


def slow_loss(model, point, images, labels, centre=None):
    """The obvious way: set the weights, take the statistics of all samples in training mode, evaluate."""
    model = copy.deepcopy(model)

    def put(values):
        nn.utils.vector_to_parameters(torch.as_tensor(values, dtype=torch.float32), model.parameters())

    put(point if centre is None else centre)
    torch.optim.swa_utils.update_bn([images], model)
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
    assert surface(point) == pytest.approx(slow_loss(model, point, images, labels, centre), rel=1e-5)
    per_point = LossSurface(model, images, labels, CROSS_ENTROPY, batch_size=32, batch_norm="per_point")
    assert per_point(point) == pytest.approx(slow_loss(model, point, images, labels), rel=1e-5)


def test_the_given_network_does_not_change():
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


def test_folding_changes_only_the_last_bits():
    model, (images, labels) = network(width=4), samples()
    surface = LossSurface(model, images, labels, CROSS_ENTROPY, dtype=torch.float64)
    assert surface._folded is not None
    assert len(surface._folded.pairs) == 13
    folded = surface(surface.centre + 0.01)
    surface._folded = None
    surface._normalised = False
    assert surface(surface.centre + 0.01) == pytest.approx(folded, rel=1e-12)


def test_several_points_have_the_losses_of_each_alone():
    surface = LossSurface(network(width=4), *samples(), CROSS_ENTROPY, dtype=torch.float64, batch_size=25)
    points = surface.centre + np.random.default_rng(0).normal(0, 0.02, (3, surface.size))
    np.testing.assert_allclose(surface.losses_at(points), [surface(point) for point in points], rtol=1e-12)


def test_the_gradient_is_the_slope_of_the_loss():
    surface = LossSurface(network(width=4), *samples(), CROSS_ENTROPY, dtype=torch.float64, batch_size=25)
    direction = np.random.default_rng(0).normal(size=surface.size)
    slope = (surface(surface.centre + 1e-8 * direction) - surface(surface.centre - 1e-8 * direction)) / 2e-8
    assert surface.gradient(surface.centre) @ direction == pytest.approx(slope, rel=1e-4)


def test_with_statistics_of_each_point_the_scale_of_weights_before_a_normalisation_does_not_matter():
    surface = LossSurface(network(width=4), *samples(), CROSS_ENTROPY, batch_norm="per_point", dtype=torch.float64)
    scaled = surface.centre.copy()
    scaled[: int(np.prod(next(iter(surface.shapes.values()))))] *= 2
    assert surface(scaled) == pytest.approx(surface(surface.centre), rel=1e-4)  # except for ε
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


def test_the_surface_of_a_run_is_centred_at_a_stored_step(run):
    before = torch.get_rng_state()
    settings = LandscapeSettings(samples=100, seed=3)
    surface = loss_surface_at(run, 4, settings)
    assert torch.equal(torch.get_rng_state(), before)
    assert surface.samples == 100
    np.testing.assert_array_equal(surface.centre, stored_point(open_trajectory(run), 4))
    assert surface(surface.centre) < loss_surface_at(run, 0, settings)(stored_point(open_trajectory(run), 0))


def test_a_step_that_is_not_stored_is_refused_with_the_nearest(run):
    with pytest.raises(ConfigError, match="step 3 is not stored; the nearest are 2 and 4"):
        loss_surface_at(run, 3, LandscapeSettings())
    with pytest.raises(ConfigError, match="step 100 is not stored; the nearest are 6"):
        loss_surface_at(run, 100, LandscapeSettings())
    with pytest.raises(ConfigError, match="500 samples of a training set of 200"):
        loss_surface_at(run, 4, LandscapeSettings(samples=500))


def test_the_points_of_a_run_are_the_stored_ones_nearest_to_fractions_of_it(run):
    found = points_near(open_trajectory(run), [0.0, 0.3, 0.4, 1.0])
    assert list(found) == [0, 2, 6]
    assert {window.start for window in found.values()} == {0}


@pytest.fixture
def with_settings(run, tmp_path):
    """Return a function that copies the run's trajectory with other settings."""

    def change(settings):
        shutil.copytree(run, tmp_path / "trajectory.zarr")
        group = zarr.open_group(tmp_path / "trajectory.zarr", mode="r+", use_consolidated=False)
        finish_store(group, settings=settings)
        return tmp_path / "trajectory.zarr"

    return change


def test_another_network_than_the_stored_one_is_refused(with_settings):
    settings = RunSettings.model_validate({"data": "digits", "model": "mlp3", "training": {"steps": 8}})
    with pytest.raises(StoreFormatError, match="are not those of the network"):
        loss_surface_at(with_settings(settings.model_dump(mode="json")), 4, LandscapeSettings())


def test_a_path_without_settings_is_refused_in_one_line(with_settings):
    with pytest.raises(ConfigError, match="only for runs of 'anodiff train'"):
        loss_surface_at(with_settings(None), 4, LandscapeSettings())


class Restless(nn.Module):
    """A network that drops in evaluation mode, or changes its inputs."""

    def __init__(self, change):
        super().__init__()
        self.layer, self.change = nn.Linear(4, 3), change

    def forward(self, images):
        return self.layer(self.change(images))


def test_a_network_that_draws_random_numbers_is_refused_in_one_line():
    torch.manual_seed(0)
    images, labels = torch.randn(20, 4), torch.randint(3, (20,))
    network, before = Restless(nn.functional.dropout), torch.get_rng_state()
    with pytest.raises(ConfigError, match=r"Restless has other outputs for the same inputs .* needs training=self.training"):
        LossSurface(network, images, labels, nn.functional.cross_entropy)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_that_changes_its_inputs_sees_the_same_ones_at_every_point():
    torch.manual_seed(0)
    images, labels = torch.randn(20, 4), torch.randint(3, (20,))
    changing = Restless(lambda inputs: inputs.sub_(0.5))
    surface = LossSurface(changing, images, labels, nn.functional.cross_entropy, dtype=torch.float64)
    expected = nn.functional.cross_entropy(changing.layer(images - 0.5), labels).item()
    for _ in range(3):
        assert surface(surface.centre) == pytest.approx(expected, rel=1e-6)
    assert surface.copy()(surface.centre) == pytest.approx(expected, rel=1e-6)


def test_a_network_that_differentiates_in_its_forward_pass_has_its_losses():
    """Which inference mode does not allow."""
    torch.manual_seed(0)
    images, labels = torch.randn(20, 4), torch.randint(3, (20,))

    def slope(inputs):
        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_(True)
            return torch.autograd.grad(torch.tanh(inputs).sum(), inputs, create_graph=True)[0]

    network = Restless(slope)
    surface = LossSurface(network, images, labels, nn.functional.cross_entropy, dtype=torch.float64)
    expected = nn.functional.cross_entropy(network.layer(1 - torch.tanh(images) ** 2), labels).item()
    assert surface(surface.centre) == pytest.approx(expected, rel=1e-6)


def test_a_network_that_fixes_its_types_is_refused_in_one_line():
    network = Restless(lambda inputs: inputs.double())
    with pytest.raises(ConfigError, match=r"Restless fails in float32: .* does its forward pass fix a type\?"):
        LossSurface(network, torch.zeros(4, 4), torch.zeros(4, dtype=torch.long), nn.functional.cross_entropy)


def test_a_network_that_keeps_a_table_of_its_first_pass_has_its_gradient():
    torch.manual_seed(0)
    images, labels = torch.randn(20, 4), torch.randint(3, (20,))

    class Positions(nn.Module):
        table = None

        def forward(self, inputs):
            if self.table is None:
                self.table = torch.arange(4.0).cos().to(inputs)
            return inputs * self.table

    network = Restless(Positions())
    surface = LossSurface(network, images, labels, nn.functional.cross_entropy, dtype=torch.float64)
    loss = nn.functional.cross_entropy(network.layer(images * torch.arange(4.0).cos()), labels)
    expected = torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(network.parameters()))])
    assert surface(surface.centre) == pytest.approx(loss.item(), rel=1e-6)
    np.testing.assert_allclose(surface.gradient(surface.centre), expected.numpy(), rtol=1e-4, atol=1e-7)
