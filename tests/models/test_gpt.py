"""The decoder: causal, as large as its formula says, and GPT-2 itself with GPT-2's weights."""

import math

import pytest
import torch
from torch import nn

from anodiff import models
from anodiff.errors import ConfigError
from anodiff.models.fitting import fit

SMALL = {"depth": 2, "width": 12, "heads": 3}
TEXT = {"vocabulary": 17, "context": 9}


def network(data=TEXT, **options):
    torch.manual_seed(0)
    return models.build("gpt", **data, **SMALL | options)


def tokens(count=4, vocabulary=17, context=9):
    return torch.randint(vocabulary, (count, context), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("depth", "width", "heads"), [(1, 4, 1), (3, 12, 3), (2, 32, 4)])
def test_the_number_of_parameters_has_its_closed_form(depth, width, heads, tied):
    built = models.build("gpt", vocabulary=50, context=20, depth=depth, width=width, heads=heads, tied=tied)
    expected = 50 * width + 20 * width + depth * (12 * width**2 + 13 * width) + 2 * width
    assert models.count_parameters(built) == expected + (0 if tied else 50 * width)


def test_gpt_2_small_has_its_124_million_parameters():
    with torch.device("meta"):
        built = models.build("gpt", vocabulary=50_257, context=1024, depth=12, width=768, heads=12)
    assert models.count_parameters(built) == 124_439_808


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_of_each_token_and_depend_on_no_later_one(tied):
    model, given = network(tied=tied).double().eval(), tokens()
    before = model(given)
    assert before.shape == (4, 17, 9)
    changed = given.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 17
    after = model(changed)
    assert torch.equal(before[:, :, :5], after[:, :, :5])
    assert not torch.isclose(before[:, :, 5:], after[:, :, 5:]).all(1).any()


def test_a_shorter_text_has_the_first_of_the_logits():
    model, given = network().double().eval(), tokens()
    torch.testing.assert_close(model(given[:, :4]), model(given)[:, :, :4])


def test_at_the_beginning_all_tokens_are_about_equally_likely():
    given = tokens(64)
    loss = nn.functional.cross_entropy(network()(given[:, :-1]), given[:, 1:])
    assert loss.item() == pytest.approx(math.log(17), abs=0.05)


def test_it_is_gpt_2_with_the_same_weights():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=17, n_positions=9, n_embd=12, n_layer=2, n_head=3, resid_pdrop=0, embd_pdrop=0)
    theirs = transformers.GPT2LMHeadModel(config).double().eval()
    ours = network().double().eval()
    names = {
        "attention.norm": "ln_1", "attention.queries_keys_values": "attn.c_attn", "attention.output": "attn.c_proj",
        "mlp.norm": "ln_2", "mlp.hidden": "mlp.c_fc", "mlp.output": "mlp.c_proj",
    }  # fmt: skip
    copied = {"transformer.wte.weight": ours.embedding.weight, "transformer.wpe.weight": ours.positions}
    copied |= {f"transformer.ln_f.{kind}": getattr(ours.norm, kind) for kind in ("weight", "bias")}
    for block in range(2):
        for mine, other in names.items():
            layer = ours.get_submodule(f"blocks.{block}.{mine}")
            nn.init.normal_(layer.bias)
            copied[f"transformer.h.{block}.{other}.bias"] = layer.bias
            copied[f"transformer.h.{block}.{other}.weight"] = layer.weight.T if layer.weight.ndim == 2 else layer.weight
    missing = theirs.load_state_dict(copied, strict=False)
    assert missing.missing_keys == ["lm_head.weight"]  # which is the embedding's
    given = tokens()
    torch.testing.assert_close(ours(given).transpose(1, 2), theirs(given).logits)


def test_dropout_is_for_training_alone():
    model, given = network(dropout=0.5), tokens()
    assert not torch.equal(model(given), model(given))
    model.eval()
    assert torch.equal(model(given), model(given))


