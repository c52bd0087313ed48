"""Tables of software that is installed beside the system's packages: Python, Node.js, Go, flatpak, snap, AI tools."""
