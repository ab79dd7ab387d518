"""PostgreSQL as the store of several brokers."""
