"""One Chromium for all tests of a process, and a server for each."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.dashboard.browser import PATIENCE_MS, View, chromium, viewing
from tests.dashboard.stand_in import StandIn


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with StandIn.running() as stand_in:
        yield stand_in


@pytest.fixture
async def view(browser: Browser) -> AsyncIterator[View]:
    async with viewing(browser) as view:
        yield view
