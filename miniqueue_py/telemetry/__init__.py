"""What listens to the broker: logs now, metrics later."""
