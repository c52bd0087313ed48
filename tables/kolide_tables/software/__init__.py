"""Tables of software beside the system's packages: Python, Node.js, Go, flatpak, snap, AI tools."""
