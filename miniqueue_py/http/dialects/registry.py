"""All dialects, and what each is made of."""

from collections.abc import Mapping

from quart import Blueprint, Quart

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.http.dialects.app import Explain, dialect_app
from miniqueue_py.http.dialects.coramq import coramq, explain_coramq
from miniqueue_py.http.dialects.options import ZapqOptions
from miniqueue_py.http.dialects.tasks import explain_task, tasks
from miniqueue_py.http.dialects.zapq import READ_ON_BYTES, explain_zapq, zapq
from miniqueue_py.http.dialects.zoldyq import explain_zoldyq, zoldyq
from miniqueue_py.http.dialects.zoldyq_queues import ZoldyqQueues
from miniqueue_py.http.json_text import longest_request_bytes
from miniqueue_py.telemetry.rates import Rates


def create_dialects(  # noqa: PLR0913, PLR0917  what the dialects are made of
    broker: Broker,
    administration: Administration,
    snapshots: Snapshots,
    task_rates: Rates,
    zoldyq_queues: ZoldyqQueues,
    zapq_options: ZapqOptions,
) -> Mapping[str, Quart]:
    """Return the application of each dialect by its name."""
    longest = max(longest_request_bytes(broker.limits.max_message_bytes), READ_ON_BYTES)
    parts: dict[str, tuple[Blueprint, Explain]] = {
        "zapq": (zapq(broker, administration, snapshots, zapq_options), explain_zapq),
        "coramq": (coramq(broker, administration), explain_coramq),
        "zoldyq": (zoldyq(zoldyq_queues), explain_zoldyq),
        "tasks": (tasks(broker, administration, task_rates), explain_task),
    }
    return {
        name: dialect_app(blueprint, explain, longest_body_bytes=longest)
        for name, (blueprint, explain) in parts.items()
    }
