"""The worker: what calls handlers, retries, and settles what became of them."""
