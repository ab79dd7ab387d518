"""What is wrong with a database is told in one line, and never the password."""

import asyncpg
import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.database_address import without_password
from miniqueue_py.errors import DatabaseRefused, StorageUnavailable
from miniqueue_py.storage import opening
from miniqueue_py.storage.shared.engine import SharedStorage
from miniqueue_py.testing.storing import bodies, publish, take
from tests.storage.engines import new_database, open_shared

pytestmark = pytest.mark.anyio


async def refusal(url: str) -> str:
    with pytest.raises(DatabaseRefused) as refused:
        await opening.open_shared(url, 10.0, "strongest")
    told = str(refused.value)
    assert "\n" not in told
    assert "secret" not in told
    return told


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def test_an_older_schema_is_told_what_to_run() -> None:
    url = await new_database()
    await execute(url, "UPDATE miniqueue.version SET number = 1")
    assert "is version 1 and has to be 4; run miniqueue migrate postgresql://" in await refusal(url)


async def test_a_newer_schema_is_refused_by_a_broker_and_by_migrate() -> None:
    url = await new_database()
    await execute(url, "UPDATE miniqueue.version SET number = 99")
    assert "is version 99, and this miniqueue knows 4" in await refusal(url)
    with pytest.raises(DatabaseRefused, match="is version 99"):
        await opening.migrate(url)


async def test_migrating_twice_is_migrating_once() -> None:
    url = await new_database()
    assert await opening.migrate(url) == (4, 4)


async def test_a_database_that_is_not_there_is_named() -> None:
    url = (await new_database()).replace("/mq_", "/nothing_")
    assert "there is no database of that name" in await refusal(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://mq:secret@127.0.0.1:1/queue",
        "postgresql://mq:secret@127.0.0.1:port/queue",
    ],
)
async def test_a_url_that_leads_nowhere_is_refused_without_its_password(url: str) -> None:
    assert "127.0.0.1" in await refusal(url)


async def test_what_is_shown_of_a_url_has_no_user_and_no_password() -> None:
    shown = without_password("postgresql://mq:secret@db:5432/queue?sslpassword=secret")
    assert shown == "postgresql://db:5432/queue"


async def test_a_role_that_may_not_create_anything_is_enough() -> None:
    url = await new_database()
    await execute(
        url,
        "DROP ROLE IF EXISTS least; CREATE ROLE least LOGIN;"
        "GRANT USAGE ON SCHEMA miniqueue TO least;"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA miniqueue TO least;"
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA miniqueue TO least;",
    )
    storage = await open_shared(url.replace("//mq@", "//least@"))
    await publish(storage, "orders", b"1")
    assert bodies(await take(storage, "orders", 1)) == [b"1"]
    await storage.aclose()
    await execute(url, "DROP OWNED BY least; DROP ROLE least")


async def test_a_connection_that_breaks_is_opened_again_and_settlements_are_not_lost() -> None:
    url = await new_database()
    storage: SharedStorage = await open_shared(url)
    await publish(storage, "orders", b"1", b"2")
    held = await take(storage, "orders", 2)

    await execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    assert not storage.settle(held, ACK)
    for _ in range(20):
        try:
            await publish(storage, "orders", b"3")
            break
        except StorageUnavailable:
            storage._presence.note(None)  # as the next heartbeat does
    assert bodies(await take(storage, "orders", 9)) == [b"3"]
    await storage.aclose()
