"""The way to a Store over HTTPS, for developers and sites.

A Store's URL may end with `#` and the fingerprint of the Store's key. Then the Store's own
certificate is the only one that counts, and no authority of the web is asked.
"""

from __future__ import annotations

import hashlib
import math
import re
import ssl
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import httpx

from boards import addresses
from boards.errors import BadAddress
from triseal import keyfile, request, signedrequest, storejson
from triseal.certificate import opened
from triseal.errors import BadAnswer, Failure
from triseal.signedrequest import Wanted
from triseal.signer import Signer
from triseal.stop import Stop
from triseal.timedhttp import Transport

MAX_PAGE = 1 << 24
_SECONDS = 150.0  # for each step, such as the next bytes
_LONGEST = 900.0  # seconds for a whole call
_HEADERS = {"accept-encoding": "identity"}
_MOST_SAID = 1000  # characters
_STORE = "v1/store.json"
_PORT = 443
_MAX_NONCE = 128  # characters, see `signedrequest`
NOT_THERE = "Check the URL; a mirror may be incomplete."
_FINGERPRINT = re.compile("[0-9a-f]{64}")


class StoreUnreachable(Failure):
    """The Store's server does not answer."""

    code = "store-unreachable"
    advice = "Check the URL and the network, and whether `triseal store serve` runs there."


class BadURL(Failure):
    """The URL of the Store can't be used."""

    code = "bad-url"
    advice = "Give https://HOST:PORT#FINGERPRINT, as `triseal store serve` prints it."


class BadIdentity(Failure):
    """The file does not hold a certificate with its key."""

    code = "bad-admin-certificate"
    advice = "Give a PEM file with your certificate and its key, without a passphrase."


class StoreRefused(Failure):
    """The Store's server has refused; it says why with the codes of the command line.

    Args:
        detail: what it says.
        code: the code that it gave.
        advice: what to do about it.
    """

    code = "store-refused"
    advice = "Do what the Store says, and repeat the command."

    def __init__(self, detail: str, code: str = code, advice: str = advice) -> None:
        super().__init__(detail)
        self.__dict__.update(code=code, advice=advice)


def _client(context: ssl.SSLContext, end: float, stop: Stop) -> httpx.Client:
    transport = Transport(context, _LONGEST, end, stop)
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # a server could send more and more
    return httpx.Client(
        transport=transport, timeout=_SECONDS, trust_env=False, headers=_HEADERS, cookies=none
    )


def _parts(url: str, *, reading: bool) -> SplitResult:
    """Take the URL of a Store apart.

    Args:
        url: the URL.
        reading: whether http: is enough, since all that is read is checked.

    Raises:
        BadURL: it is none.
    """
    try:
        parts = urlsplit(url)
        place = parts.netloc if parts.port is not None else f"{parts.netloc}:{_PORT}"
        addresses.parse(place)
    except BadAddress as error:
        raise BadURL(f"{url!r}: {error.detail}") from None
    except ValueError as error:
        raise BadURL(f"{url!r}: {error}") from None
    # `urlsplit` drops the ends of lines.
    schemes = ("https", "http") if reading else ("https",)
    if parts.scheme not in schemes or parts.query or url != "".join(url.split()):
        raise BadURL(f"{url!r}")
    if parts.fragment and not _FINGERPRINT.fullmatch(request.plain(parts.fragment)):
        raise BadURL(f"{url!r}: the part after # is not a fingerprint")
    return parts


