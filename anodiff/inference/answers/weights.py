"""How is a trained network kept? Its weights as safetensors in half precision, and a card in JSON.

A safetensors file holds numbers alone, no program (https://github.com/huggingface/safetensors). The
card says what the network is and how it was trained, and holds the digest of the weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from anodiff.errors import ConfigError, StoreDamagedError, StoreFormatError, StoreMissingError, reason_of
from anodiff.inference.answers.calibration import Calibration
from anodiff.inference.networks.build import NAMES, TrackNetwork, build_network
from anodiff.storage.stores import writing_all

#: Version of the card and of the names of the weights.
VERSION = 1

#: What the names of the calibration's numbers begin with.
CALIBRATION = "calibration."


def write_network(
    network: TrackNetwork,
    card: dict[str, Any],
    output: str | Path,
    *,
    calibration: Calibration | None = None,
    overwrite: bool = False,
) -> None:
    """Write weights and calibration to ``output`` and the card next to it, with the ending ``.json``;
    both or neither.

    Raises
    ------
    OutputExistsError, StorageError
    """
    output = Path(output)
    weights_of = {name: _converted(value, torch.float16) for name, value in network.state_dict().items()}
    numbers = calibration.tensors() if calibration else {}
    content = save(weights_of | {CALIBRATION + name: torch.from_numpy(each) for name, each in numbers.items()})
    card = {"version": VERSION, **card, "digest": _digest(content)}
    with writing_all([output, output.with_suffix(".json")], overwrite=overwrite) as temporary:
        weights, text = temporary.values()
        weights.write_bytes(content)
        text.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def shipped_weights(dimensions: int) -> Path:
    """Return the file of the network that anodiff ships for tracks of 1, 2 or 3 dimensions.

    Raises
    ------
    ConfigError
        If it ships none for so many dimensions.
    """
    if dimensions not in (1, 2, 3):
        raise ConfigError(f"tracks of {dimensions} dimensions; anodiff ships networks for 1, 2 and 3")
    return Path(__file__).with_name("shipped") / f"{dimensions}d.safetensors"


def read_network(path: str | Path) -> tuple[TrackNetwork, Calibration | None, dict[str, Any]]:
    """Return a trained network, in single precision on the CPU, ready to use, its calibration if it
    has one, and its card.

    Raises
    ------
    StoreMissingError
        If weights or card are missing.
    StoreDamagedError
        If they are not what was written.
    StoreFormatError
        If the card is of another version or another program.
    """
    path = Path(path)
    try:
        content, text = path.read_bytes(), path.with_suffix(".json").read_bytes()
    except FileNotFoundError as error:
        raise StoreMissingError(f"{error.filename}: no such file; a network needs its weights and its card") from None
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; give the file of a network's weights") from None
    try:
        card = json.loads(text)
    except ValueError as error:
        raise StoreDamagedError(path.with_suffix(".json"), reason=f"not JSON: {error}") from None
    if not isinstance(card, dict) or card.get("version") != VERSION or card.get("network") not in NAMES:
        raise StoreFormatError(
            f"{path.with_suffix('.json')}: not the card of a network of this version of anodiff; train it again"
        )
    if card.get("digest") != _digest(content):
        raise StoreDamagedError(path, reason="its digest is not the card's")
    try:
        tensors = {name: _converted(value, torch.float32) for name, value in load(content).items()}
        network = build_network(card["network"], card["dimensions"], card["settings"])
        network.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(CALIBRATION)})
        numbers = {
            name.removeprefix(CALIBRATION): value.numpy() for name, value in tensors.items() if name.startswith(CALIBRATION)
        }
        calibration = Calibration.from_tensors(numbers) if numbers else None
    except (SafetensorError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise StoreDamagedError(path, reason=f"weights and card do not belong together ({reason_of(error)})") from None
    return network.eval().requires_grad_(False), calibration, card


def _converted(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a copy on the CPU, of another type unless it counts something."""
    return value.detach().cpu().to(dtype if value.is_floating_point() else value.dtype).contiguous()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
