"""The sandbox against its own OpenAPI document, by schemathesis."""
