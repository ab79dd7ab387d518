"""The page of a broker as its users run it, at both of its addresses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.dashboard.browser import View, viewing
from tests.outside.conftest import no_stumble
from tests.outside.server import RunningBroker, parse_fact

pytestmark = pytest.mark.anyio

FLAGS = ("-fsync", "never", "-period", "20ms", "-dialect", "tasks=0")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def broker(certificates: CertificatePaths, tmp_path: Path) -> Iterator[RunningBroker]:
    running = RunningBroker(tmp_path / "db", certificates, FLAGS)
    with running as broker, no_stumble(broker):
        yield broker


@pytest.fixture(params=["mounted", "own port"])
def url(request: pytest.FixtureRequest, broker: RunningBroker) -> str:
    if request.param == "mounted":
        return f"https://{broker.host}:{broker.port}/tasks/"
    facts = map(parse_fact, broker.log_lines())
    (own,) = (fact["url"] for fact in facts if fact.get("event") == "dialect.listening")
    return f"{own}/"


async def test_it_shows_the_tasks_of_a_broker_until_that_is_gone(
    browser: Browser, broker: RunningBroker, url: str
) -> None:
    async with viewing(browser, ignore_https_errors=True) as view:
        view.may_lose_the_broker = True
        await view.open(url)
        await view.expect_state("live")
        await view.expect_shown("#hint-start")

        for number in range(3):
            await post_task(view, url, number)

        await view.expect_text("#pending", "3")
        await view.expect_text("#summary", "In all: 3 queued, 0 completed, 0 failed")
        await view.expect_shown("#hint-workers")

        broker.kill()
        await view.expect_state("away")
        await view.expect_text("#pending", "3")


async def test_its_commands_name_the_broker_that_it_is_of(
    browser: Browser, broker: RunningBroker
) -> None:
    origin = f"https://{broker.host}:{broker.port}"
    async with viewing(browser, ignore_https_errors=True) as view:
        await view.open(f"{origin}/tasks/")

        await view.expect_text(
            "#hint-workers code", f"miniqueue work module:handlers --url {origin}"
        )
        await view.expect_text("#hint-paused code", f"miniqueue resume tasks --url {origin}")


async def post_task(view: View, url: str, number: int) -> None:
    answer = await view.page.request.post(
        f"{url}task", data={"type": "email-notification", "payload": number}
    )
    assert answer.status == 202
    assert (await answer.json())["status"] == "queued"
