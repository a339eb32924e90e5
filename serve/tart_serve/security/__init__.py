"""Who may ask what: API keys, hosts, origins, limits on clients, and the headers that browsers obey."""
