"""Samples in batches give what they give as one batch: the loss, its derivatives, the statistics."""

import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from anodiff import models
from anodiff.errors import ConfigError
from anodiff.landscape import LossSurface, gauss_newton_product, hessian_product
from anodiff.training.recorded import batch_norm_statistics as statistics

CLASSES, SAMPLES = 4, 50  # batches of 16 leave one of 2


def samples(kind="classes"):
    random = torch.Generator().manual_seed(0)
    images = torch.randn(SAMPLES, 6, generator=random)
    labels = torch.randint(CLASSES, (SAMPLES,), generator=random)
    if kind == "ignored":
        labels[3:40] = 1  # nothing counts in the second batch
    if kind == "values":
        labels = torch.rand(SAMPLES, CLASSES, generator=random)
    return images, labels


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, CLASSES))


def focal(outputs, labels):
    """A criterion of one's own, weighted by samples."""
    chance = F.cross_entropy(outputs, labels, reduction="none")
    return ((1 - (-chance).exp()) ** 2 * chance).mean()


def of_hard_samples(outputs, labels):
    """No mean over samples at all: the mean of the larger half."""
    losses = F.cross_entropy(outputs, labels, reduction="none")
    return losses.topk(len(losses) // 2).values.mean()


WEIGHTS = torch.tensor([0.1, 3.0, 0.5, 1.0])
CRITERIA = {
    "mean": (F.cross_entropy, "classes"),
    "class weights": (nn.CrossEntropyLoss(weight=WEIGHTS), "classes"),
    "class weights of a function": (functools.partial(F.cross_entropy, weight=WEIGHTS), "classes"),
    "ignored labels": (nn.CrossEntropyLoss(ignore_index=1), "ignored"),
    "smoothed": (nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1), "classes"),
    "sum": (nn.CrossEntropyLoss(reduction="sum"), "classes"),
    "sum of a function": (functools.partial(F.cross_entropy, reduction="sum"), "classes"),
    "squares": (nn.MSELoss(), "values"),
    "probabilities": (nn.BCEWithLogitsLoss(pos_weight=WEIGHTS), "values"),
    "divergence": (lambda outputs, labels: (labels * (labels.log() - outputs.log_softmax(1))).sum() / len(outputs), "values"),
    "one's own": (focal, "classes"),
    "no mean over samples": (of_hard_samples, "classes"),
}


@pytest.mark.parametrize("name", CRITERIA)
def test_the_loss_and_its_derivatives_are_those_of_one_batch(name):
    criterion, kind = CRITERIA[name]
    whole, parts = (LossSurface(network(), *samples(kind), criterion, batch_size=size) for size in (SAMPLES, 16))
    point = whole.centre + 0.1
    vector = np.random.default_rng(0).normal(size=whole.size)
    close = functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-5)
    assert np.isfinite(whole(point))
    close(parts(point), whole(point))
    close(parts.gradient(point), whole.gradient(point))
    close(parts.losses_at(point[None]), whole(point))
    for product in (hessian_product, gauss_newton_product):
        close(product(parts, point)(vector), product(whole, point)(vector))


def test_a_criterion_of_many_numbers_is_refused():
    with pytest.raises(ConfigError, match=r"the criterion returns shape \(50,\); expected one number"):
        LossSurface(network(), *samples(), nn.CrossEntropyLoss(reduction="none"), batch_size=16)


def normalised_networks():
    random = torch.Generator().manual_seed(2)
    images = torch.randn(41, 3, 8, 8, generator=random) * 2 + 1  # batches of 8 leave one sample
    torch.manual_seed(3)
    yield "resnet", models.build("resnet8", channels=3, size=8, classes=4, width=4), images
    yield "densenet", models.build("densenet10", channels=3, size=8, classes=4), images
    yield "mlp", models.build("mlp3", channels=3, size=8, classes=4, batch_norm=True), images
    instance = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True), nn.Flatten(), nn.Linear(144, 4)
    )
    yield "instance norm", instance, images


@pytest.mark.parametrize(("name", "model", "images"), [pytest.param(*each, id=each[0]) for each in normalised_networks()])
def test_statistics_of_batches_are_those_of_one_batch(name, model, images, monkeypatch):
    model = model.double().eval()
    images = images.double()
    layers = [layer for layer in model.modules() if getattr(layer, "track_running_stats", False)]
    assert layers

    def estimated(batches):
        statistics.estimate_statistics(model, batches)
        assert not any(layer.training for layer in layers)
        return torch.cat([torch.cat([layer.running_mean, layer.running_var]) for layer in layers])

    momenta = [layer.momentum for layer in layers]
    together = estimated(images.split(8))
    monkeypatch.setattr(statistics, "ONE_PASS", 0)
    torch.testing.assert_close(estimated(images.split(8)), together, rtol=1e-12, atol=1e-12)
    if name != "instance norm":
        torch.optim.swa_utils.update_bn([images], model.train())
        slow = torch.cat([torch.cat([layer.running_mean, layer.running_var]) for layer in layers])
        torch.testing.assert_close(together, slow, rtol=1e-12, atol=1e-12)
    assert [layer.momentum for layer in layers] == momenta


def test_one_sample_left_over_for_a_batch_of_its_own_is_no_trouble_and_one_alone_is_refused():
    torch.manual_seed(3)
    model = models.build("mlp3", channels=1, size=8, classes=4, batch_norm=True)
    images, labels = torch.randn(17, 1, 8, 8), torch.randint(4, (17,))
    surface = LossSurface(model, images, labels, F.cross_entropy, batch_size=16)
    assert np.isfinite(surface.gradient(surface.centre)).all()
    with pytest.raises(ConfigError, match="batch normalisation of one sample with one value to a channel"):
        LossSurface(model, images[:1], labels[:1], F.cross_entropy)
