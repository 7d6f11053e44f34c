"""The provider's live service is refused, however it is written."""

from __future__ import annotations

import socket

import pytest

from campaigns_async.cli.demo_run import is_live

from .conftest import Command

LIVE = [
    "https://api.sms.dynamicmessaging.co.uk",
    "http://api.sms.dynamicmessaging.co.uk",
    "https://api.sms.dynamicmessaging.co.uk/",
    "https://api.sms.dynamicmessaging.co.uk/prefix",
    "https://api.sms.dynamicmessaging.co.uk:443",
    "https://api.sms.dynamicmessaging.co.uk.",
    "https://api.sms.dynamicmessaging.co.uk..",
    "https://API.SMS.DynamicMessaging.CO.UK",
    "https://dynamicmessaging.co.uk",
    "https://sms.dynamicmessaging.co.uk",
    "https://a.b.api.sms.dynamicmessaging.co.uk",
    "https://www.dynamicmessaging.co.uk",
    "https://localhost@api.sms.dynamicmessaging.co.uk",
    "https://localhost:80@api.sms.dynamicmessaging.co.uk:443",
    "https://api.sms.dynamicmessaging.co.uk@localhost",
    "https://%61pi.sms.dynamicmessaging.co.uk",
    "https://api.sms.%64ynamicmessaging.co.uk",
    "https://api.sms.dynamicmessaging%2Eco%2euk",
    "https://api.sms.%2564ynamicmessaging.co.uk",
    "https://api.sms.%25252564ynamicmessaging.co.uk",
    "https://api。sms。dynamicmessaging。co。uk",
    "https://api.sms.ｄｙｎａｍｉｃmessaging.co.uk",
    "https://api.sms.dynamic\u00admessaging.co.uk",
    "https://api.sms.dynamic\u200bmessaging.co.uk",
    "https://api.sms.dynamicme\nssaging.co.uk",
    "https://api.sms.dynamicme\tssaging.co.uk",
    " https://api.sms.dynamicmessaging.co.uk",
    "https:\\\\api.sms.dynamicmessaging.co.uk",
    "//api.sms.dynamicmessaging.co.uk",
    "api.sms.dynamicmessaging.co.uk",
    "https://proxy.example/api.sms.dynamicmessaging.co.uk",
    "https://proxy.example/?to=dynamicmessaging.co.uk",
]
NOT_LIVE = [
    "http://127.0.0.1:8080",
    "http://localhost",
    "http://[::1]:8080/prefix",
    "https://sandbox.example",
    "https://dynamic-messaging.example",
    "https://messaging.co.uk",
]


@pytest.mark.parametrize("url", LIVE)
def test_what_is_live_is_told_from(url: str) -> None:
    assert is_live(url)


@pytest.mark.parametrize("url", NOT_LIVE)
def test_what_is_not(url: str) -> None:
    assert not is_live(url)


@pytest.mark.parametrize("url", LIVE)
def test_the_demo_refuses_it_before_anything_is_opened(
    url: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    monkeypatch.setattr(socket, "getaddrinfo", no_socket)
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "a-live-key")
    ended = command("demo", "--base-url", url)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("campaigns-async demo: --base-url names the provider's live service")
    assert ended.err.count("\n") == 1
