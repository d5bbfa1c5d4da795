from __future__ import annotations

import errno

import pytest
from pydantic import BaseModel, Field

from napari_dense_ssl.core.errors import DeviceMemoryError, RunError
from napari_dense_ssl.gui.messages import UnexpectedError, explain, report


class Model(BaseModel):
    count: int = Field(1, ge=1)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def invalid() -> Exception:
    try:
        Model(count=0)
    except ValueError as error:
        return error
    raise AssertionError


OUT_OF_MEMORY = type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RunError("There is no run."), "There is no run."),
        (DeviceMemoryError("Too much."), "Too much."),
        (OUT_OF_MEMORY, "The device ran out of memory."),
        (caused(UnexpectedError("x"), OUT_OF_MEMORY), "The device ran out of memory."),
        (MemoryError(), "The computer's memory is full."),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/run"),
            "No space is left on the disk for /data/run.",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/data/run"), "No permission to use /data/run."),
        (invalid(), "count: Input should be greater than or equal to 1 (came: 0)"),
        (caused(ValueError("y"), RunError("Deep down.")), "Deep down."),
    ],
)
def test_what_a_user_can_mend_is_said(error, said, errors):
    assert said in explain(error)
    assert said in report(error, "Training")
    assert said in errors()[0]


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("x"), OSError(errno.EIO, "Input/output error")]
)
def test_anything_else_is_a_bug(error, errors):
    assert explain(error) is None
    assert report(error, "Training").startswith("Training stopped on a bug")
    assert "report it" in errors()[0]
