"""The engine: it limits, times and retries requests. It knows no HTTP library: a transport is passed in."""
