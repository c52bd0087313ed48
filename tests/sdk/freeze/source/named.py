"""A module that no import statement names; the build is told of it."""
