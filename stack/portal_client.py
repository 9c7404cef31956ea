"""The portal's REST API as a person uses it: logged in with name and password."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from stack.errors import NoAnswerError, StackError

LOGIN = "/admin/login/"
CSRF_COOKIE = "gridcast_csrf"


class PortalClient:
    """One person's session. Raises StackError with the portal's own words when a call is refused."""

    def __init__(self, url: str, *, username: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, headers={"Referer": url})
        self._username = username
        page = self._send("GET", LOGIN)
        form = {"username": username, "password": password, "csrfmiddlewaretoken": self._csrf(page), "next": "/admin/"}
        answer = self._send("POST", LOGIN, data=form)
        if answer.status_code != httpx.codes.FOUND:
            raise StackError(f"the portal did not let {username} in ({answer.status_code})")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON of one read below ``/api/v1/``."""
        return self._answer(self._send("GET", f"/api/v1/{path}", params=query))

    def results(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The results of a paged list, all pages."""
        page = self.get(path, **query)
        found = list(page["results"])
        while page["next"]:
            page = self._answer(self._send("GET", page["next"]))
            found += page["results"]
        return found

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """One write below ``/api/v1/``."""
        token = {"X-CSRFToken": self._http.cookies.get(CSRF_COOKIE) or ""}
        return self._answer(self._send("POST", f"/api/v1/{path}", json=body, headers=token))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise NoAnswerError(f"the portal does not answer {method} {path}: {error}; see portal.log") from error

    def _answer(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            request = answer.request
            raise StackError(
                f"the portal refused {self._username}'s {request.method} {request.url.path} "
                f"with {answer.status_code}: {answer.text[:600]}"
            )
        return answer.json()

    def _csrf(self, page: httpx.Response) -> str:
        token = page.cookies.get(CSRF_COOKIE)
        if page.is_error or token is None:
            raise StackError(f"the portal's login page answers {page.status_code} without a CSRF cookie")
        return token
