"""All dialects: what is busy of each by handlers, the rest by pages."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.needs import DIALECTS
from miniqueue_py.http.dialects.busy import Busy
from miniqueue_py.http.dialects.coramq.requests import CoramqQueues, explain_coramq
from miniqueue_py.http.dialects.options import DialectOptions
from miniqueue_py.http.dialects.tasks.requests import TaskQueue, explain_task
from miniqueue_py.http.dialects.zapq.requests import ZapqQueue, explain_zapq
from miniqueue_py.http.dialects.zoldyq.queues import ZoldyqQueues
from miniqueue_py.http.dialects.zoldyq.requests import busy_zoldyq, explain_zoldyq
from miniqueue_py.http.json_text import longest_request_bytes
from miniqueue_py.telemetry.rates import Rates

if TYPE_CHECKING:
    from quart import Quart


class Dialects:
    """The queues of all dialects."""

    def __init__(  # noqa: PLR0913  handed in by the one place that makes it
        self,
        broker: Broker,
        administration: Administration,
        snapshots: Snapshots,
        task_rates: Rates,
        options: DialectOptions,
        *,
        access: Access | None = None,
    ) -> None:
        self._access = access
        self.zoldyq = ZoldyqQueues(broker, administration, options.zoldyq)
        self._zapq = ZapqQueue(broker, options.zapq)
        self._coramq = CoramqQueues(broker, administration)
        self._tasks = TaskQueue(broker, administration)
        self._administration = administration
        self._snapshots = snapshots
        self._task_rates = task_rates
        self.busy: Mapping[str, Busy] = {
            "zapq": self._zapq.busy(access),
            "coramq": self._coramq.busy(access),
            "zoldyq": busy_zoldyq(self.zoldyq, access),
            "tasks": self._tasks.busy(access),
        }
        self._longest = longest_request_bytes(broker.limits.max_message_bytes)

    def create_apps(self) -> "Mapping[str, Quart]":
        """Return the application of each dialect by its name."""
        # Quart is behind these.
        from miniqueue_py.http.dialects.app import dialect_app  # noqa: PLC0415
        from miniqueue_py.http.dialects.coramq.pages import coramq_pages  # noqa: PLC0415
        from miniqueue_py.http.dialects.tasks.pages import tasks_pages  # noqa: PLC0415
        from miniqueue_py.http.dialects.zapq.pages import zapq_pages  # noqa: PLC0415
        from miniqueue_py.http.dialects.zoldyq.pages import zoldyq_pages  # noqa: PLC0415

        zapq = zapq_pages(self._zapq, self._administration, self._snapshots)
        parts = {
            "zapq": (zapq, explain_zapq),
            "coramq": (coramq_pages(self._coramq), explain_coramq),
            "zoldyq": (zoldyq_pages(self.zoldyq), explain_zoldyq),
            "tasks": (tasks_pages(self._tasks, self._task_rates), explain_task),
        }
        return {
            name: dialect_app(
                blueprint,
                explain,
                longest_body_bytes=self._longest,
                access=self._access,
                needs=DIALECTS[name],
            )
            for name, (blueprint, explain) in parts.items()
        }
