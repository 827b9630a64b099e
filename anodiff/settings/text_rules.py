"""Do the data of a run fit its network and its training? Networks for images see no text, and the other way round."""

from __future__ import annotations

from anodiff.errors import quoted
from anodiff.settings.data import DataSettings
from anodiff.settings.model import ModelSettings
from anodiff.settings.networks import IMAGES, TEXT, samples_of
from anodiff.settings.training import TrainingSettings


def problem_with_samples(data: DataSettings, model: ModelSettings, training: TrainingSettings) -> str | None:
    """Return what does not fit, and what to write instead; None if all does."""
    taken = samples_of(model.name)
    if data.is_text and taken == IMAGES:
        return f"model {quoted(model.name)} takes images, and data: text are tokens; set model: gpt, or other data"
    if not data.is_text and taken == TEXT:
        return f"model {quoted(model.name)} takes tokens, and data: {data.name} are images; set data: text, or another model"
    if not data.is_text and model.context is not None:
        return f"'model.context' is for text, and data: {data.name} are images; leave it out"
    if training.accumulation > training.batch_size:
        return (
            f"training.accumulation: {training.accumulation} micro-batches of {training.batch_size} samples, the "
            "training.batch_size of a step; set at most as many"
        )
    if not data.is_text:
        return None
    if training.loss != "cross_entropy":
        return f"training.loss: {training.loss} compares classes of images; for text it is cross_entropy"
    return "training.channels_last is for images, not for text; leave it out" if training.channels_last else None
