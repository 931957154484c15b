"""What is known of a visitor."""
