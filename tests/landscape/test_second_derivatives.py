"""Networks whose operations have no second derivative, or a wrong one: against dense Hessians of the same functions written
out, and against differences of gradients."""

import families
import numpy as np
import pytest
import torch
import torch.utils.checkpoint
from torch import nn

from anodiff.errors import NoValueError
from anodiff.landscape.products import gauss_newton_product, hessian_product
from anodiff.landscape.surface import LossSurface

SHAPE = (1, 4, 3)


def surface_of(network, samples=40, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.randn(samples, 1, 4, 4, generator=generator), torch.randint(3, (samples,), generator=generator)
    return LossSurface(network, images, labels, nn.functional.cross_entropy, dtype=dtype, batch_size=16)


def twice(function):
    return torch.func.jacrev(torch.func.jacrev(function))


def dense(surface, outputs):
    """Hessian and Gauss–Newton matrix of the mean loss of ``outputs``, a function of the flattened weights by name, images."""
    sizes = [int(np.prod(shape)) for shape in surface.shapes.values()]
    images, labels = (torch.cat(parts) for parts in zip(*surface.batches, strict=True))

    def of_point(point):
        parts = point.split(sizes)
        return outputs(
            {name: part.view(shape) for (name, shape), part in zip(surface.shapes.items(), parts, strict=True)}, images
        )

    point = torch.from_numpy(surface.centre)
    hessian = twice(lambda at: nn.functional.cross_entropy(of_point(at), labels))(point)
    jacobian = torch.func.jacrev(of_point)(point)
    inner = twice(lambda at: nn.functional.cross_entropy(at, labels))(of_point(point))
    return hessian.numpy(), torch.einsum("ncp,ncmd,mdq->pq", jacobian, inner, jacobian).numpy()


def written_out(kind):
    """The outputs of a family of networks, of simple operations alone."""

    def sine(weights, images):
        inner = torch.sin(images.flatten(1) @ weights["first.weight"].T + weights["first.bias"])
        return inner @ weights["output.weight"].T + weights["output.bias"]

    def weight_norm(weights, images):
        old = "1.weight_g" in weights
        length = weights["1.weight_g" if old else "1.parametrizations.weight.original0"]
        direction = weights["1.weight_v" if old else "1.parametrizations.weight.original1"]
        first = length * direction / (direction**2).sum(1, keepdim=True).sqrt()
        inner = torch.tanh(images.flatten(1) @ first.T + weights["1.bias"])
        return inner @ weights["3.weight"].T + weights["3.bias"]

    def attention(weights, images):
        tokens = images.transpose(1, 2).flatten(2) @ weights["embedding.weight"].T + weights["embedding.bias"]
        queries, keys, values = (tokens @ weights["heads.weight"].T + weights["heads.bias"]).chunk(3, -1)
        encoded = (queries @ keys.transpose(1, 2) / 8**0.5).softmax(-1) @ values
        return encoded.mean(1) @ weights["output.weight"].T + weights["output.bias"]

    named = {"numpy_function": sine, "weight_norm_of_old": weight_norm}
    return {"sine": sine, "weight_norm": weight_norm, "attention": attention}.get(kind) or named[kind]


class OnceDifferentiable(torch.autograd.Function):
    """A sine that says it has one derivative; asked for a second, torch gives another number without a word."""

    @staticmethod
    def forward(context, values):
        context.save_for_backward(values)
        return values.sin()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient):
        return gradient * context.saved_tensors[0].cos()


class Refusing(OnceDifferentiable):
    """A sine whose backward pass cannot be differentiated, as that of a fused kernel."""

    @staticmethod
    def backward(context, gradient):
        if torch.is_grad_enabled():
            raise NotImplementedError("derivative for sine_backward is not implemented")
        return gradient * context.saved_tensors[0].cos()


class Restless(Refusing):
    """A function without a derivative: its gradient is another one each time."""

    @staticmethod
    def backward(context, gradient):
        return Refusing.backward(context, gradient) * torch.rand(())


