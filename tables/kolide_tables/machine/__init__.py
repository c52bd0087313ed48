"""Tables of processes, services, devices and load."""
