"""Settings: each that cannot be right is refused, by its name and with its range."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from campaigns_async import Auth, ConfigurationError, InvalidArgumentError, RetryPolicy, Timeouts
from campaigns_async._checks import check_base_url, check_choice, check_instance, check_int
from campaigns_async._http.api_key import check_api_key

NO_NUMBERS: list[Any] = [
    True,
    False,
    None,
    "5",
    b"5",
    [5],
    5j,
    Decimal(5),
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    -(10**5000),
]
ABOVE_ZERO = [
    (Timeouts, "connect"),
    (Timeouts, "read"),
    (Timeouts, "deadline"),
    (RetryPolicy, "base"),
]
FROM_ZERO = [(Timeouts, "grace"), (RetryPolicy, "max_retry_after")]


@pytest.mark.parametrize(("cls", "name"), [*ABOVE_ZERO, *FROM_ZERO, (RetryPolicy, "cap")])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: str(type(value).__name__))
def test_a_time_that_is_no_finite_number_is_refused(cls: Any, name: str, value: Any) -> None:
    if (name, value) == ("deadline", None):
        assert cls(deadline=None).deadline is None
        return
    with pytest.raises(ConfigurationError, match=rf"{cls.__name__}\.{name} must be a finite number, not ") as caught:
        cls(**{name: value})
    assert len(str(caught.value)) < 200
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("cls", "name"), ABOVE_ZERO)
@pytest.mark.parametrize("value", [0, 0.0, -0.0, -1, -1e-9])
def test_a_time_that_must_be_above_zero_is_refused_at_zero_and_below(cls: Any, name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{cls.__name__}\.{name} must be more than 0, not "):
        cls(**{name: value})


@pytest.mark.parametrize(("cls", "name"), FROM_ZERO)
def test_a_time_that_may_be_zero_is_refused_below(cls: Any, name: str) -> None:
    assert getattr(cls(**{name: 0}), name) == 0
    with pytest.raises(ConfigurationError, match=rf"{cls.__name__}\.{name} must be at least 0, not -1"):
        cls(**{name: -1})


def test_a_cap_below_the_base_is_refused() -> None:
    assert RetryPolicy(base=3, cap=3).cap == 3
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\.cap must be at least 3, not 2"):
        RetryPolicy(base=3, cap=2)


@pytest.mark.parametrize("value", [True, None, "5", 2.0, math.nan])
def test_attempts_that_are_no_whole_number_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\.attempts must be a whole number, not "):
        RetryPolicy(attempts=value)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "at least 1, not 0"), (-5, "at least 1, not -5"), (1001, "at most 1000, not 1001")]
    + [(10**5000, "at most 1000, not a number of that size"), (-(10**5000), "at least 1, not a number of that size")],
    ids=["0", "-5", "1001", "huge", "hugely negative"],
)
def test_attempts_out_of_range_are_refused(value: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"RetryPolicy\.attempts must be {said}\Z"):
        RetryPolicy(attempts=value)


@pytest.mark.parametrize("value", [None, 503, 5.0, True, "503", ["503"], [True], [399], [600], [503, 0], [None]])
def test_rejected_statuses_that_are_no_error_statuses_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"RetryPolicy\.rejected_statuses must be "):
        RetryPolicy(rejected_statuses=value)


def test_rejected_statuses_may_be_any_iterable_of_error_statuses() -> None:
    assert RetryPolicy(rejected_statuses=iter([400, 503, 599])).rejected_statuses == (400, 503, 599)


def test_what_is_documented_is_the_default() -> None:
    assert (Timeouts().connect, Timeouts().read, Timeouts().deadline) == (10, 30, 120)
    assert (RetryPolicy().attempts, RetryPolicy().max_retry_after, RetryPolicy().rejected_statuses) == (5, 60, ())


def test_one_of_a_few_gives_the_member_and_names_them_all_when_refusing() -> None:
    assert check_choice("auth", "header", tuple(Auth)) is Auth.HEADER
    with pytest.raises(ConfigurationError, match=r"\Aauth must be one of 'bearer', 'header', 'query'\Z"):
        check_choice("auth", "KEY-THAT-WENT-ASTRAY", tuple(Auth))
    with pytest.raises(ConfigurationError, match=r"\Aupdate_method must be one of 'PUT', 'POST'\Z"):
        check_choice("update_method", "put", ("PUT", "POST"))


def test_a_wrong_class_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"\Aretry must be a RetryPolicy, not Timeouts\Z"):
        check_instance("retry", Timeouts(), RetryPolicy)


GOOD_URLS = {
    "https://host": "https://host",
    "http://host": "http://host",
    "https://host/": "https://host",
    "https://host///": "https://host",
    "https://host/prefix": "https://host/prefix",
    "https://host/prefix/": "https://host/prefix",
    "https://host/a/b.c/~d/%20/...": "https://host/a/b.c/~d/%20/...",
    "https://host:8443/a": "https://host:8443/a",
    "https://host:65535": "https://host:65535",
    "HTTPS://Host": "HTTPS://Host",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "http://[::1]:8080/a": "http://[::1]:8080/a",
    "http://[2001:db8::1]": "http://[2001:db8::1]",
    "https://my_service.local.": "https://my_service.local.",
    "https://xn--hst-dma.example": "https://xn--hst-dma.example",
    "https://api.sms.dynamicmessaging.co.uk": "https://api.sms.dynamicmessaging.co.uk",
}
BAD_URLS: list[tuple[Any, str]] = [
    (None, "text, not NoneType"),
    (b"https://host", "text, not bytes"),
    (5, "text, not int"),
    ("", "begin with https"),
    ("host", "begin with https"),
    ("host:443", "begin with https"),
    ("//host", "begin with https"),
    ("/path", "begin with https"),
    ("ftp://host", "begin with https"),
    ("file:///etc/passwd", "begin with https"),
    ("javascript:alert(1)", "begin with https"),
    ("https://", "begin with https"),
    ("https:///prefix", "begin with https"),
    ("https:host", "begin with https"),
    ("https://:443", "begin with https"),
    ("https://host:0", "no URL"),
    ("https://host:", "no URL"),
    ("https://host:70000", "no URL"),
    ("https://host:-1", "no URL"),
    ("https://host:http", "no URL"),
    ("https://[::1", "no URL"),
    ("https://user:secret@host", "user name or password"),
    ("https://secret@host", "user name or password"),
    ("https://@host", "user name or password"),
    ("https://host?api-key=secret", "query or a fragment"),
    ("https://host?", "query or a fragment"),
    ("https://host/a?b", "query or a fragment"),
    ("https://host#", "query or a fragment"),
    ("https://host#secret", "query or a fragment"),
    ("https://host /a", "plain ASCII without blanks"),
    (" https://host", "plain ASCII without blanks"),
    ("https://host\n", "plain ASCII without blanks"),
    ("https://ho\tst", "plain ASCII without blanks"),
    ("https://host\x00", "plain ASCII without blanks"),
    ("https://host\x7f", "host that can be"),
    ("https://höst", "plain ASCII without blanks"),
    ("https://host/ä", "plain ASCII without blanks"),
    ("https://host\\evil", "plain ASCII without blanks"),
    ("https://..", "host that can be"),
    ("https://.", "host that can be"),
    ("https://a..b", "host that can be"),
    ("https://.host", "host that can be"),
    ("https://-host", "host that can be"),
    ("https://ho,st", "host that can be"),
    ("https://ho%20st", "host that can be"),
    (f"https://{'a' * 64}", "host that can be"),
    (f"https://{'a.' * 130}b", "host that can be"),
    ("https://host/..", "percent-encoded prefix"),
    ("https://host/../a", "percent-encoded prefix"),
    ("https://host/./a", "percent-encoded prefix"),
    ("https://host/%2e%2E/a", "percent-encoded prefix"),
    ("https://host/a%2f..%2fb", "percent-encoded prefix"),
    ("https://host/..;x", "percent-encoded prefix"),
    ("https://host/%zz", "percent-encoded prefix"),
    ("https://host/%2", "percent-encoded prefix"),
    ('https://host/"', "percent-encoded prefix"),
]


@pytest.mark.parametrize(("url", "kept"), GOOD_URLS.items())
def test_a_base_url_may_carry_a_port_and_a_prefix_and_loses_its_last_slash(url: str, kept: str) -> None:
    assert check_base_url("base_url", url) == kept


@pytest.mark.parametrize(("url", "why"), BAD_URLS, ids=lambda value: ascii(value)[:40])
def test_a_base_url_that_cannot_be_right_is_refused_with_the_reason_and_not_quoted(url: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\Abase_url .*{why}") as caught:
        check_base_url("base_url", url)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None, "what urlsplit raises quotes the URL"


@pytest.mark.parametrize(
    "url", ["https://user:secret@host:x", "https://user:sec/ret@host", "https://[secret", "https://host:secret"]
)
def test_a_password_in_a_malformed_url_is_reachable_from_nowhere(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_base_url("base_url", url)
    assert "sec" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("key", ["k", "a-b_c.d~e+f/g=", "x" * 4096, "!\"#$%&'()*"])
def test_a_key_may_hold_any_visible_ascii(key: str) -> None:
    assert check_api_key("api_key", key) is key


BAD_KEYS: dict[str, str] = {
    "SECRET KEY": "contains a blank or a line break",
    "SECRET\r\nX: y": "contains a blank or a line break",
    " SECRET": "at its beginning or end",
    "SECRET\n": "at its beginning or end",
    "SECRET\t": "at its beginning or end",
    "SECRET\u2028": "at its beginning or end",
    "\ufeffSECRET\n": "begins with a byte order mark",
    "\xef\xbb\xbfSECRET": "begins with a byte order mark",
    "S\0E\0CRET": "contains NUL characters, as a file in UTF-16 does",
    "SECRET\x7f": "contains a control character",
    "SECRETé": "contains a character outside ASCII",
    "SECRET\u200b": "contains a character outside ASCII",
}


@pytest.mark.parametrize(("key", "why"), BAD_KEYS.items(), ids=ascii)
def test_a_key_that_fits_no_header_is_refused_and_not_quoted(key: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^api_key .*{why}") as caught:
        check_api_key("api_key", key)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "why"), [("", "is empty"), (None, "not NoneType"), (b"SECRET", "not bytes"), (5, "not int")]
)
def test_a_key_that_is_no_text_is_refused(key: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"api_key .*{why}"):
        check_api_key("api_key", key)


@pytest.mark.parametrize("value", [0, 11, True, 1.0, "5", None, 10**40])
def test_a_whole_number_out_of_its_range_is_refused_by_the_class_that_is_asked_for(value: Any) -> None:
    for error in (ConfigurationError, InvalidArgumentError):
        with pytest.raises(error, match=r"\Alimit must be ") as caught:
            check_int("limit", value, ge=1, le=10, error=error)
        assert caught.value.parameter == "limit"
    assert check_int("limit", 10, ge=1, le=10) == 10
