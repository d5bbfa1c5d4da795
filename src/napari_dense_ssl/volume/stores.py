"""Key-value stores through tensorstore: folders, http(s), S3 and Google Cloud; what their errors mean.

Credentials come from where the stores' own tools keep them, never from us: for S3 the environment
(``AWS_ACCESS_KEY_ID`` ...), ``~/.aws`` or the machine's role, for Google Cloud the application default
credentials. Where there are none, buckets are read as by the public. ``AWS_ENDPOINT_URL_S3`` (or
``AWS_ENDPOINT_URL``) names another server that speaks S3, such as MinIO or Ceph.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from napari_dense_ssl.core.errors import VolumeError
from napari_dense_ssl.volume.pixels import first_line

SCHEMES = ("http", "https", "s3", "gs", "file")
CACHE_BYTES = 256 << 20
"""Memory in which decoded chunks of all stores together are kept, bytes."""

_TRIES = {"max_retries": 5, "initial_delay": "200ms", "max_delay": "5s"}
_T = TypeVar("_T")


def tensorstore() -> Any:
    """Import tensorstore, or say how to get it.

    Raises
    ------
    VolumeError
        If it is not installed.
    """
    try:
        import tensorstore as module
    except ImportError as error:
        raise VolumeError(
            "Volumes in N5, Neuroglancer precomputed and at remote locations are read with tensorstore, which"
            " is not installed: pip install 'napari-dense-ssl[remote]'."
        ) from error
    return module


@cache
def context() -> Any:
    """Return what all stores share: one bounded cache, and how often a request is tried again.

    A request that a server answers with 429, 500, 502, 503 or 504, or not at all, is tried six times within
    about ten seconds.
    """
    return tensorstore().Context(
        {
            "cache_pool": {"total_bytes_limit": CACHE_BYTES},
            **dict.fromkeys(("http_request_retries", "s3_request_retries", "gcs_request_retries"), _TRIES),
        }
    )


class Store:
    """A folder of keys somewhere.

    Parameters
    ----------
    url : str
        Such as ``"https://host/volume.zarr"``, ``"s3://bucket/key"``, ``"gs://bucket/key"``, or
        ``"file:///folder"``; without credentials in it.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme.lower() not in SCHEMES or not rest.strip("/"):
            raise VolumeError(
                f"{url} is no location that can be read; expected one that begins with "
                f"{', '.join(f'{s}://' for s in SCHEMES)} and a host or bucket, or a path."
            )
        if "@" in rest.split("/")[0]:
            raise VolumeError(
                "The address holds a name or password; remove it and put credentials where the store's own"
                " tools look for them (the environment, or ~/.aws)."
            )
        self.url = url.rstrip("/")
        self._text: dict[str, bytes | None] = {}

    @classmethod
    def of_folder(cls, path: Path) -> Store:
        """Return the store of a folder on this machine."""
        return cls(path.absolute().as_uri())

    def spec(self, key: str = "") -> dict[str, Any]:
        """Return tensorstore's JSON specification of a folder in the store, credentials' kind included."""
        folder = f"{self.url}/{key.strip('/')}/" if key else f"{self.url}/"
        if folder.startswith("s3://"):
            return _s3(folder)
        made = self.attempt(lambda: tensorstore().KvStore.Spec(folder).to_json())
        return dict(made)

    def read(self, key: str) -> bytes | None:
        """Return the value of a key, None where there is none; each key is asked for once.

        Raises
        ------
        VolumeError
            If the store does not answer, or refuses.
        """
        if key not in self._text:
            result = self.attempt(lambda: self._kvstore("").read(key).result())
            self._text[key] = bytes(result.value) if result.state == "value" else None
        return self._text[key]

    def json(self, key: str) -> dict[str, Any] | None:
        """Return a JSON object, None where there is no such key.

        Raises
        ------
        VolumeError
            If it is damaged, or the store does not answer, or refuses.
        """
        text = self.read(key)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError as error:
            raise VolumeError(
                f"{self.url}/{key} is damaged ({first_line(error)}); check that the volume was copied whole."
            ) from error
        return value if isinstance(value, dict) else None

    def folders(self, key: str = "") -> list[str] | None:
        """Return the names of the folders in a folder, None where the store cannot list."""
        if self.url.startswith(("http://", "https://")):
            return None
        prefix = f"{key}/" if key else ""
        try:
            # Bounded: a bucket may hold millions of chunks.
            keys = self._kvstore(prefix).list().result(timeout=10)
        except (ValueError, NotImplementedError, TimeoutError, OSError):
            return None
        return sorted({k.decode().split("/")[0] for k in keys if b"/" in k})

    def attempt(self, do: Callable[[], _T]) -> _T:
        """Do something with the store, and turn its errors into sentences."""
        try:
            return do()
        except (ValueError, RuntimeError, OSError, NotImplementedError, KeyError) as error:
            raise VolumeError(explained(self.url, error)) from error

    def is_there(self, key: str) -> bool:
        """Ask whether a key exists, now and not when it was first read.

        Raises
        ------
        VolumeError
            If the store does not answer, or refuses.
        """
        result = self.attempt(lambda: self._kvstore("").read(key).result())
        return bool(result.state == "value")

    def _kvstore(self, key: str) -> Any:
        ts = tensorstore()
        return self.attempt(lambda: ts.KvStore.open(self.spec(key), context=context()).result())


def _s3(url: str) -> dict[str, Any]:
    bucket, _, path = url.removeprefix("s3://").partition("/")
    spec: dict[str, Any] = {"driver": "s3", "bucket": bucket, "path": path}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint:
        spec["endpoint"] = endpoint
        region = region or "us-east-1"
    if region:
        spec["aws_region"] = region
    if not _has_aws_credentials():
        # Asking the machine for its role takes seconds where it has none, and public buckets need none.
        spec["aws_credentials"] = {"type": "anonymous"}
    return spec


def _has_aws_credentials() -> bool:
    names = (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    )
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    return any(os.environ.get(name) for name in names) or file.is_file()


_MEANINGS = (
    (
        ("HTTP code 401", "HTTP code 403", "PERMISSION_DENIED", "UNAUTHENTICATED"),
        "it may not be read with the"
        " credentials at hand (or it does not exist); set the credentials of the store, or ask its owner",
    ),
    (("HTTP code 404", "NOT_FOUND", "NoSuchBucket"), "it is not there; check the address"),
    (
        ("HTTP code 429", "HTTP code 500", "HTTP code 502", "HTTP code 503", "HTTP code 504"),
        "the server is too busy or out of order and was asked several times; try later",
    ),
    (
        (
            "CURL error",
            "Could not resolve",
            "Could not connect",
            "timed out",
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
        ),
        "the server does not answer; check the address and the network",
    ),
)


def explained(place: str, error: BaseException) -> str:
    """Return a sentence on what a store's error means and what to do.

    Parameters
    ----------
    place : str
        Where, for people.
    error : BaseException
        tensorstore raises ValueError for nearly everything; its text tells what it was.
    """
    text = str(error)
    meaning = next((words for marks, words in _MEANINGS if any(mark in text for mark in marks)), None)
    if meaning is None:
        meaning = "it is damaged, incomplete or of an unknown kind; check that it was copied whole"
    first = re.split(r" \[(?:http_response_body|curl_code|source)", first_line(error, 1000))[0]
    return f"{place} cannot be read: {meaning} ({first})."
