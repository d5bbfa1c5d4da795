"""Keeps a torch that is imported beside a Mesa window from crashing the process.

Mesa's drivers (software rendering, AMD) load ``libLLVM`` with its symbols visible to all; triton, which
``torch._dynamo`` imports where it is installed, has an LLVM of its own linked in. Loaded after the driver
it finds the driver's symbols in place of its own, and the process ends in a segmentation fault (seen with
torch 2.15, triton in its CUDA build, Mesa llvmpipe). The docks import torch late, after the window, so they
hit this always. Nothing here uses triton: it serves ``torch.compile`` only.
"""

from __future__ import annotations

import sys
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def llvm_is_loaded() -> bool:
    """Whether this process has a shared ``libLLVM``; False where the system cannot tell (not Linux)."""
    try:
        return "/libLLVM" in _MAPS.read_text()
    except OSError:
        return False


def keep_triton_out() -> None:
    """Make ``import triton`` fail as if it were not installed, where loading it would crash; any thread."""
    if "triton" not in sys.modules and llvm_is_loaded():
        sys.modules["triton"] = None  # type: ignore[assignment]  # Python's own way to bar an import
