"""The rules of plain prose for names, docstrings, comments and texts, and a checker that finds what breaks them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from itertools import pairwise

from attrs import frozen

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VERBS = _words("""
    Abort Accept Acknowledge Acquire Add Adopt Advance Allow Answer Append Apply Assert Assign Attach Await Begin
    Block Bound Break Bring Buffer Build Call Cancel Carry Change Check Choose Claim Clamp Classify Clean Clear Close
    Collect Combine Commit Compare Compile Complete Compress Compute Configure Confirm Connect Consume Contain
    Continue Convert Copy Count Create Cut Decide Decode Decompress Decorate Delay Delete Derive Describe Detect
    Determine Discard Disconnect Distribute Do Drain Draw Drop Emit Empty Enable Encode End Ensure Enter Erase Escape
    Estimate Exclude Execute Exit Expand Expire Explain Export Extend Extract Fail Feed Fetch Fill Filter Find Finish
    Fit Flush Fold Follow Forget Format Forward Free Generate Get Give Grant Group Guess Handle Hash Have Hide Hold
    Ignore Import Include Increase Index Initialize Insert Inspect Install Interpret Interrupt Invoke Iterate Join
    Jump Keep Kill Leave Let Limit List Listen Load Lock Log Look Lower Make Map Mark Match Measure Merge Move Name
    Negate Normalize Note Notify Number Observe Offer Open Order Pack Parse Pass Patch Pause Pick Pin Plan Play Poll
    Prepare Press Print Probe Process Produce Publish Pull Push Put Queue Quote Raise Read Receive Recompute Reconcile
    Reconnect Record Reduce Refuse Register Release Reload Remember Remove Rename Render Reopen Repeat Replace Report
    Request Require Reread Rerun Reserve Reset Resize Resolve Restore Resume Retrieve Retry Return Reverse Rewrite
    Roll Rotate Round Run Sample Save Say Scale Scan Schedule Search Seed Select Send Separate Serialize Serve Set
    Settle Shift Shorten Show Shut Silence Simulate Skip Sleep Slice Sort Spawn Split Spread Start State Stop Store
    Stream Strip Subtract Sum Suspend Swap Sync Take Test Time Trace Track Translate Trim Truncate Try Turn Undo
    Unescape Unlink Unlock Unpack Unregister Update Upgrade Use Validate Verify Visit Wait Wake Walk Warn Widen Wrap
    Write Yield Zip
    """)
"""What a function's docstring may open with."""

NOUNS_TOO = _words("""
    Answer Buffer Call Change Check Claim Copy Count Create Delay End Export Filter Group Hash Index Limit List Lock
    Log Map Match Measure Name Number Order Plan Poll Probe Process Queue Record Report Request Retry Run Sample Scan
    Search Seed Shift Sleep Sort Spread Start State Store Stream Sum Swap Test Time Trace Update Walk
    """)
"""Verbs that are nouns as well, alone or as plurals: a class's docstring may open with them."""

PARTICIPLES = _words("""
    begun bought brought built caught chosen done drawn fed felt found given gone got grown held hidden kept known
    left lost made meant met said seen sent shown sought spent taken thrown told torn won written
    """)
"""Participles that do not end in "ed"."""

NO_PARTICIPLES = _words("bleed embed exceed feed need proceed seed shed speed succeed")
"""Verbs that do."""

PUBLIC_NAMES = _words("throttled lost_request lost_answer listed_late")
"""Presets of the sandbox, which are named after the fault that they return."""

FOREIGN_NAMES = _words("tell")
"""Names that an interface of another library demands: a file has `tell()`."""

CLAUSE = re.compile(r"(?:What|Whether|How|Who|Why|Which|Where|When)\b")
TELEGRAM = re.compile(r"(?:^|[.(\n])[ ]*(?:None|True|False|0): ")
NO_LETTER = re.compile(r"[^A-Za-z'-]")
BETWEEN_WORDS = re.compile(r"_+|(?<=[a-z0-9])(?=[A-Z])")


@frozen
class Phrase:
    """A phrase that no text may have, and what to write in its place."""

    pattern: re.Pattern[str]
    instead: str


