"""The HTTP door: requests to broker verbs, errors to statuses."""
