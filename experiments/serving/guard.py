"""Who may ask, and what a browser may do with the answer.

Whatever page is open in a browser can send requests to this machine. What it may not do is decided here,
before any route is looked for: docs/serving.md lists the threats.
"""

from __future__ import annotations

import ipaddress
import platform
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
"""What pages may load and run: files of this server, and no script or style that stands in a page."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Stand on every answer; none allows other origins (CORS)."""

_CHANGES_NOTHING = ("GET", "HEAD")
_ANY = ("", "0.0.0.0", "::")
_LOCAL = ("localhost", "localhost.")


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an address, is this machine seen from itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOCAL


def new_token() -> str:
    """Return what nobody guesses: 256 random bits, as text for a URL."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Door:
    """Where the server is to be found.

    Parameters
    ----------
    host, port
        What it is bound to.
    token
        What every request must know; None: it is bound to loopback, and whoever asks is on this machine.
    """

    host: str
    port: int
    token: str | None = None

    @property
    def cookie(self) -> str:
        """Name of the cookie with the token: cookies are kept by host, and several servers may run there."""
        return f"lstmcore-{self.port}"

    def address(self, path: str = "/") -> str:
        """Return the URL of a page, with the token if there is one; for all addresses, the machine's name."""
        host = platform.node() or "localhost" if self.host in _ANY else self.host
        host = f"[{host}]" if ":" in host else host
        query = f"?{urlencode({'token': self.token})}" if self.token else ""
        return f"http://{host}:{self.port}{path}{query}"


class Guard:
    """Lets in requests of our own pages, in whatever browser they are open, and no others.

    Parameters
    ----------
    app
        What answers.
    door
        Where it is to be found.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or have it answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # websockets would be exempt from the browser's same-origin policy
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        await (self._app if refusal is None else refusal)(scope, receive, sent)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Return why a request isn't answered; None: it is."""
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if self._door.token is None and not is_loopback(_hostname(host)):
            return _refused(421, "This page is for this machine alone: open it as localhost.")
        if (foreign := _is_foreign(scope["method"], host, headers)) is not None:
            return _refused(403, foreign)
        if self._door.token is None or self._knows_token(headers):
            return None
        return self._admission(scope)

    def _knows_token(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._door.cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, said: str) -> bool:
        assert self._door.token is not None
        return secrets.compare_digest(said.encode(), self._door.token.encode())

    def _admission(self, scope: Scope) -> Response:
        """Take the token from the address once, and out of it: addresses are kept and shown."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        said = [value for name, value in query if name == "token"]
        if scope["method"] != "GET" or len(said) != 1 or not self._is_token(said[0]):
            return _refused(401, "Open the address that lstmcore serve printed: it has a token in it.")
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        # Relative, and of one slash: //elsewhere would lead to another host.
        path = "/" + str(scope["path"]).lstrip("/\\")
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(self._door.cookie, said[0], httponly=True, samesite="strict", path="/")
        return answer


def _refused(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status)


def _hostname(host: str) -> str:
    """Return the name in a Host header, without a port; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(method: str, host: str, headers: Headers) -> str | None:
    """Return what is wrong if a page of somebody else's sent a request."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    told = "This request comes from another page; only pages of this server may send it."
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return told
    if method not in _CHANGES_NOTHING:
        if site not in (None, "same-origin"):
            return told
        if site is None and origin is None:
            return "This request doesn't say which page it comes from (Origin); expected one of this server."
        return None
    if site in (None, "same-origin", "none"):
        return None
    # A link on another page may lead here; what it can't do is load anything into itself.
    leads_here = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return None if leads_here else told
