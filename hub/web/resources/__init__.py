"""What the API is about: a module for each noun, whose handlers decide nothing."""