def _phrase(pattern: str, instead: str) -> Phrase:
    return Phrase(re.compile(pattern, re.IGNORECASE), instead)


PHRASES = (
    # Words of another century.
    _phrase(r"\btill\b", "until"),
    _phrase(r"\banew\b", "again"),
    _phrase(r"\balike\b", "both, equal, in the same way"),
    _phrase(r"\bof late\b", "recently"),
    _phrase(r"\bwhom\b", "name the recipient, the caller, the task"),
    _phrase(r"\bborne\b", "carried, accepted"),
    _phrase(r"\bpurse\b", "quota, budget"),
    _phrase(r"\btwins?\b", "copy, duplicate"),
    _phrase(r"\bmend(?:s|ed|ing)?\b", "fix"),
    _phrase(r"\bbehind\b", "after, or the name of the place"),
    _phrase(r"\btold\b|\btell(?:s|ing)?\b", "report, say, distinguish"),
    _phrase(r"\btaken up\b", "resumed, started"),
    _phrase(r"\b(?:could|to) be had\b", "is available"),
    _phrase(r"\bfor want of\b", "without"),
    _phrase(r"\bin the midst\b", "during"),
    _phrase(r"\bmeanwhile come\b", "arrived in the meantime"),
    # One word for one thing.
    _phrase(r"\b(?:in )?doubt(?:s|ed|ful|less)?\b", "unknown"),
    _phrase(r"half of a surrogate", "a lone surrogate"),
    # Pronouns without their nouns.
    _phrase(r"\b(?:is|are|was|were) (?-i:none)\b", "name what is missing: there is no page"),
    _phrase(r"\bthose that are\b", "name the things: rows that are"),
    _phrase(r"\bof which nothing\b", "name the thing"),
    _phrase(r"\b(?-i:[Ww]e|[Ww]e're|[Ll]et's|by us)\b", "name the subject: the client, the journal"),
    # Riddles, and constructions of another language.
    _phrase(r"\bso (?:many|long)\b(?! as)", "say the number: `count` rows, `seconds` seconds"),
    _phrase(r"\bhowever (?:many|often|long|small|large)\b", "any number of, at any length"),
    _phrase(r"\b(?:is|are) to be\b", "must be, or say who does it"),
    _phrase(r"\bnor is it\b", "and it is not"),
    _phrase(r"\bhas it that\b", "says that"),
    _phrase(r"\bheld against\b", "compared with"),
    _phrase(r"\bbegins? with now\b", "starts now"),
    _phrase(r"\bgoes? wrong where\b", "fails where"),
    _phrase(r"\bas (?:it|they) stands?\b", "unchanged, as it is"),
    _phrase(r"\bstands? (?:there|here|beside|behind|in|on|at|for)\b", "is in, is at, means, depends on"),
    _phrase(r"(?:^|[.;:] )(?:Had|Were|Should) (?:it|they|there|the|an?|one|this|that)\b", "If it had, if there were"),
    # What is unfinished belongs into an issue.
    _phrase(r"\b(?-i:TODO|FIXME|XXX)\b", "finish it"),
)


@frozen(order=True)
class Offence:
    """A line that breaks a rule, and why."""

    line: int
    why: str


def find_offences(source: str) -> list[Offence]:
    """Return all that breaks a rule in the source of a module, line by line."""
    tree = ast.parse(source)
    offences = [Offence(line, why) for rule in RULES for line, why in rule(tree)]
    offences += [Offence(line, why) for line, comment in _comments(source) for why in _phrases_in(comment)]
    return sorted(offences)


def _check_function_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A function is a verb: `read`, and neither `opened` nor `told`."""
    for node in ast.walk(tree):
        if not isinstance(node, Function) or _is_property(node) or node.name in PUBLIC_NAMES:
            continue
        word = node.name.strip("_").split("_")[0]
        if word in PARTICIPLES or (word.endswith("ed") and word not in NO_PARTICIPLES):
            yield node.lineno, f"a function is named by a participle: {node.name}"


def _check_words_of_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A name has none of the phrases that a text may not have."""
    for node in ast.walk(tree):
        if (name := _name_of(node)) is not None and name not in FOREIGN_NAMES:
            words = BETWEEN_WORDS.sub(" ", name).strip()
            for why in _phrases_in(words):
                yield getattr(node, "lineno", 1), f"the name {name}: {why}"


