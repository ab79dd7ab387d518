"""The client's side of HTTP/2: connections, streams, requests."""
