"""What can be asked of the Split and Harness APIs: a class for each attribute of the client, a method for each call."""
