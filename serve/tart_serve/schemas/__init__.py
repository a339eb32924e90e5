"""Request and reply bodies, one file a route."""
