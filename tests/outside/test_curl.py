"""The commands of the README, with curl itself."""

import pytest

from tests.outside.curl import CurlSubscription, run_curl
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio


async def test_curl_publishes_and_subscribes_by_hand(broker: RunningBroker, topic: str) -> None:
    url = f"https://localhost:{broker.port}"
    async with await CurlSubscription.open(broker.ca, f"{url}/subscribe/{topic}") as curl:
        await curl.type('"INIT"\n')
        for data in ("helloworld", "second"):
            await run_curl(broker.ca, "-X", "POST", f"{url}/publish/{topic}", "--data", data)
        assert await curl.read_line() == b'{"msg":"aGVsbG93b3JsZA=="}\n'

        await curl.type('"ACK"\n')
        assert await curl.read_line() == b'{"msg":"c2Vjb25k"}\n'

        curl.end_input()
        assert await curl.wait_end() == 0


async def test_curl_sets_a_message_aside(broker: RunningBroker, topic: str) -> None:
    url = f"https://localhost:{broker.port}"
    await run_curl(broker.ca, "-X", "POST", f"{url}/publish/{topic}", "--data", "x")
    async with await CurlSubscription.open(broker.ca, f"{url}/subscribe/{topic}") as curl:
        await curl.type('"INIT" "DACK 1"\n')

        assert await curl.read_line() == b'{"msg":"eA=="}\n'
        assert await curl.read_line() == b'{"msg":"eA==","dackCount":1}\n'


async def test_a_killed_curl_gives_its_message_back(broker: RunningBroker, topic: str) -> None:
    url = f"https://localhost:{broker.port}"
    await run_curl(broker.ca, "-X", "POST", f"{url}/publish/{topic}", "--data", "x")
    async with await CurlSubscription.open(broker.ca, f"{url}/subscribe/{topic}") as curl:
        await curl.type('"INIT"')
        assert await curl.read_line() == b'{"msg":"eA=="}\n'

    async with await CurlSubscription.open(broker.ca, f"{url}/subscribe/{topic}") as curl:
        await curl.type('"INIT"')
        assert await curl.read_line() == b'{"msg":"eA=="}\n'


async def test_curl_takes_a_message_with_a_complete_body(broker: RunningBroker, topic: str) -> None:
    url = f"https://localhost:{broker.port}"
    await run_curl(broker.ca, "-X", "POST", f"{url}/publish/{topic}", "--data", "x")

    answer = await run_curl(broker.ca, f"{url}/subscribe/{topic}", "--data", '"INIT""ACK"')

    assert answer == b'{"msg":"eA=="}\n'


async def test_curl_deletes_a_topic(broker: RunningBroker, topic: str) -> None:
    code = ("-o", "/dev/null", "-w", "%{http_version} %{http_code}")
    url = f"https://localhost:{broker.port}/{topic}"

    assert await run_curl(broker.ca, *code, "-X", "DELETE", url) == b"2 200"


async def test_curl_ends_when_its_stream_was_ended_before_its_input(
    broker: RunningBroker, topic: str
) -> None:
    url = f"https://localhost:{broker.port}/subscribe/{topic}"
    async with await CurlSubscription.open(broker.ca, url) as curl:
        await curl.type('"CREDIT"\n')
        assert b"too few arguments" in await curl.read_line()

        curl.end_input()

        await curl.wait_end()
