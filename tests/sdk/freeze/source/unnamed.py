"""A module that no import statement names, and of which the build is not told."""
