"""What is done to a database that no broker has open."""
