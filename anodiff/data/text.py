"""On which tokens is a language model trained and tested? Text files, or text that ships with Python, in blocks.

A token is a byte, or what a file of the package ``tokenizers`` makes of the text. The last part of
the tokens is the test set, the rest the training set. Each part is cut into blocks of T + 1 tokens:
the first T are a sample, the last T its labels. Tokens that are left over at the end of a part are
in no block.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError, DatasetMissingError, quoted, reason_of
from anodiff.settings.data import TEST_FRACTION, DataSettings

#: Tokens of a vocabulary of bytes.
BYTES = 256


@dataclass(frozen=True, eq=False)
class Text:
    """Blocks of tokens, uint8 for bytes or int32, shape (N, T + 1), and what they are made of.

    Attributes
    ----------
    vocabulary
        How many different tokens there can be.
    origin
        Where the text is from, its bytes, and the SHA-256 of its tokens: what a run's provenance holds.
    """

    train: np.ndarray
    test: np.ndarray
    vocabulary: int
    origin: dict[str, Any]


def read_text(settings: DataSettings, root: Path, context: int) -> Text:
    """Read text, make tokens of it, split them and cut them into blocks.

    Raises
    ------
    DatasetMissingError
        If a file is missing or unreadable, or no file fits a pattern.
    ConfigError
        If a part is shorter than a block, the text is not UTF-8, or the tokenizer cannot be used.
    """
    content, source = (library_text(), "pydoc_data.topics") if settings.files is None else _read_files(settings.files, root)
    tokens: np.ndarray
    if settings.tokenizer is None:
        tokens, vocabulary = np.frombuffer(content, dtype=np.uint8), BYTES
    else:
        tokens, vocabulary = _tokenized(content, root / settings.tokenizer, settings.tokenizer)
    split = split_at(len(tokens), settings.test_fraction or TEST_FRACTION)
    parts = {"training": tokens[:split], "test": tokens[split:]}
    for name, part in parts.items():
        if len(part) <= context:
            raise ConfigError(
                f"text: its {name} part has {len(part):,} of {len(tokens):,} tokens, and a block takes {context + 1:,}; "
                "give more text, set a smaller model.context, or another data.test_fraction"
            )
    stride = settings.stride or context + 1
    origin = {"text": source, "bytes": len(content), "tokens": len(tokens), "sha256": _digest(tokens)}
    train, test = (blocks(part, context, stride) for part in parts.values())
    return Text(train, test, vocabulary, origin)


def library_text() -> bytes:
    """Return the help texts about Python's language that ship with Python, in the order of their topics.

    They are the language reference: 0.46 MB in Python 3.11, other bytes in other versions.

    Raises
    ------
    DatasetMissingError
        If this Python lacks them.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise DatasetMissingError(
            "text: this Python has no module pydoc_data.topics, the default text; set data.files to files of your own"
        ) from None
    return "\n".join(topics[name] for name in sorted(topics)).encode()


def split_at(tokens: int, test_fraction: float) -> int:
    """Return the number of training tokens; the others, round(fraction · tokens), are the test set."""
    return tokens - round(test_fraction * tokens)


def count_blocks(tokens: int, context: int, stride: int) -> int:
    """Return how many blocks of ``context`` + 1 tokens there are, one beginning at every ``stride``-th token.

    Examples
    --------
    >>> count_blocks(10, context=3, stride=4), count_blocks(10, context=3, stride=3), count_blocks(3, 3, 4)
    (2, 3, 0)
    """
    return max(0, (tokens - context - 1) // stride + 1)


def blocks(tokens: np.ndarray, context: int, stride: int) -> np.ndarray:
    """Return the blocks (N, context + 1) of tokens (L,); they are views."""
    return np.lib.stride_tricks.sliding_window_view(tokens, context + 1)[::stride]


def _read_files(patterns: list[str], root: Path) -> tuple[bytes, str]:
    """Return the content of all files one after another, each file once: pattern by pattern, sorted within one."""
    files: dict[Path, None] = {}
    for pattern in patterns:
        try:
            named = root / pattern  # whose name may have brackets
            found = [named] if named.is_file() else sorted(path for path in root.glob(pattern) if path.is_file())
        except (ValueError, NotImplementedError, OSError) as error:
            raise ConfigError(f"data.files: {quoted(pattern)} is no pattern: {reason_of(error)}") from None
        if not found:
            raise DatasetMissingError(f"text: no file {quoted(pattern)} in {root}; give files or patterns below the data root")
        files |= dict.fromkeys(found)
    parts = []
    for path in files:
        try:
            parts.append(path.read_bytes())
        except OSError as error:
            raise DatasetMissingError(f"text: {path} cannot be read: {reason_of(error)}") from None
    return b"".join(parts), ", ".join(str(path.relative_to(root)) for path in list(files)[:10])


def _tokenized(content: bytes, path: Path, name: str) -> tuple[NDArray[np.int32], int]:
    """Return what a file of ``tokenizers`` makes of the text, without added special tokens, and its vocabulary."""
    try:
        import tokenizers
    except ImportError:
        raise ConfigError(
            "data.tokenizer needs the package tokenizers; install it: pip install 'anodiff[text]', or leave it out for bytes"
        ) from None
    if not path.is_file():
        raise DatasetMissingError(f"text: no tokenizer {quoted(name)} in {path.parent}; it is the JSON file of tokenizers")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare exceptions
        raise ConfigError(f"{path}: no tokenizer of the package tokenizers: {reason_of(error)}") from None
    tokenizer.no_truncation()  # which a file may ask for, as it may for padding
    tokenizer.no_padding()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"text: not UTF-8 at byte {error.start:,}, which a tokenizer needs; leave it out for bytes") from None
    found = np.array(tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int32)
    largest = int(found.max(initial=-1)) + 1
    return found, max(tokenizer.get_vocab_size(with_added_tokens=True), largest)


def _digest(tokens: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(tokens).tobytes()).hexdigest()