def test_the_initial_weights_are_those_of_gpt_2():
    model = models.build("gpt", **TEXT, depth=8, width=64, heads=4)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            expected = 0.02 / 4 if "output" in name else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.1), name
        else:
            assert set(parameter.unique().tolist()) == {1.0 if "norm.weight" in name else 0.0}, name


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("mlp", TEXT, "takes images, not blocks of 9 tokens"),
        ("gpt", {"channels": 1, "size": 8, "classes": 10}, "takes tokens, not images of 1 x 8 x 8"),
        ("gpt", {"vocabulary": 17}, "or vocabulary and context for text; got vocabulary"),
        ("gpt", {}, "or vocabulary and context for text; got none"),
        ("gpt", {**TEXT, "classes": 2}, "or vocabulary and context for text"),
        ("gpt", {**TEXT, "context": 0}, "context must be at least 1, got 0"),
        ("torchvision:resnet18", TEXT, "takes images, not blocks of 9 tokens"),
    ],
)
def test_networks_for_other_samples_are_refused(name, data, expected):
    with pytest.raises(ConfigError, match=expected):
        models.build(name, **data)


# Networks from elsewhere


class Recurrent(nn.Module):
    """Tokens to logits (B, T, vocabulary), as most networks for text return them."""

    def __init__(self, vocabulary, returned=lambda logits: logits):
        super().__init__()
        self.embedding, self.layer = nn.Embedding(vocabulary, 5), nn.GRU(5, 6, batch_first=True)
        self.output, self.returned = nn.Linear(6, vocabulary), returned

    def forward(self, given):
        return self.returned(self.output(self.layer(self.embedding(given))[0]))


@pytest.mark.parametrize("context", [9, 17], ids=["", "a context as long as the vocabulary"])
@pytest.mark.parametrize("returned", [lambda x: x, lambda x: {"loss": None, "logits": x}, lambda x: (x, x[:, 0])])
def test_logits_with_the_vocabulary_last_are_turned(context, returned):
    torch.manual_seed(0)
    model = Recurrent(17, returned)
    given = tokens(context=context)
    plain = model.output(model.layer(model.embedding(given))[0])
    fitted = fit("mine:net", model, vocabulary=17, context=context)
    torch.testing.assert_close(fitted(given), plain.transpose(1, 2))


@pytest.mark.parametrize("context", [9, 17])
def test_logits_with_the_vocabulary_first_stay(context):
    torch.manual_seed(0)
    fitted = fit("mine:net", Recurrent(17, lambda logits: logits.transpose(1, 2)), vocabulary=17, context=context)
    assert not fitted._forward_hooks
    assert fitted(tokens(context=context)[:, :4]).shape == (4, 17, 4)


def test_a_network_of_transformers_fits_as_it_is():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=17, n_positions=9, n_embd=12, n_layer=1, n_head=3)
    fitted = fit("mine:net", transformers.GPT2LMHeadModel(config), vocabulary=17, context=9)
    assert fitted(tokens()).shape == (4, 17, 9)


def test_a_factory_gets_the_sizes_of_the_text(tmp_path, monkeypatch):
    (tmp_path / "mytexts.py").write_text(
        "from torch import nn\n"
        "def net(vocabulary, context, width=4):\n"
        "    return nn.Sequential(nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary))\n"
    )
    monkeypatch.chdir(tmp_path)
    assert models.build("mytexts:net", **TEXT, width=6)(tokens()).shape == (4, 17, 9)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            lambda: Recurrent(16),
            "does not take|must map two blocks of tokens to logits of shape \\(2, 17, 9\\), got \\(2, 9, 16\\)",
        ),
        (lambda: Recurrent(17, lambda logits: logits[:, -1]), "must map two blocks of tokens to logits of shape"),
        (lambda: nn.Linear(9, 17), "does not take blocks of 9 tokens"),
    ],
)
def test_networks_that_do_not_fit_a_text_are_refused_in_one_line(model, expected):
    with pytest.raises(ConfigError, match=expected) as caught:
        fit("mine:net", model(), vocabulary=17, context=9)
    assert "\n" not in str(caught.value)
