"""What is reported back to Kameleoon."""
