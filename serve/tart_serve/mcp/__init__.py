"""The Model Context Protocol: search as a tool that an agent finds, understands and calls by itself."""
