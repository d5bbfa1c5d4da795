"""What a person says of a model that they share (no torch here: the docks draw their form from these)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

_NAME = r"^[A-Za-z0-9_+\- ()]+$"

Author = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\\n]+$")]
Tag = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s,]+$")]


class ExportSettings(BaseModel):
    """Who made the model, under which licence it may be used, and whether pixels go with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    license: str = Field(
        "CC-BY-4.0",
        title="Licence",
        description="SPDX identifier of the licence that the model may be used under, such as CC-BY-4.0 (the "
        "default), CC0-1.0, MIT or BSD-3-Clause.",
    )
    name: str | None = Field(
        None,
        min_length=5,
        max_length=128,
        pattern=_NAME,
        title="Name",
        description="What the model is called: letters, digits, blanks and _+-(). None: after the run.",
    )
    description: str | None = Field(
        None,
        max_length=1024,
        title="Description",
        description="One or two sentences; none: recipe, number of classes and pixel size.",
    )
    pixels: bool = Field(
        True,
        title="With pixels",
        description="Take a small crop of the volume (256 px at most) along, as test input and cover; no: "
        "made-up texture, so that nothing of the volume leaves.",
    )
    authors: tuple[Author, ...] = Field(
        (),
        title="Authors",
        description='Who made the model, each as "Name" or "Name (Affiliation)".',
    )
    tags: tuple[Tag, ...] = Field(
        (), title="Tags", description="Words to find it by, besides those that always hold."
    )

    @field_validator("license")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if not value.strip() or len(value.split()) != 1:
            raise ValueError("an SPDX identifier such as CC-BY-4.0")
        return value.strip()
