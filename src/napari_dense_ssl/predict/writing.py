"""Blocks of maps, and the threads that bring them to disk while the next are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dense_ssl.core.errors import OutputError
from napari_dense_ssl.core.events import Beat
from napari_dense_ssl.core.geometry import Box
from napari_dense_ssl.predict.flight import PlanePart
from napari_dense_ssl.volume import Output

_WRITERS = 2


class Block:
    """The maps of one block, (..., Z, Y, X), while its tiles come in."""

    def __init__(self, key: str, box: Box) -> None:
        self.key, self.box = key, box
        self.maps: dict[str, NDArray[Any]] = {}
        self._missing = box.size

    @property
    def whole(self) -> bool:
        """Whether all tiles have come."""
        return self._missing == 0

    def add(self, part: PlanePart) -> None:
        """Put a tile in its place."""
        for name in ("classes", "confidence", "error", "embedding"):
            values = getattr(part, name)
            if values is None:
                continue
            if name not in self.maps:
                self.maps[name] = np.zeros((*values.shape[:-2], *self.box.shape), values.dtype)
            (z, y0, x0), (_, y1, x1) = part.box.start, part.box.stop
            first, top, left = self.box.start
            self.maps[name][..., z - first, y0 - top : y1 - top, x0 - left : x1 - left] = values
        self._missing -= part.box.size


class Writer:
    """Writes blocks in the background and enters them into the manifest once they are on disk.

    Parameters
    ----------
    output : Output
    mark : bool
        Whether to enter them; where several processes write, one alone does.
    """

    def __init__(self, output: Output, *, mark: bool = True) -> None:
        self._output, self._marks = output, mark
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="write-behind")
        self._pending: deque[tuple[Block, Future[None]]] = deque()

    def write(self, block: Block) -> Iterator[int]:
        """Begin to write a block; yield the sizes of blocks that are done, waiting where too many are not."""
        self._pending.append((block, self._pool.submit(self._store, block)))
        while self._pending and (len(self._pending) > 2 * _WRITERS or self._pending[0][1].done()):
            yield self._settle()

    def rest(self) -> Iterator[int]:
        """Wait for all blocks; yield their sizes."""
        while self._pending:
            yield self._settle()

    def close(self) -> None:
        """Wait for what is being written, enter what succeeded, drop the rest."""
        for _, future in self._pending:
            future.cancel()
        wait([future for _, future in self._pending])
        for block, future in self._pending:
            if not future.cancelled() and future.exception() is None:
                # What cannot be entered now is computed again on resuming; an error on the way out
                # would hide the one that ended the job.
                with suppress(OutputError):
                    self._mark(block)
        self._pending.clear()
        self._pool.shutdown()

    def _settle(self) -> int:
        block, future = self._pending.popleft()
        future.result()
        self._mark(block)
        return block.box.size

    def _mark(self, block: Block) -> None:
        if self._marks:
            self._output.mark(block.key)

    def _store(self, block: Block) -> None:
        image = block.maps[self._output.image_name]
        self._output.write("image", block.box, image.astype(np.float16))
        (label,) = self._output.labels
        self._output.write(label, block.box, block.maps["classes"])
        if "embedding" in block.maps:
            self._output.write("embedding", block.box, block.maps["embedding"])


def beats_while(task: Callable[[], None]) -> Iterator[Beat]:
    """Run something long in a thread, with a :class:`Beat` every tenth of a second; its errors are raised."""
    with ThreadPoolExecutor(1, thread_name_prefix="finish") as pool:
        future = pool.submit(task)
        while wait([future], timeout=0.1).not_done:
            yield Beat()
        future.result()
