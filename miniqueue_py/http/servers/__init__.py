"""One small file a server: the same application, certificates and drain on each."""
