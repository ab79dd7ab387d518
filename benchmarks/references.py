"""What is known of the same work: speed.md's prototype and peers, and what was asked for.

speed.md's stream figures are of 10-byte messages where it gives no other size.
"""

_GO = "MiniQueue in Go, without fsync,"
_LATENCY = "p50 / p99 in us: MiniQueue in Go 344 / 1,365; NATS 61 / 203; Redis 34 / 159"
_ASKED = "asked for 400,000"

REFERENCES = {
    "publish 12 x 1": f"prototype 5,400; {_GO} 24,500",
    "publish 12 x 10": f"prototype 6,600; {_GO} 38,700",
    "consume": f"prototype 17,600; {_GO} 15,500",
    "stream 10 B": "prototype 1,500,000; Redis 800,000",
    "stream 100 B": f"{_ASKED}, fsync always 250,000; prototype 670,000",
    "consume credit 100": "prototype 686,000; Redis 452,000",
    "consume credit 1000": f"{_ASKED}; prototype 1,220,000",
    "latency at 100/s": _LATENCY,
}
