"""Watches and steers the sandbox over HTTP, under `/_sandbox`."""

from .request import ControlRequest
from .routes import BASE, Control

__all__ = ["BASE", "Control", "ControlRequest"]
