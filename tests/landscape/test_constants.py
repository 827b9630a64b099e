"""A network at a recorded point is the network that was there: trained and frozen weights, and buffers."""

import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

from anodiff.data import Augmentation, load
from anodiff.errors import ConfigError
from anodiff.landscape import LossSurface, loss_surface_at
from anodiff.landscape.products import gauss_newton_product, hessian_product
from anodiff.settings.run import RunSettings
from anodiff.settings.stages import LandscapeSettings
from anodiff.training.run import train_run

NETWORKS = """
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import spectral_norm

    MADE = []

    def kept(model):
        MADE.append(model)
        return model

    class Counting(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.layer = nn.Linear(64, classes)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, images):
            self.calls = self.calls + self.training
            return self.layer(images.flatten(1))

    def spectral(classes):
        layers = nn.Flatten(), spectral_norm(nn.Linear(64, 16)), nn.Tanh(), spectral_norm(nn.Linear(16, classes))
        return kept(nn.Sequential(*layers))

    def counting(classes):
        return kept(Counting(classes))

    def frozen(classes):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, classes))
        nn.init.normal_(model[1].weight, len(MADE))  # other weights each time it is built
        model[1].requires_grad_(False)
        return kept(model)
"""


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """The module of the user's networks."""
    (tmp_path / "made_networks.py").write_text(textwrap.dedent(NETWORKS))
    monkeypatch.chdir(tmp_path)
    yield lambda: sys.modules["made_networks"]
    sys.modules.pop("made_networks", None)


def trained(folder, factory, steps=12, **recording):
    recording = {"windows": [{"start": 0, "length": steps}], "gradient_coordinates": 0} | recording
    settings = RunSettings.model_validate(
        {"data": {"name": "digits", "train_samples": 200}, "model": {"name": f"made_networks:{factory}"}}
        | {"training": {"steps": steps, "batch_size": 50}, "recording": recording, "optimiser": {"learning_rate": 0.5}}
    )
    train_run(settings, folder / "trajectory.zarr", scratch=folder / "scratch", device="cpu")
    return settings, folder / "trajectory.zarr"


@pytest.mark.parametrize("factory", ["spectral", "frozen"])
def test_the_loss_at_the_last_point_is_that_of_the_network_that_was_trained(tmp_path, networks, factory):
    settings, path = trained(tmp_path, factory)
    model, dataset = networks().MADE[-1], load(settings.data, tmp_path)
    images = Augmentation(settings.data, dataset).normalise(dataset.train_images)
    with torch.no_grad():
        expected = nn.functional.cross_entropy(model.eval()(images), dataset.train_labels).item()
    surface = loss_surface_at(path, 12, LandscapeSettings(samples=None))
    assert surface(surface.centre) == pytest.approx(expected, rel=1e-6)


def test_buffers_that_are_not_known_are_refused_if_outputs_depend_on_them(tmp_path, networks):
    _, path = trained(tmp_path, "spectral", buffers_every=0)
    message = r"outputs depend on its buffers, such as 1\..*, and those of step 5 were not stored; .*\.buffers_every: 1"
    with pytest.raises(ConfigError, match=message):
        loss_surface_at(path, 5, LandscapeSettings(samples=50))
    loss_surface_at(path, 12, LandscapeSettings(samples=50))


def test_buffers_that_are_not_known_do_not_matter_if_outputs_do_not_depend_on_them(tmp_path, networks):
    _, path = trained(tmp_path, "counting", buffers_every=0)
    surface = loss_surface_at(path, 5, LandscapeSettings(samples=50))
    assert np.isfinite(surface(surface.centre))


def half_frozen(dtype=torch.float64):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).to(dtype)
    model[1].bias.requires_grad_(False)
    return model


