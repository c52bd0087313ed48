"""Serve an extension: register it, keep it registered, report its calls, and take it away without a trace."""
