"""Watches and steers the sandbox over HTTP, under `/_sandbox`."""

from .request import ControlRequest
from .routes import Control

__all__ = ["Control", "ControlRequest"]