class Modulus(nn.Module):
    """A complex network of real outputs; an odd number of real parameters stands before the complex ones."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.randn(1, dtype=torch.float64))
        self.weight = nn.Parameter(torch.randn(3, 4, dtype=torch.complex128) / 2)
        self.bias = nn.Parameter(torch.randn(3, dtype=torch.complex128) / 2)

    def forward(self, images):
        return nn.functional.linear(images.flatten(1).to(self.weight.dtype), self.weight, self.bias).abs() + self.shift


def complex_network():
    torch.manual_seed(0)
    return Modulus()


def reals(tensor):
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def loss_of_reals(model, images, labels):
    """The loss as a function of one real vector of the trainable parameters, and that vector."""
    wanted = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    start = torch.cat([reals(parameter.detach()).reshape(-1) for parameter in wanted.values()])

    def parameters(vector):
        offset, found = 0, {}
        for name, parameter in wanted.items():
            size = reals(parameter).numel()
            part = vector[offset : offset + size].reshape(reals(parameter).shape)
            found[name] = torch.complex(part[..., 0], part[..., 1]) if parameter.is_complex() else part
            offset += size
        return found

    def outputs(vector):
        return torch.func.functional_call(model, parameters(vector), (images,))

    return lambda vector: nn.functional.cross_entropy(outputs(vector), labels), outputs, start


@pytest.mark.parametrize("make", [half_frozen, complex_network])
def test_gradient_and_curvature_are_those_of_the_trained_parameters_in_real_numbers(make):
    model = make()
    images, labels = torch.randn(40, 1, 2, 2, dtype=torch.float64), torch.randint(3, (40,))
    loss, outputs, start = loss_of_reals(model, images, labels)
    surface = LossSurface(model, images, labels, nn.functional.cross_entropy, batch_size=16)
    assert surface.dtype == torch.float64
    assert surface.size == len(start) == sum(int(np.prod(shape)) for shape in surface.shapes.values())
    np.testing.assert_array_equal(surface.centre, start)
    point = surface.centre + 0.1 * np.random.default_rng(0).normal(size=surface.size)
    at = torch.from_numpy(point)
    assert surface(point) == pytest.approx(loss(at).item(), rel=1e-12)
    np.testing.assert_allclose(surface.losses_at(np.stack([point, start])), [loss(at).item(), loss(start).item()], rtol=1e-12)
    np.testing.assert_allclose(surface.gradient(point), torch.func.grad(loss)(at), atol=1e-12)
    hessian = torch.autograd.functional.hessian(loss, at).numpy()
    jacobian = torch.autograd.functional.jacobian(outputs, at)
    inner = torch.autograd.functional.hessian(lambda out: nn.functional.cross_entropy(out, labels), outputs(at))
    gauss_newton = torch.einsum("ncp,ncmd,mdq->pq", jacobian, inner, jacobian).numpy()
    vector = np.random.default_rng(1).normal(size=surface.size)
    np.testing.assert_allclose(hessian_product(surface, point)(vector), hessian @ vector, atol=1e-11)
    np.testing.assert_allclose(gauss_newton_product(surface, point)(vector), gauss_newton @ vector, atol=1e-11)


def test_a_copy_of_a_surface_of_complex_parameters_has_its_own_weights():
    model = complex_network()
    images, labels = torch.randn(40, 1, 2, 2, dtype=torch.float64), torch.randint(3, (40,))
    surface = LossSurface(model, images, labels, nn.functional.cross_entropy)
    expected = surface(surface.centre)
    other = surface.copy()
    other.set_weights(np.zeros(surface.size))
    assert surface(surface.centre) == other(surface.centre) == expected
    surface.set_weights(surface.centre)
    other.set_weights(np.zeros(surface.size))
    assert nn.functional.cross_entropy(surface.network(images), labels).item() == pytest.approx(expected)


def test_a_network_whose_parameters_are_all_frozen_has_no_landscape():
    images, labels = torch.randn(4, 1, 2, 2), torch.randint(3, (4,))
    with pytest.raises(ConfigError, match="all parameters of the network are frozen, so it has no landscape"):
        LossSurface(half_frozen().requires_grad_(False), images, labels, nn.functional.cross_entropy)
