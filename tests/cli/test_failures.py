"""Errors as one sentence."""

from __future__ import annotations

import errno
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_dense_ssl.cli.failures import sentence
from napari_dense_ssl.core.errors import VolumeError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    crop: int = Field(96, ge=32)


class Outer(BaseModel):
    sampler: Inner = Inner()
    kind: Literal["a", "b"] = "a"


def _finding(**values: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return caught.value


def test_own_errors_become_one_line() -> None:
    assert sentence(VolumeError("no such\n  path")) == "no such path."


def test_a_value_out_of_limits_is_named_with_what_was_expected() -> None:
    assert sentence(_finding(sampler={"crop": 5})) == (
        "The setting 'sampler.crop': 5 came, expected: input should be greater than or equal to 32."
    )


def test_several_findings_are_one_sentence() -> None:
    text = sentence(_finding(sampler={"crop": "x", "size": 3}, kind="c"))
    assert text.count(".") == text.count("sampler.") + 1
    assert "The setting 'sampler.size' is unknown" in text
    assert "'c' came, expected: input should be 'a' or 'b'" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "may write to"),
        (errno.EIO, "check the path and the disk"),
    ],
)
def test_the_systems_refusals_get_advice(number: int, part: str) -> None:
    text = sentence(OSError(number, "some reason", "/some/path"))
    assert text.startswith("The system refused /some/path: some reason; ")
    assert part in text
