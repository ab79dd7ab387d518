"""ZoldyQ as it is served: its queues, behind HTTP and WebSockets."""

from typing import TYPE_CHECKING, ClassVar

from miniqueue_py.http.access.needs import KNOWN, Need, Needs
from miniqueue_py.http.access.rights import EVERY_TOPIC, INSPECT
from miniqueue_py.http.dialects.dialect import OpenDialect, Tools
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq
from miniqueue_py.http.dialects.zoldyq.queues import ZoldyqQueues
from miniqueue_py.http.dialects.zoldyq.requests import busy_zoldyq, explain_zoldyq
from miniqueue_py.http.dialects.zoldyq.sockets import ZoldyqSockets

if TYPE_CHECKING:
    from quart import Blueprint


class OpenZoldyq(OpenDialect):
    """Its queues, and its two doors to them."""

    explain = staticmethod(explain_zoldyq)
    needs: ClassVar[Needs] = {"zoldyq.health": KNOWN, "zoldyq.metrics": Need(INSPECT, EVERY_TOPIC)}

    def __init__(self, tools: Tools, options: Zoldyq) -> None:
        self.queues = ZoldyqQueues(tools.broker, tools.administration, options)
        self.busy = busy_zoldyq(self.queues, tools.access)
        self.sockets: ZoldyqSockets = ZoldyqSockets(self.queues, tools.access)

    def pages(self) -> "Blueprint":
        from miniqueue_py.http.dialects.zoldyq.pages import zoldyq_pages  # noqa: PLC0415

        return zoldyq_pages(self.queues)