def through(function):
    """A network of two layers with this function between them."""

    def forward(self, images):
        return self.output(function.apply(self.first(images.flatten(1))))

    return families.Applied(forward, first=nn.Linear(16, 6), output=nn.Linear(6, 3))


def checkpointed():
    """A network whose activations are computed again for the backward pass, which has no second derivative then."""

    def forward(self, images):
        inner = torch.utils.checkpoint.checkpoint(torch.sin, self.first(images.flatten(1)), use_reentrant=True)
        return self.output(inner)

    return families.Applied(forward, first=nn.Linear(16, 6), output=nn.Linear(6, 3))


NETWORKS = {
    "checkpointed": (checkpointed, "sine", True),
    "once differentiable": (lambda: through(OnceDifferentiable), "sine", True),
    "refusing": (lambda: through(Refusing), "sine", True),
    "NumPy": (lambda: families.FAMILIES["numpy_function"](*SHAPE), "sine", True),
    "weight norm": (lambda: families.FAMILIES["weight_norm"](*SHAPE), "weight_norm", None),
    "old weight norm": (lambda: families.FAMILIES["weight_norm_of_old"](*SHAPE), "weight_norm", None),
    "fused attention": (lambda: families.FAMILIES["attention"](*SHAPE), "attention", False),
}


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # of checkpoints in passes without gradients
@pytest.mark.parametrize("kind", NETWORKS)
def test_products_are_those_of_the_same_function_written_out(kind):
    """Whether by differences depends on the network alone, and is said; of weight norms, on the version of torch."""
    make, same, by_differences = NETWORKS[kind]
    torch.manual_seed(0)
    surface = surface_of(make())
    vector = np.random.default_rng(2).normal(size=surface.size)
    of_hessian, of_gauss_newton = hessian_product(surface), gauss_newton_product(surface)
    for product, matrix in zip((of_hessian, of_gauss_newton), dense(surface, written_out(same)), strict=True):
        expected = matrix @ vector
        np.testing.assert_allclose(product(vector), expected, atol=1e-6 * np.abs(expected).max())
        assert (product.error > 0) == bool(product.reason)
        assert product.error < 1e-6
    if by_differences is not None:
        assert bool(of_hessian.reason) == by_differences


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "name", ["multihead_attention", "transformer_encoder", "recurrent", "spectral_norm", "sparse_embedding"]
)
def test_the_hessian_is_that_of_the_gradients_by_second_derivatives(name, dtype):
    torch.manual_seed(0)
    network = families.FAMILIES[name](*SHAPE)
    surface, exact = surface_of(network, dtype=dtype), surface_of(network)
    vector = np.random.default_rng(2).normal(size=surface.size)
    slope = (exact.gradient(exact.centre + 1e-5 * vector) - exact.gradient(exact.centre - 1e-5 * vector)) / 2e-5
    product = hessian_product(surface)
    assert product.error == 0
    np.testing.assert_allclose(product(vector), slope, atol=(1e-4 if dtype == torch.float32 else 1e-7) * np.abs(slope).max())


def test_a_network_with_kinks_keeps_its_second_derivatives():
    """Differences across a kink are no reason to distrust them."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 400), nn.ReLU(), nn.Linear(400, 3))
    assert hessian_product(surface_of(network, dtype=torch.float32)).error == 0


def test_without_any_derivative_there_is_no_value_and_the_reason():
    torch.manual_seed(0)
    with pytest.raises(NoValueError, match=r"sine_backward is not implemented; and differences of .* do not converge"):
        hessian_product(surface_of(through(Restless)))


@pytest.mark.parametrize("name", ["recurrent", "transformer_encoder", "sparse_embedding", "weight_norm_of_old"])
def test_losses_at_several_points_are_those_at_each(name):
    torch.manual_seed(0)
    surface = surface_of(families.FAMILIES[name](*SHAPE))
    points = surface.centre + 0.1 * np.random.default_rng(0).normal(size=(3, surface.size))
    np.testing.assert_allclose(surface.losses_at(points), [surface(point) for point in points], rtol=1e-9)
