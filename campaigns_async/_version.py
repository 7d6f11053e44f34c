"""The version of this package; what the build reads."""

__version__ = "0.1.0"
