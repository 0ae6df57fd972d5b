"""A bucket of an S3 server as the place of a Store's files (extra `s3`).

Every file is written by one PUT, which the server does as a whole or not at all, and has lasted
when it answers; the PUT carries the MD5 of the contents, so that nothing is stored that was cut on
its way. A bucket can't be locked: processes on one computer keep each other out by locks in the
Store's home, and those of several computers by their PostgreSQL database (`triseal.store.journal`).

The keys come from where `boto3` looks for them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
~/.aws, or the role of the machine. They must allow GetObject, PutObject, DeleteObject, ListBucket.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import functools
import hashlib
import logging
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from triseal import files
from triseal.errors import AlreadyExists, Failure, FileTooLarge
from triseal.storage import Storage, Stream

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", re.ASCII)
_MAX_PREFIX = 200
_MAX_URL = 500
_CONNECT_SECONDS = 5
_READ_SECONDS = 20
_TRIES = 3
_CONNECTIONS = 64
_AT_ONCE = 1000  # keys in one deletion, the most that the protocol has
_IN_MEMORY = 1 << 20  # bytes; larger contents wait in a temporary file
_MISSING = ("NoSuchKey", "404", "NotFound")
_TEXTS = ("checkpoint", "witnessed")


class BadBucket(Failure):
    """This is no place of a bucket."""

    code = "bad-bucket"
    advice = (
        "Write s3://BUCKET/PREFIX, and the endpoint as https://HOST:PORT. The name of a bucket has"
        " 3 to 63 small letters, digits, dots and hyphens."
    )


class NoBucketDriver(Failure):
    """The package that talks to buckets is not installed."""

    code = "no-bucket-driver"
    advice = "Install the extra: pip install 'triseal[s3]'."


class BucketTrouble(Failure):
    """The root of the failures of a bucket in use."""

    code = "bucket-failed"
    advice = "Look into the logs of the bucket's server."


class BucketUnreachable(BucketTrouble):
    """The bucket's server does not answer, or it failed."""

    code = "bucket-unreachable"
    advice = "Check the endpoint and the network; what was cut off goes on with the next command."


class BucketDenied(BucketTrouble):
    """The bucket's server refuses the Store."""

    code = "bucket-denied"
    advice = "Check the bucket's name and the keys: AWS_ACCESS_KEY_ID, or ~/.aws."


@dataclass(frozen=True)
class Place:
    """Where a Store's files are in a bucket.

    Attributes:
        bucket: name of the bucket.
        prefix: what all keys begin with, without a slash at its end; "" for nothing.
        endpoint: URL of the server; "" for the one that `boto3` finds.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""

    def __str__(self) -> str:
        return SCHEME + "/".join(part for part in (self.bucket, self.prefix) if part)

    @staticmethod
    def of(url: str, endpoint: str = "") -> Place:
        """Return the place that a person has named.

        Args:
            url: s3://BUCKET or s3://BUCKET/PREFIX.
            endpoint: URL of the server; "" for the one that `boto3` finds.

        Raises:
            BadBucket: one of them has another form.
        """
        bucket, _, prefix = url.removeprefix(SCHEME).removesuffix("/").partition("/")
        good = not prefix or (len(prefix) <= _MAX_PREFIX and _PREFIX.fullmatch(prefix))
        if not url.startswith(SCHEME) or not _BUCKET.fullmatch(bucket) or not good:
            raise BadBucket(f"{url[:_MAX_URL]!a} is not s3://BUCKET/PREFIX")
        _check_endpoint(endpoint)
        return Place(bucket, prefix, endpoint)


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    whole = f"{parts.scheme}://{parts.netloc}" if good else ""
    if endpoint and (not good or "@" in endpoint or endpoint.removesuffix("/") != whole):
        raise BadBucket(f"{endpoint[:_MAX_URL]!a} is no URL of a server")


class _Client:
    """The connection of a process to a bucket's server, made with the first use."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._made: Any = None
        self._turn = threading.Lock()

    def __call__(self) -> Any:
        with self._turn:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Any:
        try:
            import boto3  # takes long to load
            from botocore import session
            from botocore.config import Config
        except ImportError:
            raise NoBucketDriver(f"{self.place} needs boto3") from None
        logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where keys were found
        settings = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
            max_pool_connections=_CONNECTIONS,
            # Many servers know no other checksum than the MD5 that every PUT has here.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        with explained(str(self.place)):
            core = session.get_session()
            core.register_component("data_loader", _descriptions())
            made = boto3.session.Session(botocore_session=core)
            region = made.region_name or "us-east-1"  # which other servers do not look at
            endpoint = self.place.endpoint or None
            return made.client("s3", region_name=region, endpoint_url=endpoint, config=settings)


