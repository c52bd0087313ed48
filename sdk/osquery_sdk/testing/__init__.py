"""Help for the tests of extension authors: `plugin` is loaded by pytest."""
