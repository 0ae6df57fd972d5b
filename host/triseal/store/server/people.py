"""Pages for people: what the Store has, who signed it, and the proof that its log has it.

They are made on the server, need neither scripts nor styles to be read, and load nothing from
elsewhere: the content security policy forbids all but the one style sheet. Names and reasons come
from strangers, so that all values are escaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Query, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sealcore import errors, names, seal, timetext
from triseal import advice, files, metadata, request
from triseal.bucket import BucketTrouble
from triseal.errors import Failure, UnknownDeveloper, UnknownService
from triseal.log import proof
from triseal.store.pages import INDEX, MAX_PAGE, Pages, service_path
from triseal.store.records import Developer, Service
from triseal.store.server import problems
from triseal.store.store import Store

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
MOST_FOUND = 100
_TEMPLATES = Path(__file__).with_name("templates")
_STYLE = "style.css"
_MAX_STYLE = 1 << 16

Facts = dict[str, Any]


class People:
    """The pages for people of one Store.

    Args:
        store: the Store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages = Pages(store.files)
        loader = FileSystemLoader(_TEMPLATES)
        self._made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
        self._made.filters["time"] = timetext.iso

    def style(self) -> bytes:
        """Return the style sheet."""
        return files.read(_TEMPLATES / _STYLE, _MAX_STYLE)

    def front(self) -> str:
        """Make the first page: the newest releases."""
        return self._page("front", rows=self._json(INDEX).get("services", []))

    def search(self, query: str) -> str:
        """Make the page with services whose name, or whose owner's name, contains a text.

        Args:
            query: the text.
        """
        wanted = request.likeness(query.strip())
        found = [
            one
            for one in self._store.services().values()
            if wanted in request.likeness(one.name) or wanted in request.likeness(one.owner)
        ]
        more = max(0, len(found) - MOST_FOUND)
        return self._page("search", query=query, found=found[:MOST_FOUND], more=more)

    def service(self, name: str) -> str:
        """Make the page of a service.

        Args:
            name: its name.

        Raises:
            UnknownService: there is none.
        """
        page = self._service(name)
        services = self._of(page["owner"])
        others = [one for one in services if one.name != name]
        owner = next(
            (
                one
                for one in self._store.developers()
                if one.name == page["owner"] and one.state in ("approved", "suspended")
            ),
            None,
        )
        return self._page("service", page=page, owner=owner, others=others)

    def release(self, service: str, version: str) -> str:
        """Make the page of a release.

        Args:
            service: name of the service.
            version: its version.

        Raises:
            UnknownService: there is none.
        """
        rows = [one for one in self._service(service)["releases"] if one["version"] == version]
        known = [one for one in self._store.releases(service) if one.version == version]
        if not rows or not known:
            raise UnknownService(f"there is no {service} {version}")
        sealed = seal.parse(known[0].developer_seal, seal.DEVELOPER)
        facts: Facts = {"row": rows[0], "signer": request.fingerprint(bytes(sealed.spki))}
        package = self._pages.package(rows[0]["package"])
        facts |= {"asked": None, "proof": "", "index": 0}
        if package is not None:
            facts["asked"] = metadata.parse(package.metadata).capabilities
            facts["proof"] = package.proof
            facts["index"] = proof.parse(package.proof).index
        return self._page("release", **facts)

    def developer(self, fingerprint: str) -> str:
        """Make the page of a developer.

        Args:
            fingerprint: of one of the developer's keys.

        Raises:
            UnknownDeveloper: there is none. That includes one whom nobody has approved: strangers
                shall not write on these pages.
        """
        known: Developer | None = None
        for one in self._store.developers():
            if one.fingerprint == fingerprint and one.approved_at is not None:
                known = one
        if known is None:
            raise UnknownDeveloper(f"no approved developer has the key {fingerprint[:64]}")
        return self._page("developer", known=known, services=self._of(known.name))

    def problem(self, error: Exception) -> tuple[str, int]:
        """Make the page about a failure; return it with its status.

        Args:
            error: as for `advice.line`.
        """
        code, detail, cure = advice.explain(error)
        if isinstance(error, OSError):
            code, detail = "store-failed", "the Store could not read"
        if isinstance(error, BucketTrouble):
            detail, cure = "the Store could not reach its files", "Try again later"
        page = self._page("problem", code=code, detail=detail, advice=cure)
        return page, problems.status(code)

    def _of(self, owner: str) -> list[Service]:
        return [one for one in self._store.services().values() if one.owner == owner]

    def _service(self, name: str) -> Facts:
        try:
            names.check_label(name)
            return self._json(service_path(name))
        except (FileNotFoundError, Failure, errors.SealError):
            raise UnknownService(f"there is no {name[:63]!a}") from None

    def _json(self, path: str) -> Facts:
        found: Facts = json.loads(self._pages.files.read(path, MAX_PAGE))
        return found

    def _page(self, template: str, **facts: Any) -> str:
        own = self._store.certificate
        facts["store"] = str(names.common_name(own.subject))
        facts["fingerprint"] = request.fingerprint(bytes(own.spki))
        return self._made.get_template(f"{template}.html").render(**facts)


def install(made: FastAPI, people: People) -> None:
    """Add the pages to an application.

    Args:
        made: the application.
        people: the pages.
    """

    def answer(make: Callable[[], str]) -> Response:
        try:
            return HTMLResponse(make(), headers=HEADERS)
        except (Failure, OSError) as error:
            page, status = people.problem(error)
            return HTMLResponse(page, status, headers=HEADERS)

    def front() -> Response:
        return answer(people.front)

    def search(q: str = Query("", max_length=64)) -> Response:
        return answer(lambda: people.search(q))

    def service(name: str) -> Response:
        return answer(lambda: people.service(name))

    def release(name: str, version: str) -> Response:
        return answer(lambda: people.release(name, version))

    def developer(fingerprint: str) -> Response:
        return answer(lambda: people.developer(fingerprint))

    def style() -> Response:
        return Response(people.style(), headers=HEADERS, media_type="text/css")

    routes: tuple[tuple[str, Callable[..., Response]], ...] = (
        ("/", front),
        ("/search", search),
        ("/services/{name}", service),
        ("/services/{name}/{version}", release),
        ("/developers/{fingerprint}", developer),
        (f"/{_STYLE}", style),
    )
    for path, endpoint in routes:
        made.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False)
