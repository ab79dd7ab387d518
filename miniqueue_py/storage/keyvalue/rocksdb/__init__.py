"""RocksDB, by rocksdict, and what is known of its files."""
