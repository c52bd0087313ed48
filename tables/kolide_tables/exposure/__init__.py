"""Tables of ports that are open, and of settings that harden the machine."""
