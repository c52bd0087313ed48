"""Config, logger and distributed plugins."""
