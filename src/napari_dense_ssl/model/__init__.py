"""The network and what surrounds it: encoder, slice predictor, device, run folders.

May import torch, timm and safetensors, and of this project only :mod:`~napari_dense_ssl.core`. Begin
with :mod:`~napari_dense_ssl.model.encoder`. :mod:`~napari_dense_ssl.model.settings` is free of torch,
so that a dock can draw its form before the first job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from napari_dense_ssl.model.device import Device, available_devices, choose_device
    from napari_dense_ssl.model.encoder import DenseEncoder, EncoderOutput
    from napari_dense_ssl.model.run_folder import RunFolder
    from napari_dense_ssl.model.settings import EncoderSettings
    from napari_dense_ssl.model.slice_predictor import SlicePredictor

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "device": ["Device", "available_devices", "choose_device"],
        "encoder": ["DenseEncoder", "EncoderOutput"],
        "run_folder": ["RunFolder"],
        "settings": ["EncoderSettings"],
        "slice_predictor": ["SlicePredictor"],
    },
)

__all__ = [
    "DenseEncoder",
    "Device",
    "EncoderOutput",
    "EncoderSettings",
    "RunFolder",
    "SlicePredictor",
    "available_devices",
    "choose_device",
]
