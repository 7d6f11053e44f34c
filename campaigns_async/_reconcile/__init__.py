"""Reconciliation of creates with unknown outcome: each is found on the server, is absent, or stays unknown."""
