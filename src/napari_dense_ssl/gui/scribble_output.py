"""A segmentation to disk from the Scribble dock, its layers and its counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_dense_ssl.core.events import Event, Noted, Started, Step
from napari_dense_ssl.core.geometry import Box, VoxelSize
from napari_dense_ssl.gui.job import Outcome
from napari_dense_ssl.gui.layers import LayerSource
from napari_dense_ssl.gui.remember import add_recent
from napari_dense_ssl.gui.scribble_jobs import applied
from napari_dense_ssl.gui.scribble_layers import add_whole
from napari_dense_ssl.gui.whole import ask_where, room_for
from napari_dense_ssl.predict.label_counts import LabelCounts

if TYPE_CHECKING:
    from napari_dense_ssl.gui.scribble_dock import ScribbleDock


class ScribbleOutput:
    """Segments the region, or all, in the dock's job, and counts the result by slice.

    Parameters
    ----------
    dock : ScribbleDock

    Attributes
    ----------
    counts : LabelCounts
        Of what was segmented last.
    """

    def __init__(self, dock: ScribbleDock) -> None:
        self.dock = dock
        self.counts = LabelCounts()
        self._voxel_size: VoxelSize | None = None
        dock.apply_button.clicked.connect(self.apply)
        dock.table.save_button.clicked.connect(self._save_table)

    def apply(self) -> None:
        """Segment the region, or the whole volume, into an OME-Zarr; go on where one is unfinished."""

        def prepare() -> tuple[LayerSource, Any, Box | None]:
            source, layer = self.dock.chosen()
            from napari_dense_ssl.predict.scribbles import Scribbles

            return source, Scribbles.of(*layer.data.places()), self.dock.region.box(self.dock.layer.layer())

        begun = self.dock.attempt("Segmenting", prepare)
        if begun is None:
            return
        source, scribbles, region = begun
        run = self.dock.run_path()
        out = ask_where(self.dock, Path(run) / f"{source.name} segmentation.zarr")
        if out is None:
            return
        keeper, device, settings = self.dock.keeper, self.dock.device.kind(), self.dock.settings()
        found: dict[str, Any] = {}
        facts = self.dock.labels.facts([int(k) for k in scribbles.ids])
        counts = LabelCounts()
        shape = source.shape if region is None else region.shape
        room = "" if out.exists() else room_for(out, shape, ("classes",))

        def happened(event: Event) -> None:
            match event:
                case Started(details=details):
                    done = details.get("done_before", 0)
                    before = f" {done} of {event.total} blocks were there already." if done else ""
                    self.dock.status.setText(
                        f"Writing {out}.{before} {room} It may be stopped, and gone on with later."
                    )
                case Step():
                    self.dock.progress.advance(event)
                case Noted(message=message):
                    self.dock.status.setText(message)
                case _:
                    pass

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.FINISHED:
                self.counts, self._voxel_size = counts, source.voxel_size
                self.dock.table.set_whole(counts.total, source.voxel_size)
                add_whole(self.dock.viewer, found, source, run, out, self.dock.labels)
                self.dock.progress.finish("done")
                self.dock.status.setText(f"The segmentation is in {out}.")
                add_recent("runs", self.dock.run_field.path())
            else:
                failed = outcome is Outcome.FAILED
                self.dock.progress.finish("failed" if failed else "stopped")
                text = f"Stopped. Choose {out} again under Segment to disk to go on with it."
                self.dock.status.setText(
                    self.dock.job.message if failed and self.dock.job is not None else text
                )
            self.dock.update_buttons()

        self.dock.progress.begin("starting …")
        self.dock.run(
            "Segmenting the volume",
            lambda: applied(
                keeper, source, run, device, settings, scribbles, region, out, found, counts, facts
            ),
            happened=happened,
            ended=ended,
            source=source.identity,
        )

    def _save_table(self) -> None:
        suggestion = str(Path(self.dock.run_path() or Path.home()) / "label counts.csv")
        text, _ = QFileDialog.getSaveFileName(
            self.dock, "Counts of each label in each slice", suggestion, "CSV (*.csv)"
        )
        if text:
            place = Path(text if text.endswith(".csv") else f"{text}.csv")
            made = self.dock.attempt(
                "Saving the table", lambda: self.counts.write(place, self._voxel_size, self.dock.labels.name)
            )
            if made is not None:
                self.dock.status.setText(f"The counts are in {made}.")
