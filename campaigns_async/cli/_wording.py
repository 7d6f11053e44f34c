"""What the package says, with the command line's names in place of Python's."""

from __future__ import annotations

import re
from typing import Final

_IN_OPTIONS: Final = {
    "(allow_braces)": "(--allow-braces)",
    '(duplicates="drop")': "(--duplicates drop)",
    '(duplicates="keep")': "(--duplicates keep)",
    "contacts_plan (--contacts)": "--contacts",
    "ignore_invalid_phone_numbers": "--ignore-invalid-phone-numbers or --validate-phone-numbers",
    "check api_key, and auth": "look at CAMPAIGNS_API_KEY or --api-key-file, and at --auth",
    "check base_url": "look at CAMPAIGNS_BASE_URL or --base-url",
    "there is no journal yet": "there is no journal: look at its path",
    'unfinished="resume" (--resume)': "--resume",
    'unfinished="restart" (--restart)': "--restart",
    "; check_filters=False lets them through": "",
    "escape_formulas is on": "--escape-formulas is on",
    "for no value (null)": "for no value (--null)",
    "choose another (null)": "choose another (--null)",
    "(fields)": "(--fields)",
}
_DIFFERS: Final = re.compile(r"\(([\w, ]+) (differs?)\)")
_WHAT_DIFFERS: Final = {
    "campaign_ids": "CAMPAIGN_ID",
    "csv": "--excel-bom, --escape-formulas or --null",
    "filters": "--filter",
    "gzip": ".gz",
    "kind": "campaigns or contacts",
    "ordered": "--in-order or --as-they-come",
    "server": "--base-url",
    "sorts": "--sort",
    "campaign_filters": "--campaign-filter",
    "campaign_sorts": "--campaign-sort",
}


def as_options(text: str) -> str:
    """A message of the package, with the command line's names in place of Python's."""
    for said, meant in _IN_OPTIONS.items():
        text = text.replace(said, meant)
    return _DIFFERS.sub(_differing, text)


def _differing(found: re.Match[str]) -> str:
    names = found[1].split(", ")
    return f"({', '.join(_WHAT_DIFFERS.get(name, option(name)) for name in names)} {found[2]})"


def option(name: str) -> str:
    """How an argument is written on the command line."""
    return f"--{name.replace('_', '-')}"