def _check_function_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A function's docstring opens with a verb in the imperative: "Return", "Send", "Wait"."""
    for node, text in _docstrings(tree):
        if isinstance(node, Function) and not _is_property(node) and _first_word(text) not in VERBS:
            yield node.lineno, f"the docstring of the function {node.name} opens with {_first_word(text)!r}, not a verb"


def _check_property_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A property's docstring opens with the noun that names it, or with "True if"."""
    for node, text in _docstrings(tree):
        if isinstance(node, Function) and _is_property(node):
            word = _first_word(text)
            if CLAUSE.match(text) or word in {"Return", "Returns"}:
                yield node.lineno, f"the docstring of the property {node.name} opens with {word!r}, not a noun"


def _check_class_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A class's docstring opens with the noun that names an instance, with neither a clause nor a verb."""
    for node, text in _docstrings(tree):
        if isinstance(node, ast.ClassDef):
            word = _first_word(text)
            if CLAUSE.match(text) or {word, word.removesuffix("s")} & (VERBS - NOUNS_TOO):
                yield node.lineno, f"the docstring of the class {node.name} opens with {word!r}, not a noun"


def _check_module_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A module's docstring names its job, and does not open with a clause."""
    for node, text in _docstrings(tree):
        if isinstance(node, ast.Module) and CLAUSE.match(text):
            yield 1, f"the docstring of the module opens with {_first_word(text)!r}"


def _check_telegrams(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A docstring says conditions in sentences: "None means no limit", not "None: any"."""
    for node, text in _docstrings(tree):
        if (found := TELEGRAM.search(text)) is not None:
            yield getattr(node, "lineno", 1), f"a telegram in a docstring: {found[0].strip(' .(')!r}"


def _check_strings_under_fields(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A string under a field of a class never shows in help(); an `Attributes:` section of the class does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for field, below in pairwise(node.body):
                if isinstance(field, ast.AnnAssign | ast.Assign) and _is_string(below):
                    yield below.lineno, "a string under a field never shows in help(): use an Attributes: section"


def _check_phrases(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A text (docstring, message, help) has none of the phrases."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for why in _phrases_in(node.value):
                yield node.lineno, why


RULES: tuple[Callable[[ast.Module], Iterator[tuple[int, str]]], ...] = (
    _check_function_names,
    _check_words_of_names,
    _check_function_docstrings,
    _check_property_docstrings,
    _check_class_docstrings,
    _check_module_docstrings,
    _check_telegrams,
    _check_strings_under_fields,
    _check_phrases,
)


def _phrases_in(text: str) -> Iterator[str]:
    flat = " ".join(text.split())
    for phrase in PHRASES:
        for found in phrase.pattern.finditer(flat):
            around = flat[max(0, found.start() - 40) : found.end() + 30]
            yield f"{found[0]!r} (better: {phrase.instead}) in: {around}"


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield comments; those of lines that follow each other are one text."""
    block: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if block and line != last + 1:
            yield first, " ".join(block)
            block = []
        if not block:
            first = line
        block.append(token.string.lstrip("# "))
        last = line
    if block:
        yield first, " ".join(block)


def _docstrings(tree: ast.Module) -> Iterator[tuple[Definition, str]]:
    for node in ast.walk(tree):
        if isinstance(node, Definition) and (text := ast.get_docstring(node)):
            yield node, text


def _first_word(text: str) -> str:
    return NO_LETTER.split(text, maxsplit=1)[0]


def _is_property(node: Function) -> bool:
    """Return whether a decorator makes the function a property: `@property`, `@cached_property`, `@name.setter`."""
    for decorator in node.decorator_list:
        name = decorator.func if isinstance(decorator, ast.Call) else decorator
        text = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
        if text.endswith("property") or text == "setter":
            return True
    return False


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _name_of(node: ast.AST) -> str | None:
    """Return the name that a node gives to something, or None if it gives none."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            return name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return name
        case _:
            return None
