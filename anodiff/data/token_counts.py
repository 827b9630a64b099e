"""How many tokens and blocks does a text have? Nothing heavy is imported, for checks before the first job."""

from __future__ import annotations

from anodiff.errors import DatasetMissingError

#: Tokens of a vocabulary of bytes.
BYTES = 256


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
