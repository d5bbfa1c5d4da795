"""Servers on this machine that speak the real protocols, and the same volume in every chunked format."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
import zarr
from numpy.typing import NDArray

VOXEL_NM = {"z": 40.0, "y": 8.0, "x": 8.0}
CHUNK = (4, 16, 16)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, counts requests, and answers with the errors that `server.answers` asks for."""

    server: Any

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        for part, codes in self.server.answers.items():
            if part in self.path and codes:
                self.send_error(codes.pop(0) if isinstance(codes, list) else codes)
                return
        wanted = self.headers.get("Range")
        if wanted is None:
            super().do_GET()
            return
        # What Python's own server lacks, and shards need: a part of a file.
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        values = file.read_bytes()
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else len(values) - int(last)
        stop = min(len(values), int(last) + 1) if first and last else len(values)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(values)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(values[start:stop])


class Web:
    """A plain web server of a folder."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return self._server.paths

    @property
    def answers(self) -> dict[str, Any]:
        """Error codes by a part of the path: one for all requests, or a list for the next ones."""
        return self._server.answers

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def web(folder: Path) -> Iterator[Web]:
    server: Any = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder))
    )
    server.paths, server.answers = [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = Web(server)
    try:
        yield site
    finally:
        site.stop()


def array_of(shape: tuple[int, int, int] = (9, 40, 48)) -> NDArray[np.uint8]:
    """Grey values, none of them 0: a chunk that is missing shows."""
    return np.random.default_rng(3).integers(1, 255, shape, dtype=np.uint8)


def _half(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return array[:, ::2, ::2]


def _ome(path: Path, array: NDArray[np.uint8], version: str) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for level, values in enumerate((array, _half(array))):
        scale = [VOXEL_NM["z"], VOXEL_NM["y"] * 2**level, VOXEL_NM["x"] * 2**level]
        group.create_array(str(level), data=values, chunks=CHUNK)
        transforms = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": [400.0, 80.0, 160.0]},
        ]
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    multiscale = {"axes": axes, "datasets": datasets, "version": version}
    ome = {"multiscales": [multiscale]}
    group.attrs.update({"ome": ome | {"version": "0.5"}} if version == "0.5" else ome)
    labels = group.create_group("labels")
    labels.attrs.update({"ome": {"labels": ["cells"]}} if version == "0.5" else {"labels": ["cells"]})
    cells = labels.create_group("cells")
    cells.create_array("0", data=array, chunks=CHUNK)
    one = {"axes": axes, "datasets": [datasets[0] | {"path": "0"}], "version": version}
    inside: dict[str, Any] = {"multiscales": [one], "image-label": {}}
    cells.attrs.update({"ome": inside} if version == "0.5" else inside)


def _zarr(path: Path, array: NDArray[np.uint8], version: int) -> None:
    node = zarr.create_array(
        str(path), data=array, chunks=CHUNK, zarr_format=version, shards=(8, 32, 32) if version == 3 else None
    )
    node.attrs.update({"resolution": [40, 8, 8], "offset": [400, 80, 160]})


def _n5(path: Path, array: NDArray[np.uint8]) -> None:
    for level, values in enumerate((array, _half(array))):
        target = ts.open(
            {
                "driver": "n5",
                "kvstore": {"driver": "file", "path": f"{path}/s{level}/"},
                "metadata": {
                    "dimensions": list(values.shape[::-1]),
                    "blockSize": list(CHUNK[::-1]),
                    "dataType": "uint8",
                    "compression": {"type": "gzip"},
                },
            },
            create=True,
        ).result()
        target[...] = values.T
        file = path / f"s{level}" / "attributes.json"
        step = 2**level
        more = {
            "transform": {
                "axes": ["z", "y", "x"],
                "units": ["nm"] * 3,
                "scale": [40.0, 8.0 * step, 8.0 * step],
                "translate": [400.0, 80.0, 160.0],
            }
        }
        file.write_text(json.dumps(json.loads(file.read_text()) | more))


def _precomputed(path: Path, array: NDArray[np.uint8]) -> None:
    for level, values in enumerate((array, _half(array))):
        step = 2**level
        target = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{path}/"},
                "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
                "scale_metadata": {
                    "size": list(values.shape[::-1]),
                    "resolution": [8 * step, 8 * step, 40],
                    "voxel_offset": [20 // step, 10 // step, 10],
                    "encoding": "raw",
                    "chunk_size": list(CHUNK[::-1]),
                },
            },
            create=True,
        ).result()
        target[..., 0] = values.T


FORMATS = {
    "OME-Zarr 0.4": functools.partial(_ome, version="0.4"),
    "OME-Zarr 0.5": functools.partial(_ome, version="0.5"),
    "Zarr 2": functools.partial(_zarr, version=2),
    "Zarr 3": functools.partial(_zarr, version=3),
    "N5": _n5,
    "Neuroglancer precomputed": _precomputed,
}
