"""For authors' tests."""
