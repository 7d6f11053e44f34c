"""The network of a command: proxies and CAs come from the environment."""

from __future__ import annotations

import pytest

from campaigns_async.sandbox.threaded import ThreadedSandbox

from .conftest import Command


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove what the machine of the test has set."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_command_uses_the_proxy_of_the_environment(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadedSandbox() as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CAMPAIGNS_BASE_URL", "http://api.example")
        monkeypatch.setenv("HTTP_PROXY", sandbox.url)
        assert "404" in command("campaigns", "list").err, "of the sandbox, which is no proxy"
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HTTPS_PROXY", "socks5h://ann:HIDDEN@127.0.0.1:1080", "HTTPS_PROXY in the environment is a SOCKS proxy"),
        ("HTTPS_PROXY", "ftp://ann:HIDDEN@127.0.0.1", "HTTPS_PROXY in the environment must be the URL of a proxy"),
        ("SSL_CERT_FILE", "/gone.pem", "SSL_CERT_FILE in the environment: /gone.pem is unreadable: No such file"),
    ],
)
def test_a_setting_of_the_environment_that_cannot_be_used_is_wrong_use(
    variable: str, value: str, words: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_API_KEY", "key")
    monkeypatch.setenv(variable, value)
    ended = command("campaigns", "list", "--base-url", "https://localhost")
    assert ended.code == 2
    assert words in ended.err
    assert "HIDDEN" not in ended.err
