"""The pytest plugin under its former name, for environments that were installed before it moved."""

from campaigns_async.sandbox.pytest_plugin import (
    campaigns_sandbox,
    pytest_configure,
    pytest_runtest_makereport,
)

__all__ = ["campaigns_sandbox", "pytest_configure", "pytest_runtest_makereport"]
