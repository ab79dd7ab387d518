"""A request that is answered with messages, for which it may wait."""

from miniqueue_py.broker.claim import Claim
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.exchange import Exchange, Handler


class Claiming(Handler):
    """Claims messages. A client that goes away while it waits takes nothing with it."""

    exchange: Exchange
    wait_seconds = 0.0
    _claim: Claim | None = None
    _is_gone = False

    def claim(self) -> Claim:
        """Ask the broker. Raises MiniqueueError."""
        raise NotImplementedError

    def take(self) -> None:
        """Have the claim made: at once, or when the client has taken what it was sent before."""
        if self.wait_seconds:
            self._start()  # of answers few are made at a time; of those who wait there may be many
        else:
            self.exchange.when_room(self._start)

    def on_gone(self) -> None:
        self._is_gone = True
        if self._claim is not None:
            self._claim.cancel()

    def _start(self) -> None:
        if self._is_gone:
            return
        try:
            self._claim = self.claim()
        except MiniqueueError as error:
            self.exchange.respond(*self.refusal(self.exchange.request, error))
        except Exception as error:  # noqa: BLE001  nobody else would answer in a later turn
            self.exchange.fail(error)
