"""What an engine needs whose store is on another machine, and is used by several brokers."""
