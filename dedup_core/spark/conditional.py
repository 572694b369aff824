"""A small object of a store, replaced only as long as it is what was read last: whoever comes too late is told.

Arrow knows no such condition. On disks and HDFS there is none either: there the lock alone keeps others away.
"""

from __future__ import annotations

import datetime
import os
from typing import Any

from dedup_core.errors import InUseError, first_line

_PATIENCE: Any = {"max_retries": 5, "retry_timeout": datetime.timedelta(seconds=60)}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def store_options(url: str, region: str | None = None) -> dict[str, str]:
    """Return what libraries on Rust's object_store must be told of a store, and Arrow sees by itself.

    S3, and what speaks its language, is to refuse a commit whose file is there already (412).

    Args:
        url: of a place in the store.
        region: of a bucket of S3's, if it is known.
    """
    if not url.startswith("s3:"):
        return {}
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    known = {"aws_endpoint_url": endpoint, "aws_region": region or ""}
    told = {"aws_conditional_put": "etag"} | {name: value for name, value in known.items() if value}
    return told | ({"aws_allow_http": "true"} if endpoint.startswith("http://") else {})


class StoredObject:
    """One object of a store.

    Args:
        url: of the folder that it lies in.
        name: its own.
        region: of a bucket of S3's, if it is known.

    Raises:
        ImportError: if obstore is missing.
    """

    def __init__(self, url: str, name: str, region: str | None = None) -> None:
        """Find the store; nothing is read."""
        from obstore.store import from_url

        self._url, self._name = url, name
        options: dict[str, Any] = store_options(url, region)
        if options.pop("aws_allow_http", None):
            options["client_options"] = {"allow_http": True}
        if url.startswith("s3:"):
            options |= _credentials()
        self._store = from_url(url, retry_config=_PATIENCE, **options)
        self._seen: Any = "create"

    def read(self) -> bytes | None:
        """Return its content; None where there is none.

        Raises:
            OSError: if it can't be read.
        """
        import obstore
        from obstore.exceptions import BaseError

        try:
            found = obstore.get(self._store, self._name)
        except FileNotFoundError:
            self._seen = "create"
            return None
        except BaseError as error:
            raise OSError(first_line(error)) from error
        self._seen = _tags(found.meta)
        return bytes(found.bytes())

    def replace(self, content: bytes) -> None:
        """Put another content in place of the one that was read last.

        Raises:
            InUseError: if it is no longer that one.
            OSError: if it can't be written.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            told = obstore.put(self._store, self._name, content, mode=self._seen)
        except (AlreadyExistsError, PreconditionError) as error:
            if self.read() == content:  # an answer was lost on the way, and the question asked again
                return
            raise InUseError(
                f"{self._url}/{self._name} was replaced meanwhile: another run has taken the folder over. Look at what "
                "it has published, and run this one again"
            ) from error
        except BaseError as error:
            raise OSError(first_line(error)) from error
        self._seen = _tags(told)


def _tags(told: Any) -> dict[str, str]:
    """Return what tells a content of an object from any other: an etag, or on Google's store a version."""
    return {name: told[name] for name in ("e_tag", "version") if told.get(name)}


def _credentials() -> dict[str, Any]:
    """Return what finds S3's credentials wherever Amazon's own tools do, where these are installed and find any."""
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return {}
    session = boto3.Session()
    return {} if session.get_credentials() is None else {"credential_provider": Boto3CredentialProvider(session)}