class Link:
    """A connection to one Store. It is a context manager.

    Args:
        url: its URL, with or without a fingerprint.
        reading: whether files are only read and then checked, so that the URL may also be that of a
            mirror, on any server of files: `http:`, with or without a fingerprint.
        seconds: how long all calls may last together; each of them has a bound as well.
        stop: ends them earlier, from another thread.
        identity: file with a certificate and its key, PEM, which says to the Store who calls.

    Raises:
        BadURL: it is not the URL of a Store.
        BadIdentity, OpenPermissions: `identity` is no such file, or not only its owner's.
        StoreUnreachable: the server does not answer.
        OtherFingerprint: another Store answers.
    """

    def __init__(
        self,
        url: str,
        *,
        reading: bool = False,
        seconds: float = math.inf,
        stop: Stop | None = None,
        identity: Path | None = None,
    ) -> None:
        parts = _parts(url, reading=reading)
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"
        self.fingerprint = parts.fragment
        self._end = time.monotonic() + seconds
        self._stop = stop or Stop()
        self._identity = identity
        pinned = self._pinned() if self.fingerprint else httpx.create_ssl_context(trust_env=False)
        self._client = _client(self._identified(pinned), self._end, self._stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _identified(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Let a context say who calls, if the caller wants that."""
        if self._identity is not None:
            keyfile.check_closed(self._identity)
            try:
                context.load_cert_chain(self._identity, password="")
            except ssl.SSLError:
                raise BadIdentity(f"{self._identity} has no certificate with its key") from None
        return context

    def _pinned(self) -> ssl.SSLContext:
        """Trust the Store's certificate alone. Its key is compared with the fingerprint."""
        blind = ssl.create_default_context()
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE
        with _client(self._identified(blind), self._end, self._stop) as client:
            page = _fetch(client, "GET", self._base + _STORE, MAX_PAGE)
        try:
            return ssl.create_default_context(cadata=self._certificate(page))
        except ssl.SSLError:  # OpenSSL takes fewer certificates than `cryptography` does
            raise BadAnswer("the Store's certificate can't be used") from None

    def _certificate(self, page: bytes) -> bytes:
        """Return the Store's certificate, DER, after the comparison with the fingerprint.

        Args:
            page: what the Store says about itself.
        """
        der, spki = opened(str(_json(page).get("certificate")))
        request.check_fingerprint(spki, self.fingerprint)
        return der

    def read(self, path: str, limit: int = MAX_PAGE) -> bytes:
        """Read a page.

        Args:
            path: its path, such as `v1/index.json`.
            limit: largest size, bytes.

        Raises:
            StoreUnreachable, StoreRefused, BadAnswer: it could not be read.
            OtherFingerprint: what the Store says about itself has another key than the URL.
        """
        path = path.lstrip("/")
        data = _fetch(self._client, "GET", self._base + path, limit)
        if self.fingerprint and path == _STORE:
            # Here, so that nobody gets a certificate whose key was not compared: each answer of a
            # server may be another one.
            self._certificate(data)
        return data

    def facts(self, path: str) -> dict[str, Any]:
        """Read a page of JSON. Raises as `read`.

        Args:
            path: its path.
        """
        return _json(self.read(path))

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Return a list of JSON objects. Raises as `read`.

        Args:
            path: its path.
        """
        return storejson.rows("the answer", self.read(path))

    def post(
        self, path: str, data: bytes, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send something, and return the answer. Raises as `read`.

        Args:
            path: the path.
            data: what is sent.
            headers: more headers.
        """
        return _json(_fetch(self._client, "POST", self._base + path, MAX_PAGE, data, headers))

    def about(self) -> dict[str, Any]:
        """Return what the Store says about itself. Raises as `read`."""
        return self.facts(_STORE)

    def register(self, data: bytes) -> dict[str, Any]:
        """Send a developer's request.

        Args:
            data: the request.

        Raises:
            StoreUnreachable, StoreRefused, BadAnswer: it was not taken.
        """
        return self.post("v1/developers", data)

    def cosign(self, data: bytes) -> list[str]:
        """Send a checkpoint that a witness has cosigned.

        Args:
            data: the checkpoint.

        Returns: names of the witnesses that the Store's checkpoint has now.

        Raises:
            StoreUnreachable, StoreRefused, BadAnswer: it was not taken.
        """
        answer = self.post("v1/cosignatures", data)
        names = answer.get("witnesses")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadAnswer("it does not name the witnesses")
        return names

    def _mark(self) -> str:
        """Return the fingerprint of the Store's key; without one in the URL, the Store says it."""
        if self.fingerprint:
            return request.plain(self.fingerprint)
        return request.fingerprint(opened(str(self.about().get("certificate")))[1])

    def submit(self, data: bytes, key: Signer) -> dict[str, Any]:
        """Send a package.

        Args:
            data: the package.
            key: the developer's key, which signs the request.

        Returns: the Store's answer.

        Raises:
            StoreUnreachable, StoreRefused, BadAnswer: it was not taken; it may be sent again.
        """
        nonce = self.facts("v1/nonce").get("nonce")
        if not isinstance(nonce, str) or not 0 < len(nonce) <= _MAX_NONCE:
            raise BadAnswer("the Store's nonce has another form")
        url = self._base + "v1/submissions"
        digest = hashlib.sha256(data).digest()
        wanted = Wanted(self._mark(), "POST", urlsplit(url).path, digest, int(time.time()), nonce)
        headers = {
            signedrequest.KEY: request.fingerprint(key.spki),
            signedrequest.REQUEST: wanted.sign(key),
        }
        return _json(_fetch(self._client, "POST", url, MAX_PAGE, data, headers))


def _fetch(
    client: httpx.Client,
    method: str,
    url: str,
    limit: int,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    try:
        with client.stream(method, url, content=content, headers=headers) as answer:
            data = bytearray()  # bytes would be copied for each piece, which may be one byte
            # Not decompressed: a small answer can't become a large one.
            for piece in answer.iter_raw():
                data += piece
                if len(data) > limit:
                    raise BadAnswer(f"{url} has more than {limit} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
        raise StoreUnreachable(f"{url}: {error or type(error).__name__}") from None
    if answer.status_code < 300:
        return bytes(data)
    if answer.status_code == HTTPStatus.NOT_FOUND and not _is_problem(answer):
        raise StoreRefused(f"{url} is not there", "not-found", NOT_THERE)  # a server of files
    try:
        said = _json(bytes(data))
        told = [str(said[name])[:_MOST_SAID] for name in ("detail", "code", "advice")]
    except (BadAnswer, KeyError):
        raise BadAnswer(f"{url} answers {answer.status_code}") from None
    raise StoreRefused(*told)


def _is_problem(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type", "")).startswith("application/problem+json")


def _json(data: bytes) -> dict[str, Any]:
    return storejson.parsed("the answer", data)
