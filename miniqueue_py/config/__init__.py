"""What a broker can be told: its settings, and where they come from."""
