"""Names and options of models, and their errors, without torch."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from anodiff import models
from anodiff.errors import ConfigError
from anodiff.models import FAMILIES

OWN = [key for key, family in FAMILIES.items() if family.options is not None]


def message(name, **options):
    with pytest.raises(ConfigError) as caught:
        models.resolve_model(name, options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_importing_and_checking_does_not_import_torch():
    script = "import sys; from anodiff import models; models.resolve_model('mlp', {}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", models.model_names())
def test_every_listed_name_is_accepted(name):
    models.resolve_model(name, {})


@pytest.mark.parametrize("key", OWN)
def test_the_registry_lists_the_keywords_of_the_builders_and_alone_has_their_defaults(key):
    parameters = inspect.signature(getattr(import_module(f"anodiff.models.{key}"), key)).parameters
    sizes = ["vocabulary", "context"] if FAMILIES[key].samples == "text" else ["channels", "size", "classes"]
    assert list(parameters) == [*sizes, *FAMILIES[key].options]
    assert {parameter.default for parameter in parameters.values()} == {inspect.Parameter.empty}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("resnt14", "resnet14"), ("vg9", "vgg9"), ("vit6", "vit"), ("alexnet5", "alexnet"), ("ResNet14", "resnet14")],
)
def test_an_unknown_name_gets_the_nearest_known_one(name, nearest):
    assert f"did you mean '{nearest}'?" in message(name)


@pytest.mark.parametrize("name", ["", "zzz", "torchvision", "factory", "resnet014", "14"])
def test_a_name_like_no_other_is_refused(name):
    assert message(name).startswith(f"unknown model {name!r}")


@pytest.mark.parametrize("depth", [0, 2, 15, 18, 34])
def test_resnet_depths_are_6n_plus_2(depth):
    assert message(f"resnet{depth}").endswith(("depth must be 6n+2: 14, 20, 32, 44, 56, 110, ...", "at most 65536, got 0"))


def test_vgg_depths_are_those_of_the_table():
    assert "depth must be one of 9, 11, 13, 16, 19" in message("vgg10")


def test_densenet_depths_follow_the_layers_per_block():
    assert "depth must be 3n+4" in message("densenet41")
    models.resolve_model("densenet43", {})
    assert "depth must be 6n+4 with bottlenecks" in message("densenet43", bottleneck=True)


def test_an_unknown_option_gets_the_nearest_and_all_that_are_taken():
    text = message("resnet14", widht=8)
    assert "takes no option 'widht'" in text
    assert "did you mean 'width'?" in text
    assert "It takes depth, width, shortcut, projection, batch_norm" in text
    assert "it takes depth, width, batch_norm, bias" in message("mlp", heads=2)


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("resnet14", {"width": "wide"}, "width must be a whole number, at least 1 and at most 65536, got 'wide'"),
        ("resnet14", {"width": 0}, "width must be a whole number, at least 1 and at most 65536, got 0"),
        ("resnet14", {"width": True}, "width must be a whole number"),
        ("resnet14", {"shortcut": 0}, "shortcut must be true or false, got 0"),
        ("alexnet", {"dropout": 1.0}, "dropout must be a number, at least 0 and below 1, got 1.0"),
        ("densenet40", {"compression": 1.5}, "compression must be a number, at least 0.01 and at most 1, got 1.5"),
        ("vit", {"width": 100}, "heads must divide width, got heads 8 and width 100"),
    ],
)
def test_an_option_of_the_wrong_kind_or_out_of_bounds_is_refused(name, options, wanted):
    assert wanted in message(name, **options)


def test_the_name_and_the_option_may_not_name_two_depths():
    models.resolve_model("resnet14", {"depth": 14})
    assert "depth is 14 in the name, 20 in the options" in message("resnet14", depth=20)


def test_a_bare_name_takes_its_depth_from_the_option():
    models.resolve_model("resnet", {"depth": 20})
    assert "6n+2" in message("resnet", depth=21)


@pytest.mark.parametrize(
    "name", ["torchvision:", "torchvision:res net", "package.module:", ":factory", "a b:c", "a:b:c", "1a:b"]
)
def test_an_external_name_must_have_one_of_two_forms(name):
    assert "torchvision:<name> or package.module:factory" in message(name)


def test_only_the_syntax_of_an_external_name_is_checked():
    models.resolve_model("torchvision:no_such_network", {"anything": 1})
    models.resolve_model("no_such_package.module:factory", {"anything": 1})


@pytest.mark.parametrize("option", ["channels", "size", "classes"])
def test_what_the_data_set_determines_is_no_option(option):
    assert f"leave option '{option}' out" in message("package.module:factory", **{option: 3})


@pytest.mark.parametrize("option", ["weights", "num_classes", "aux_logits"])
def test_torchvision_networks_start_from_random_weights_with_one_output(option):
    assert f"leave option '{option}' out" in message("torchvision:resnet18", **{option: 1})
