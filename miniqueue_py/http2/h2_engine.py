"""h2 as its codec needs it: set up, and without its walks over all streams."""

from collections.abc import Mapping

import h2.config
import h2.connection
import h2.settings

from miniqueue_py.http2 import limits
from miniqueue_py.http2.codec import MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE

FRAME_BYTES = 1 << 14
"""What everybody takes."""

NO_BOUND = 1 << 62

_FIRST_WINDOW = (1 << 16) - 1
"""A connection's, until it is made larger."""


class Engine(h2.connection.H2Connection):
    """H2, without its walk over all streams for each that begins."""

    open_streams = 0
    """Counted by the codec, which refuses what is too much by itself."""

    @property
    def open_outbound_streams(self) -> int:
        return self.open_streams

    @property
    def open_inbound_streams(self) -> int:
        return 0

    def forget_closed(self) -> None:
        """Walk, now and then: it is where h2 lets closed streams go."""
        if len(self.streams) > 2 * self.open_streams + 100:
            _ = super().open_inbound_streams


def new_engine(settings: Mapping[int, int], connection_window: int, *, is_client: bool) -> Engine:
    engine = Engine(
        h2.config.H2Configuration(
            client_side=is_client,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    ours = {MAX_HEADER_LIST_SIZE: limits.MOST_HEADER_BYTES, **settings}
    engine.local_settings = h2.settings.Settings(
        client=is_client,
        initial_values={h2.settings.SettingCodes(code): value for code, value in ours.items()},
    )
    engine.max_inbound_frame_size = settings.get(MAX_FRAME_SIZE, FRAME_BYTES)
    engine.initiate_connection()
    engine.increment_flow_control_window(connection_window - _FIRST_WINDOW)
    return engine
