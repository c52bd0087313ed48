"""The program that serves the bundled tables."""
