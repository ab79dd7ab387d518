"""Headless Chromium, and a page of it that must not stumble."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright, expect

from tests.outside.absence import absent

PATIENCE_MS = 15_000

_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""Without these it asks for pages of its own."""

_LOST = "Failed to load resource"
"""What Chromium itself writes when nobody answers."""


@asynccontextmanager
async def chromium(*words: str) -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        absent("chromium is not installed")
    # Root, as in a container, has no sandbox.
    alone = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=[*_QUIET, *alone, *words], timeout=60_000
        )
        try:
            yield browser
        finally:
            await browser.close()


class View:
    """A page, all that it asked for, and all that it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.complaints: list[str] = []
        self.may_lose_the_broker = False
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)

    async def open(self, url: str) -> None:
        await self.page.goto(url)

    async def expect_state(self, state: str) -> None:
        await expect(self.page.locator("body")).to_have_attribute("data-state", state)

    async def expect_text(self, selector: str, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator(selector)).to_have_text(text)

    async def expect_shown(self, selector: str, *, is_shown: bool = True) -> None:
        await expect(self.page.locator(selector)).to_be_visible(visible=is_shown)

    async def ask(self, script: str, argument: Any = None) -> Any:
        return await self.page.evaluate(script, argument)

    def _hear(self, message: ConsoleMessage) -> None:
        if not (self.may_lose_the_broker and message.text.startswith(_LOST)):
            self.complaints.append(message.text)

    def _begin(self, request: Request) -> None:
        self.asked.append(request.url)
        self.at_once += request.url.endswith("/stats")
        self.most_at_once = max(self.most_at_once, self.at_once)

    def _end(self, request: Request) -> None:
        self.at_once -= request.url.endswith("/stats")


@asynccontextmanager
async def viewing(browser: Browser, **terms: Any) -> AsyncIterator[View]:
    """A page of its own; when the block ends it must not have complained, nor left its origin."""
    terms = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | terms
    async with await browser.new_context(**terms) as context:
        context.set_default_timeout(PATIENCE_MS)
        view = View(await context.new_page())
        yield view
        home = view.page.url
        assert [url for url in view.asked if not url.startswith(home)] == []
        assert view.complaints == []
