"""The page on which a browser signs in with a token, and out again."""

import hmac
from html import escape
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs

from quart import Blueprint, Response, request

from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.refusals import AccessRefused
from miniqueue_py.http.access.sessions import LONGEST_SECONDS, SESSION_COOKIE, cookies_of
from miniqueue_py.http.asgi_exchange import REQUEST
from miniqueue_py.http.exchange import Request
from miniqueue_py.http.json_bodies import read_body

FORM_COOKIE = "__Host-miniqueue-form"
"""What a form that was sent must have brought along: no other site knows it."""

_MOST_FIELDS = 10

FIRST_PAGE = "/tasks/"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    # Not no-referrer: a form's Origin would be null, and the door refuses that.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Sign in to miniqueue</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <style>
    * {{ box-sizing: border-box; }}
    body {{ margin: 0; font: 1rem/1.5 system-ui, sans-serif; }}
    main {{ max-width: 26rem; margin: 12vh auto; padding: 0 1rem; display: grid; gap: 1rem; }}
    h1 {{ margin: 0; font-size: 1.25rem; }}
    p {{ margin: 0; }}
    form {{ display: grid; gap: 0.6rem; }}
    input, button {{ font: inherit; padding: 0.5rem 0.7rem; min-height: 2.75rem; }}
    [role=alert] {{ color: light-dark(#b3261e, #ff8f80); }}
  </style>
</head>
<body>
  <main>
    <h1>miniqueue</h1>
{told}
  </main>
</body>
</html>
"""

_SIGN_IN = """\
    <form method="post" action="/login">
      <input type="hidden" name="form" value="{form}">
      <input name="name" autocomplete="username" value="miniqueue" hidden>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required
        autofocus>
      <button>Sign in</button>
    </form>"""

_SIGNED_IN = """\
    <p>You are signed in as <strong>{name}</strong>. <a href="{first}">To the tasks</a></p>
    <form method="post" action="/logout">
      <input type="hidden" name="form" value="{form}">
      <button>Sign out</button>
    </form>"""


def login(access: Access) -> Blueprint:
    """Return the pages /login and /logout."""
    pages = Blueprint("login", __name__)
    desk = _Desk(access)
    pages.get("/login")(desk.show)
    pages.post("/login")(desk.sign_in)
    pages.post("/logout")(desk.sign_out)
    return pages


class _Desk:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def show(self) -> Response:
        asked = _asked()
        authorization = self._access.sessions.find(asked)
        try:
            account = self._access.identify(asked, authorization) if authorization else None
        except AccessRefused:  # its token was taken away
            account = None
        if account is None:
            return _page(_SIGN_IN)
        return _page(_SIGNED_IN, name=account.principal.name, first=FIRST_PAGE)

    async def sign_in(self) -> Response:
        asked, form = _asked(), await _form()
        if not _is_ours(asked, form):
            return _page(_SIGN_IN, "This form is not from here, or too old: try again.", 403)
        authorization = b"Bearer " + form.get("token", "").strip().encode()
        try:
            account = self._access.identify(asked, authorization)
        except AccessRefused as error:
            status = 429 if error.reason == "rate" else 401
            return _page(_SIGN_IN, "That token is not known here, or is expired.", status)
        self._access.sessions.end(asked)
        self._access.audit.note_login(asked, account.principal.name)
        response = Response("", 303, {"Location": FIRST_PAGE, **_HEADERS})
        _set(response, SESSION_COOKIE, self._access.sessions.begin(authorization), LONGEST_SECONDS)
        return response

    async def sign_out(self) -> Response:
        asked, form = _asked(), await _form()
        if not _is_ours(asked, form):
            return _page(_SIGN_IN, "This form is not from here, or too old: try again.", 403)
        self._access.sessions.end(asked)
        response = Response("", 303, {"Location": "/login", **_HEADERS})
        _set(response, SESSION_COOKIE, "", 0)
        return response


def _asked() -> Request:
    scope: Any = request.scope
    asked: Request = scope[REQUEST]
    return asked


async def _form() -> dict[str, str]:
    body = await read_body(request)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:  # more than any form of ours has
        return {}
    return {name: values[0] for name, values in fields.items()}


def _is_ours(asked: Request, form: dict[str, str]) -> bool:
    """Tell if the form has what its page set as a cookie, which no other site can read or set."""
    known = cookies_of(asked).get(FORM_COOKIE, "")
    return bool(known) and hmac.compare_digest(known.encode(), form.get("form", "").encode())


def _page(body: str, alert: str = "", status: int = 200, **told: str) -> Response:
    form = token_urlsafe(32)
    shown = body.format(form=form, **{name: escape(value) for name, value in told.items()})
    if alert:
        shown = f'    <p role="alert">{escape(alert)}</p>\n{shown}'
    response = Response(_PAGE.format(told=shown), status, _HEADERS)
    response.content_type = "text/html; charset=utf-8"
    _set(response, FORM_COOKIE, form, 3600)
    return response


def _set(response: Response, name: str, value: str, seconds: float) -> None:
    response.set_cookie(
        name, value, max_age=int(seconds), path="/", secure=True, httponly=True, samesite="Strict"
    )
