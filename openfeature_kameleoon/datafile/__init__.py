"""What is running: a site's data file, its sources, and what is made of them."""
