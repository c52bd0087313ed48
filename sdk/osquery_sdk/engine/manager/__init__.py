"""osqueryd's extension manager: the names of plugins, its own tables and plugins, calls to extensions."""
