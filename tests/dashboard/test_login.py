"""A browser signs in to a broker that asks who somebody is, and sees the tasks."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser

from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.secrets import digest_of, new_secret
from miniqueue_py.http.access.token_file import add_token
from miniqueue_py.http.access.token_line import TokenLine
from miniqueue_py.tls.certificates import make_certificates
from tests.dashboard.browser import View
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio


async def test_a_browser_signs_in_sees_the_tasks_and_signs_out(
    browser: Browser, tmp_path: Path
) -> None:
    secret = new_secret()
    principal = Principal(name="ann", scopes={"inspect": ("tasks",)})
    add_token(tmp_path / "tokens", TokenLine(principal, digest_of(secret.encode())))
    flags = ("-fsync", "never", "-tokens", str(tmp_path / "tokens"))
    certificates = make_certificates(tmp_path / "certs")
    with RunningBroker(tmp_path / "db", certificates, flags) as broker:
        async with await browser.new_context(ignore_https_errors=True) as context:
            view = View(await context.new_page())
            view.may_lose_the_broker = True  # Chromium tells of each 401
            page, home = view.page, f"https://localhost:{broker.port}"
            await view.open(f"{home}/tasks/")
            await view.expect_state("broken")
            await view.expect_text("#state", "Sign in first, at /login of the broker itself")

            await view.open(f"{home}/login")
            await page.get_by_label("Token").fill("mq_wrong")
            await page.get_by_role("button", name="Sign in").click()
            await view.expect_shown("[role=alert]")
            await show(view, "refused")
            await page.get_by_label("Token").fill(secret)
            await page.get_by_role("button", name="Sign in").click()
            await view.expect_state("live")
            await show(view, "signed-in")
            assert page.url == f"{home}/tasks/"
            assert await view.ask("document.cookie") == ""

            await view.open(f"{home}/login")
            await view.expect_text("main strong", "ann")
            await page.get_by_role("button", name="Sign out").click()
            await view.expect_shown("#token")
            await view.open(f"{home}/tasks/")
            await view.expect_state("broken")
            assert [url for url in view.asked if not url.startswith(home)] == []
            assert view.complaints == []


async def show(view: View, name: str) -> None:
    """Keep a picture where somebody wants to look at one."""
    directory = os.environ.get("MINIQUEUE_PICTURES")
    if directory:
        await view.page.screenshot(path=Path(directory) / f"{name}.png")