@functools.cache
def _descriptions() -> Any:
    """Return what the driver reads of its own files, which takes time and memory, once."""
    from botocore import loaders

    return loaders.create_loader()


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn the errors of the driver into those of this program.

    Args:
        where: what is being read or written.

    Raises:
        FileNotFoundError: there is no such object.
        BucketDenied, BucketUnreachable: see there.
    """
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in _MISSING:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where) from None
        if code == "NoSuchBucket" or status in (301, 401, 403):
            raise BucketDenied(f"{where}: {code}") from None
        raise BucketUnreachable(f"{where}: {code}") from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise BucketDenied(f"{where}: there are no keys for it") from None
    except (exceptions.BotoCoreError, ValueError) as error:
        raise BucketUnreachable(f"{where}: {type(error).__name__}") from None


class Bucket:
    """Files in a bucket, see `triseal.storage.Storage`.

    Args:
        place: where they are.
        locks: folder of this computer for locks.
    """

    def __init__(self, place: Place, locks: Path) -> None:
        self._client = _Client(place)
        self._locks = locks
        self._top = f"{place.prefix}/" if place.prefix else ""

    @property
    def server(self) -> str:
        """The endpoint, see `triseal.storage.Storage`."""
        return self._client.place.endpoint.removesuffix("/")

    def below(self, path: str, *, private: bool = False) -> Bucket:  # noqa: ARG002
        """Return the files below a path. Who may read them is the bucket's setting.

        Args:
            path: its path.
            private: whether it is for nobody but the Store.
        """
        made = Bucket(self._client.place, self._locks / path)
        made._client = self._client
        made._top = f"{self._top}{path}/"
        return made

    def where(self, path: str) -> str:
        """Return the URL of a file.

        Args:
            path: its path.
        """
        return f"{SCHEME}{self._client.place.bucket}/{self._top}{path}"

    def local(self, path: str) -> None:  # noqa: ARG002
        """Return None: no file is on this computer.

        Args:
            path: its path.
        """
        return

    def _named(self, path: str) -> dict[str, str]:
        return {"Bucket": self._client.place.bucket, "Key": self._top + path}

    def read(self, path: str, limit: int) -> bytes:
        """Read a file, with one byte more than the limit at most.

        Args:
            path: its path.
            limit: largest size, bytes.
        """
        with contextlib.closing(self.opened(path)) as stream:
            if stream.size > limit:
                raise FileTooLarge(f"{self.where(path)} has more than {limit} bytes")
            data = stream.read(stream.size)
        if len(data) != stream.size:
            raise BucketUnreachable(f"{self.where(path)}: it ended early")
        return data

    def opened(self, path: str) -> Stream:
        """Open a file.

        Args:
            path: its path.
        """
        client = self._client()
        with explained(self.where(path)):
            return _Opened(client.get_object(**self._named(path)), self.where(path))

    def exists(self, path: str) -> bool:
        """Tell whether there is a file.

        Args:
            path: its path.
        """
        client = self._client()
        try:
            with explained(self.where(path)):
                client.head_object(**self._named(path))
        except FileNotFoundError:
            return False
        return True

    def any(self) -> bool:
        """Tell whether there is any file."""
        return bool(self._list(1))

    def _list(self, most: int) -> list[str]:
        client, bucket = self._client(), self._client.place.bucket
        with explained(self.where("")):
            found = client.list_objects_v2(Bucket=bucket, Prefix=self._top, MaxKeys=most)
        return [str(one["Key"]) for one in found.get("Contents", ())]

    def write(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file by one PUT.

        Args:
            path: its path.
            pieces: its contents.
        """
        digest = hashlib.md5(usedforsecurity=False)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as kept:
            for piece in pieces:
                digest.update(piece)
                with _in_temporary():
                    kept.write(piece)
            size = kept.tell()
            kept.seek(0)
            # The driver asks the server before it sends a file; a short body needs no question.
            body = kept if size > _IN_MEMORY else kept.read()
            about = {"ContentMD5": base64.b64encode(digest.digest()).decode()}
            client = self._client()
            with explained(self.where(path)):
                client.put_object(**self._named(path), Body=body, **about, **_headers(path))

    def write_all(self, contents: Mapping[str, bytes]) -> None:
        """Write files one after the other.

        Args:
            contents: the contents by path.
        """
        for path, data in contents.items():
            self.write(path, [data])

    def move(self, path: str, to: Storage) -> None:
        """Copy a file on the server, and delete it.

        Args:
            path: its path.
            to: where it is afterwards.
        """
        if not isinstance(to, Bucket):
            raise TypeError("a file of a bucket is moved within the bucket")
        client = self._client()
        with explained(self.where(path)):
            client.copy_object(**to._named(path), CopySource=self._named(path))
            client.delete_object(**self._named(path))

    def paths(self) -> Iterator[str]:
        """Return the paths of all files."""
        client, bucket = self._client(), self._client.place.bucket
        more: dict[str, str] = {}
        while True:
            with explained(self.where("")):
                found = client.list_objects_v2(Bucket=bucket, Prefix=self._top, **more)
            for one in found.get("Contents", ()):
                yield str(one["Key"]).removeprefix(self._top)
            if not found.get("IsTruncated"):
                return
            more = {"ContinuationToken": found["NextContinuationToken"]}

    def remove(self, path: str) -> None:
        """Delete a file, if there is one.

        Args:
            path: its path.
        """
        client = self._client()
        with contextlib.suppress(FileNotFoundError), explained(self.where(path)):
            client.delete_object(**self._named(path))

    def discard(self) -> None:
        """Delete all files, as far as the server lets it."""
        with contextlib.suppress(BucketTrouble, FileNotFoundError):
            client, bucket = self._client(), self._client.place.bucket
            named = [{"Key": key} for key in self._list(_AT_ONCE)]
            with explained(self.where("")):
                if named:
                    client.delete_objects(Bucket=bucket, Delete={"Objects": named})

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Lock a folder of this computer."""
        files.make_folder(self._locks, files.PRIVATE)
        with files.alone(self._locks):
            yield

    def check(self) -> None:
        """Check that the Store may list, write, read and delete here.

        Raises:
            NoBucketDriver, BucketTrouble: it can't.
        """
        probe = self.below("probe")
        name, data = secrets.token_hex(8), secrets.token_bytes(32)
        probe.write(name, [data])
        if probe.read(name, len(data)) != data or not probe.any():
            raise BucketUnreachable(f"{probe.where(name)}: it has something else")
        client = self._client()
        with explained(probe.where(name)):
            client.delete_object(**probe._named(name))


def vacant(place: Place, locks: Path) -> None:
    """Check that a new Store may have its files in a bucket.

    Args:
        place: where they are to be.
        locks: folder for locks, which is not used yet.

    Raises:
        AlreadyExists: there are files.
        NoBucketDriver, BucketTrouble: the Store can't list, write, read or delete there.
    """
    made = Bucket(place, locks)
    if made.any():
        raise AlreadyExists(f"there are files at {place}")
    made.check()


class _Opened:
    """An object that is being read."""

    def __init__(self, answer: dict[str, Any], where: str) -> None:
        self.size = int(answer["ContentLength"])
        self._body = answer["Body"]
        self._where = where

    def read(self, size: int) -> bytes:
        with explained(self._where):
            return bytes(self._body.read(size))

    def close(self) -> None:
        self._body.close()


@contextlib.contextmanager
def _in_temporary() -> Iterator[None]:
    """Let an error name the folder of temporary files, whose names nobody knows."""
    try:
        yield
    except OSError as error:
        error.filename = tempfile.gettempdir()
        raise


def _headers(path: str) -> dict[str, str]:
    """Return what a server of files that has the bucket behind it must say about a file."""
    if path.endswith(".json"):
        return {"ContentType": "application/json", "CacheControl": "no-cache"}
    if path.rpartition("/")[2] in _TEXTS:
        return {"ContentType": "text/plain; charset=utf-8", "CacheControl": "no-cache"}
    kept = "public, max-age=31536000, immutable"
    return {"ContentType": "application/octet-stream", "CacheControl": kept}
