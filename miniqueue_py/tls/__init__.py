"""Who the broker is: its certificates, their authority, and what it shows."""
