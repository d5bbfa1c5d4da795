"""What a person is told when something goes wrong: one sentence with advice, or a bug with its traceback."""

from __future__ import annotations

import errno

from napari.utils.notifications import notification_manager, show_error
from pydantic import ValidationError

from napari_dense_ssl.core.errors import DenseSSLError


class UnexpectedError(Exception):
    """An error that no user can have caused; it carries the original as its cause.

    A worker re-raises every ``RuntimeError`` as this one too, since superqt reports those to nobody.
    """


def explain(error: BaseException) -> str | None:
    """Return what came, what was expected and what to do, or None where the error is a bug.

    Parameters
    ----------
    error : BaseException
        Any error of a job or a dock; its causes are looked through as well, so that a wrapped
        ``torch.OutOfMemoryError`` is recognised without importing torch.
    """
    link: BaseException | None = error
    while link is not None:
        match link:
            case DenseSSLError():
                return str(link)
            case ValidationError():
                return _explain_validation(link)
            case MemoryError():
                return (
                    "The computer's memory is full. Close other programs or layers, or take a smaller region "
                    "or batch, and start again."
                )
            case OSError(errno=errno.ENOSPC):
                where = f" for {link.filename}" if link.filename else ""
                return (
                    f"No space is left on the disk{where}. Free some, or choose another folder, and resume."
                )
            case PermissionError():
                return f"No permission to use {link.filename}. Choose a folder that you may write to."
            case _ if type(link).__name__ == "OutOfMemoryError":
                return (
                    "The device ran out of memory. Choose a smaller batch or crop under Advanced, or another "
                    "device, and start again."
                )
        link = link.__cause__
    return None


def _explain_validation(error: ValidationError) -> str:
    problems = [
        f"{_field(problem['loc']) or 'the settings'}: {problem['msg']} (came: {problem['input']!r})"
        for problem in error.errors()
    ]
    return f"These settings do not hold: {'; '.join(problems)}."


def _field(place: tuple[int | str, ...]) -> str:
    """Return a field's name; a union's member stands in it by its kind, which alone has a hyphen."""
    return ".".join(str(part) for part in place if "-" not in str(part))


def report(error: BaseException, doing: str) -> str:
    """Tell the user of an error as a napari notification (from the main thread only).

    Parameters
    ----------
    error : BaseException
        What was raised.
    doing : str
        What was being done, such as ``"Training"``; begins the sentence where the error is a bug.

    Returns
    -------
    str
        The text that was shown, for the dock's own status line.
    """
    text = explain(error)
    if text is not None:
        show_error(text)
        return text
    root = error.__cause__ if isinstance(error, UnexpectedError) and error.__cause__ is not None else error
    text = (
        f"{doing} stopped on a bug ({type(root).__name__}: {root}). View the traceback, copy it, and report "
        "it with what you did before."
    )
    bug = UnexpectedError(text)
    bug.__cause__ = root
    bug.__traceback__ = root.__traceback__
    notification_manager.receive_error(UnexpectedError, bug, bug.__traceback__)
    return text
