"""Text in blocks of tokens: nothing is lost, nothing of the test set is trained on, and labels are the tokens that follow."""

import builtins
import hashlib

import numpy as np
import pytest
import torch

from anodiff.data import build_augmentation, load
from anodiff.data.text import blocks, count_blocks, library_text, read_text, split_at
from anodiff.errors import ConfigError, DatasetMissingError
from anodiff.settings.data import DataSettings
from anodiff.settings.shapes import Tokens

NOTES = "Brownian motion of a pollen grain, \u03b1 = 1.\n" * 40


def text(**settings):
    return DataSettings(name="text", **settings)


@pytest.fixture
def folder(tmp_path):
    """A data root with text files."""
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "b.txt").write_text("second " * 50)
    (tmp_path / "books" / "a.txt").write_text("first " * 50)
    (tmp_path / "notes.txt").write_text(NOTES, encoding="utf-8")
    return tmp_path


def training_text(dataset):
    """The bytes of the training blocks, one after another, each with its last label."""
    tokens = torch.cat([dataset.train_inputs.long(), dataset.train_labels[:, -1:]], dim=1)
    return bytes(tokens.flatten().tolist())


def test_bytes_make_the_round_trip(folder):
    dataset = load(text(files=["notes.txt"]), folder, context=15)
    whole = NOTES.encode()
    split = split_at(len(whole), 0.1)
    assert training_text(dataset) == whole[: split // 16 * 16]
    assert dataset.train_inputs.dtype == torch.uint8
    assert dataset.shape == Tokens(256, 15)


def test_a_label_is_the_token_that_follows(folder):
    dataset = load(text(files="notes.txt"), folder, context=8)
    for inputs, labels in ((dataset.train_inputs, dataset.train_labels), (dataset.test_inputs, dataset.test_labels)):
        assert inputs.shape == labels.shape
        assert torch.equal(inputs[:, 1:].long(), labels[:, :-1])


@pytest.mark.parametrize("fraction", [None, 0.25, 0.5])
@pytest.mark.parametrize("stride", [None, 1, 3])
def test_the_test_set_is_the_last_part_and_no_block_is_in_both(fraction, stride):
    numbers = np.arange(200, dtype=np.uint8)
    share = fraction or 0.1
    split = split_at(200, share)
    assert 200 - split == round(200 * share)
    read = {part: blocks(each, 7, stride or 8) for part, each in (("train", numbers[:split]), ("test", numbers[split:]))}
    assert read["train"].max() < split <= read["test"].min()
    for part, each in (("train", split), ("test", 200 - split)):
        assert len(read[part]) == count_blocks(each, 7, stride or 8)
        assert np.array_equal(read[part][:, 0] - read[part][0, 0], np.arange(len(read[part])) * (stride or 8))


def test_files_are_read_in_the_order_of_the_patterns_each_once_sorted_within_one(folder):
    found = training_text(load(text(files=["notes.txt", "books/*.txt", "books/b.txt"], test_fraction=0.001), folder, context=1))
    assert (NOTES + "first " * 50 + "second " * 50).encode().startswith(found)
    assert b"second" in found


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    (folder / "a[1].txt").write_text("bracket " * 20)
    assert training_text(load(text(files=["a[1].txt"]), folder, context=7)).startswith(b"bracket ")


def test_the_default_text_ships_with_python_and_its_digest_is_known():
    whole = library_text()
    assert len(whole) > 400_000
    read = read_text(text(), None, 64)
    assert read.origin == {
        "text": "pydoc_data.topics",
        "bytes": len(whole),
        "tokens": len(whole),
        "sha256": hashlib.sha256(whole).hexdigest(),
    }


def test_a_python_without_its_help_texts_is_told_so_in_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pydoc_data.topics", None)
    with pytest.raises(DatasetMissingError, match=r"set data.files to files of your own"):
        library_text()


def test_a_tokenizers_file_makes_the_tokens(folder):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="[?]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator([NOTES], tokenizers.trainers.WordLevelTrainer(special_tokens=["[?]"]))
    tokenizer.enable_truncation(4)  # which must not cut the text
    tokenizer.save(str(folder / "words.json"))
    dataset = load(text(files="notes.txt", tokenizer="words.json"), folder, context=5)
    tokenizer.no_truncation()
    expected = tokenizer.encode(NOTES).ids
    assert dataset.classes == tokenizer.get_vocab_size() == len(set(NOTES.replace(",", " ,").replace("1.", "1 .").split())) + 1
    assert dataset.train_inputs.dtype == torch.int32
    assert dataset.train_inputs[0].tolist() == expected[:5]
    assert dataset.train_labels[0].tolist() == expected[1:6]


def test_tokens_reach_the_network_as_indices_and_nothing_is_drawn(folder):
    settings = text(files="notes.txt")
    dataset = load(settings, folder, context=8)
    prepare, generator = build_augmentation(settings, dataset), torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert torch.equal(prepare(dataset.train_inputs, generator), dataset.train_inputs.long())
    assert torch.equal(generator.get_state(), before)


def test_smaller_subsets_of_blocks_are_in_larger_ones(folder):
    few, more = (load(text(files="notes.txt", train_samples=count), folder, context=8) for count in (5, 20))
    assert {tuple(row) for row in few.train_inputs.tolist()} <= {tuple(row) for row in more.train_inputs.tolist()}
    with pytest.raises(ConfigError, match="train_samples 100000 is more than"):
        load(text(files="notes.txt", train_samples=100_000), folder, context=8)


@pytest.mark.parametrize(
    ("settings", "context", "expected"),
    [
        ({"files": ["missing.txt"]}, 8, "no file 'missing.txt' in"),
        ({"files": ["books"]}, 8, "no file 'books' in"),
        ({"files": ["**x"]}, 8, "'\\*\\*x' is no pattern|no file"),
        ({"files": ["notes.txt"]}, 10_000, "its training part has .* and a block takes 10,001"),
        ({"files": ["notes.txt"], "test_fraction": 0.001}, 8, "its test part has 2 of"),
        ({"files": ["notes.txt"], "tokenizer": "notes.txt"}, 8, "no tokenizer of the package tokenizers"),
        ({"files": ["notes.txt"], "tokenizer": "missing.json"}, 8, "no tokenizer 'missing.json' in"),
        ({"files": ["latin.txt"], "tokenizer": "bytes.json"}, 8, "not UTF-8 at byte 3, which a tokenizer needs"),
        ({"files": ["empty.txt"]}, 8, "its training part has 0 of 0 tokens"),
    ],
    ids=str,
)
def test_text_that_cannot_be_used_is_refused_in_one_line(folder, settings, context, expected):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizers.Tokenizer(tokenizers.models.BPE()).save(str(folder / "bytes.json"))
    (folder / "latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 50)
    (folder / "empty.txt").write_text("")
    with pytest.raises((ConfigError, DatasetMissingError), match=expected) as caught:
        load(text(**settings), folder, context=context)
    assert "\n" not in str(caught.value)


def test_without_the_package_a_tokenizer_is_refused_in_one_line(folder, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'anodiff\[text\]'"):
        load(text(files="notes.txt", tokenizer="words.json"), folder, context=8)
