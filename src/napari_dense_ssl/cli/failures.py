"""One sentence for whatever a user can cause or cure: what came, what was expected, what to do next."""

from __future__ import annotations

import errno

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from napari_dense_ssl.core.errors import DenseSSLError

_ADVICE = {
    errno.ENOSPC: "free some space there or choose another place",
    errno.EDQUOT: "free some of your quota or choose another place",
    errno.EACCES: "choose a place that you may write to",
    errno.EPERM: "choose a place that you may write to",
    errno.EROFS: "choose a place that you may write to",
    errno.ENOTDIR: "a part of that path is a file where a folder was expected",
    errno.ENOENT: "check the path",
}


def sentence(error: DenseSSLError | ValidationError | OSError) -> str:
    """Return the sentence that answers `error`, on one line.

    Parameters
    ----------
    error : DenseSSLError or ValidationError or OSError
        The package's own errors speak for themselves; those of pydantic are told as
        ``setting: what came, what was expected``; those of the operating system get some advice.
    """
    match error:
        case ValidationError():
            text = "; ".join(_setting(item) for item in error.errors(include_url=False)) + "."
        case OSError():
            text = _refusal(error)
        case _:
            text = str(error)
    return one_line(text)


def one_line(text: str) -> str:
    """Return a message of whatever origin as one line that ends as sentences do."""
    line = " ".join(text.split())
    return line if line.endswith((".", "?", "!")) else f"{line}."


def _setting(item: ErrorDetails) -> str:
    """Tell one finding of pydantic: ``classes: 1 came, expected: input should be greater than 1``."""
    # pydantic names a union's member by its kind, which has a hyphen as no field's name has.
    name = ".".join(str(part) for part in item["loc"] if "-" not in str(part)) or "settings"
    if item["type"] == "extra_forbidden":
        return f"The setting {name!r} is unknown; see `napari-dense-ssl train --help` for the known ones"
    message = str(item["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"The setting {name!r}: {item['input']!r} came, expected: {message[:1].lower()}{message[1:]}"


def _refusal(error: OSError) -> str:
    place = f" {error.filename}" if error.filename is not None else " the request"
    reason = error.strerror or str(error)
    advice = _ADVICE.get(error.errno or 0, "check the path and the disk, then try again")
    return f"The system refused{place}: {reason}; {advice}."
