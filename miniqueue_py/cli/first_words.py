"""What somebody who has just started a broker may type next."""

from pathlib import Path

_TEXT = """
Try it from a second and a third terminal, here:

  curl -N --http2 --cacert {ca} -X POST -T . {url}/subscribe/foo
      then type "INIT" (with the quotes), and "ACK" for each message
  curl --cacert {ca} -X POST {url}/publish/foo --data helloworld

The dashboard: {url}/tasks/     To stop: Ctrl-C
"""


def first_words(url: str, authority: Path) -> str:
    """Return the commands that reach a broker at that URL with a certificate of that authority."""
    return _TEXT.format(url=url, ca=authority)
