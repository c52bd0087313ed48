"""osqueryd's extension manager: which plugin has which name, its own tables and plugins, and calls."""
