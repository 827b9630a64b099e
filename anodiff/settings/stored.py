"""Do the settings that a store or a checkpoint holds differ from those that are wanted?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from anodiff.settings.base import dotted
from anodiff.settings.run import RunSettings


def differing_settings(stored: Mapping[str, Any], wanted: RunSettings) -> list[str]:
    """Return what differs, such as ``seed is 0 there and 1 here``.

    A setting that did not exist when ``stored`` was written has its default.
    """
    with suppress(ValidationError):  # otherwise they differ as they are written
        stored = RunSettings.model_validate(stored).model_dump(mode="json")
    there, here = dotted(stored), dotted(wanted.model_dump(mode="json"))
    differing = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    return [f"{key} is {there.get(key)!r} there and {here.get(key)!r} here" for key in differing]
