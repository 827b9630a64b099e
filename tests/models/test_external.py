"""torchvision's networks and the user's factories."""

import sys
import textwrap

import pytest
import torch
from torch import nn

from anodiff import models
from anodiff.errors import ConfigError

MNIST = {"channels": 1, "size": 28, "classes": 10}
CIFAR10 = {"channels": 3, "size": 32, "classes": 10}
SMALL = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module `own_networks` into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "own_networks.py").write_text("from torch import nn\n" + textwrap.dedent(text))

    yield write
    sys.modules.pop("own_networks", None)


def message(name, data=MNIST, **options):
    with pytest.raises(ConfigError) as caught:
        models.build(name, **data, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


# torchvision


@pytest.mark.parametrize("name", [SMALL, "torchvision:squeezenet1_1"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_torchvision_networks_take_any_number_of_channels(name, channels):
    model = models.build(name, channels=channels, size=32, classes=7)
    assert model.training
    assert model(torch.randn(2, channels, 32, 32)).shape == (2, 7)


def test_only_the_first_convolution_is_replaced():
    colour, grey = (
        {key: value.shape for key, value in models.build(SMALL, channels=c, size=32, classes=10).named_parameters()}
        for c in (3, 1)
    )
    changed = {key for key in colour if colour[key] != grey[key]}
    assert changed == {"conv1.0.weight"}
    assert grey["conv1.0.weight"] == (24, 1, 3, 3)
    assert list(colour) == list(grey)


def test_torchvision_options_are_keyword_arguments():
    model = models.build("torchvision:squeezenet1_1", **CIFAR10, dropout=0.25)
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.25]
    assert "unexpected keyword argument 'widht'" in message("torchvision:squeezenet1_1", CIFAR10, widht=2)


def test_an_unknown_torchvision_name_gets_the_nearest():
    assert "did you mean 'torchvision:resnet18'?" in message("torchvision:resnet81")


def test_networks_of_other_tasks_are_not_known():
    assert "no classification network" in message("torchvision:fcn_resnet50")


@pytest.mark.usefixtures("unfit_torchvision")
def test_a_torchvision_for_another_torch_is_said_to_be_one():
    assert "fits this torch: operator torchvision::nms does not exist" in message("torchvision:resnet18")


def test_images_that_a_torchvision_network_cannot_take_are_refused():
    text = message("torchvision:squeezenet1_1", {"channels": 1, "size": 8, "classes": 10})
    assert text.startswith("model 'torchvision:squeezenet1_1' does not take images of 1 x 8 x 8: ")


def test_the_published_initialisation_applies_to_torchvision_networks():
    model = models.build(SMALL, **MNIST, initialisation="kaiming")
    assert model.fc.weight.std().item() == pytest.approx(1e-3, rel=0.05)


# Factories


def test_a_factory_gets_the_data_set_and_the_options(module):
    module(
        """
        def grow(channels, size, classes, *, hidden=3):
            return nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, hidden), nn.Linear(hidden, classes))
        """
    )
    model = models.build("own_networks:grow", **MNIST, hidden=5)
    assert models.count_parameters(model) == 784 * 5 + 5 + 5 * 10 + 10


def test_a_factory_gets_only_what_it_has_parameters_for(module):
    module(
        """
        class Own(nn.Sequential):
            def __init__(self, classes):
                super().__init__(nn.Flatten(), nn.Linear(784, classes))
        """
    )
    assert type(models.build("own_networks:Own", **MNIST)).__name__ == "Own"


def test_a_factory_of_any_keywords_gets_all(module):
    module(
        """
        def grow(**settings):
            assert settings == {"channels": 1, "size": 28, "classes": 10, "hidden": 5}, settings
            return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        """
    )
    models.build("own_networks:grow", **MNIST, hidden=5)


def test_building_leaves_search_path_mode_and_buffers_as_they_were(module):
    module(
        """
        def grow():
            model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10), nn.Dropout())
            model[1].eval()
            return model
        """
    )
    path = list(sys.path)
    torch.manual_seed(0)
    model = models.build("own_networks:grow", **MNIST)
    after = torch.rand(1)
    assert sys.path == path
    assert [layer.training for layer in model] == [True, False, True, True]
    assert model[1].num_batches_tracked == 0
    torch.manual_seed(0)
    nn.Linear(784, 10)
    assert torch.equal(after, torch.rand(1))


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ("def groww(): pass", {}, "own_networks has no 'grow'; did you mean 'groww'?"),
        ("grow = 3", {}, "grow is not callable but of type int"),
        ("def grow(): return 3", {}, "must return a torch.nn.Module, got int"),
        ("def grow(hidden): pass", {}, "missing a required argument: 'hidden'; set it in model.options"),
        ("def grow(hidden=1): pass", {"hiden": 2}, "takes no option 'hiden'; did you mean 'hidden'?"),
        ("def grow(classes): pass", {"hidden": 2}, "takes no option 'hidden'; it takes none"),
        ("def grow(): return nn.Linear(3, 10)", {}, "does not take images of 1 x 28 x 28"),
        ("def grow(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 2))", {}, "shape (2, 10), got (2, 2)"),
        ("def grow(:", {}, "cannot import own_networks: SyntaxError"),
        (
            "import no_such_module",
            {},
            "cannot import own_networks: ModuleNotFoundError: No module named 'no_such_module'",
        ),
    ],
)
def test_a_wrong_factory_is_reported_in_one_line(module, text, options, wanted):
    module(text)
    assert wanted in message("own_networks:grow", **options)


def test_a_module_that_is_not_there_is_named():
    assert "cannot import no_such_package.networks" in message("no_such_package.networks:grow")


def test_an_exception_in_a_factorys_own_code_is_one_line_that_says_where(module):
    module("def grow(): return {}['missing']")
    assert (
        message("own_networks:grow") == "model 'own_networks:grow': grow failed: KeyError: 'missing' (own_networks.py, line 2)"
    )
