"""The errors that a user can cause or cure; each message says what came, what was expected, what to do.

The command line answers any :class:`DenseSSLError` with its one sentence and exit status 2, the docks
with a napari notification; anything else is a bug and keeps its traceback.
"""


class DenseSSLError(Exception):
    """Base of all errors that are answered with a message in place of a traceback."""


class VolumeError(DenseSSLError):
    """A volume cannot be opened or read: no such path, unknown format, wrong axes, wrong dtype."""


class DatasetChoiceError(VolumeError):
    """A container holds several datasets and none was named.

    Attributes
    ----------
    datasets : tuple of str
        The names to choose from.
    """

    def __init__(self, message: str, datasets: tuple[str, ...]) -> None:
        super().__init__(message)
        self.datasets = datasets


class PlaneChoiceError(VolumeError):
    """A volume has several channels or time points and none was named.

    Attributes
    ----------
    axis : {"channel", "timepoint"}
        What there are several of: the keyword of ``open_volume`` that names one.
    count : int
        How many there are; they are counted from 0.
    """

    def __init__(self, message: str, axis: str, count: int) -> None:
        super().__init__(message)
        self.axis = axis
        self.count = count


class RegionError(DenseSSLError):
    """A region is malformed, empty, outside the volume, or smaller than what has to fit into it."""


class SettingsError(DenseSSLError):
    """A setting is unknown or out of its limits, or two settings contradict each other."""


class RunError(DenseSSLError):
    """A run folder is missing, of another version, incomplete, or was tampered with."""


class OutputError(DenseSSLError):
    """An output cannot be written: it exists, is the input, lies in a read-only place, the disk is full."""


class DeviceError(DenseSSLError):
    """A device or precision was asked for that this machine does not have."""


class DeviceMemoryError(DeviceError):
    """The device ran out of memory and every automatic retreat was tried."""


class ProcessesError(DenseSSLError):
    """Processes that train together cannot be started, do not fit the settings, or one of them ended."""


class EndedElsewhereError(ProcessesError):
    """A training that several processes share ended in another of them.

    Attributes
    ----------
    told : bool
        Whether the first process tells the user why.
    """

    def __init__(self, message: str, *, told: bool = False) -> None:
        super().__init__(message)
        self.told = told


class ScoreError(DenseSSLError):
    """A prediction and a truth cannot be compared: other shape, no labelled pixel in common."""


class ScribbleError(DenseSSLError):
    """Scribbles cannot be learned from: none, one class only, other shape, no labels, outside the region."""


class ClassesError(DenseSSLError):
    """Names, groups or the tree of classes cannot be used: damaged, of another version, of other classes."""
