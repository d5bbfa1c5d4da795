"""The encoder as other tools run it: a TorchScript module from normalised pixels to logits."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.model.encoder import DenseEncoder
from napari_dense_ssl.share.package import TOLERANCE

_SMALLEST = 4
"""Least input in total strides: the coarsest maps must hold 4 pixels for 7 x 7 kernels to reflect."""


class SharedNetwork(nn.Module):
    """Logits (B, K, Y, X) of normalised images (B, C, Y, X), C neighbouring slices; NaN is the mean."""

    def __init__(self, encoder: DenseEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        """Encode images whose heights and widths are multiples of the encoder's total stride."""
        logits: Tensor = self.encoder(images.nan_to_num(nan=0.0))[0]
        return logits.contiguous()


def same_answers(one: NDArray[np.float32], two: NDArray[np.float32]) -> bool:
    """Whether two sets of logits (B, K, Y, X) are the same but for rounding, of other machines too.

    The classes agree on 999 of 1000 pixels, and no logit differs by more than a thousandth of the greatest.
    """
    near = np.abs(one - two).max() <= TOLERANCE * max(1e-6, float(np.abs(one).max()))
    return bool(near and (one.argmax(1) == two.argmax(1)).mean() >= 1 - TOLERANCE)


def smallest_input(encoder: DenseEncoder) -> int:
    """Return the least height and width of an input, px: something is left when the halo is cut off."""
    widest = 3 * max(encoder.settings.filters, default=0.0) + 2  # a filter must fit to be reflected
    multiple = encoder.multiple
    least = max(_SMALLEST * multiple, 2 * encoder.default_halo + 2 * multiple, widest)
    return int(-(-least // multiple) * multiple)


def write_torchscript(encoder: DenseEncoder, example: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    """Trace an encoder, see that the trace gives the same at another size too, and write it.

    Parameters
    ----------
    encoder : DenseEncoder
        In evaluation mode, on the CPU.
    example : ndarray, shape (C, Y, X)
        Normalised.
    path : Path

    Returns
    -------
    ndarray, shape (K, Y, X)
        The encoder's own logits of the example.

    Raises
    ------
    OutputError
        If the trace gives something else than the encoder, or the file cannot be written.
    """
    network = SharedNetwork(encoder).eval()
    image = torch.from_numpy(np.ascontiguousarray(example))[None]
    step = encoder.multiple
    # Two images of another shape: a size that the trace took for a constant is noticed.
    other = torch.cat([image, image.flip(-1)])[..., : image.shape[-2] - step, :]
    if other.shape[-2] < smallest_input(encoder):
        other = torch.cat([image, image.flip(-1)]).repeat(1, 1, 1, 2)
    with torch.inference_mode():
        wanted, elsewhere = network(image), network(other)
    with warnings.catch_warnings():
        # Told to developers: what is traced is checked below, and TorchScript is what others can run.
        warnings.simplefilter("ignore")
        with torch.no_grad():
            traced = torch.jit.trace(network, image, check_trace=False)  # type: ignore[no-untyped-call]
        memory = io.BytesIO()
        torch.jit.save(traced, memory)
        memory.seek(0)
        again = torch.jit.load(memory)  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        found, found_elsewhere = again(image), again(other)
    for one, two in ((wanted, found), (elsewhere, found_elsewhere)):
        if not same_answers(one.numpy(), two.numpy()):
            raise OutputError(
                f"The TorchScript differs from the network by {float((one - two).abs().max()):.3g} (logits), "
                "so it is not written; please report the run's settings.yaml."
            )
    path.write_bytes(memory.getvalue())
    logits: NDArray[np.float32] = wanted[0].numpy()
    return logits
