"""A paper in the place of its repository: where its code may be linked. Nothing is fetched."""

from __future__ import annotations

import re
from urllib.parse import quote_plus, urlsplit

_ARXIV = re.compile(
    r"(?:arxiv:\s*)?(?P<number>\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE
)
_PAGES = (
    "openreview.net",
    "paperswithcode.com",
    "openaccess.thecvf.com",
    "aclanthology.org",
    "doi.org",
    "proceedings.mlr.press",
)
_FORGES = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "huggingface.co")


def pages_of_paper(word: str) -> list[tuple[str, str]] | None:
    """`(address, what to look for there)` of a paper given by its arXiv number or page; None for anything else."""
    number = arxiv_number(word)
    if number:
        return [
            (
                f"https://arxiv.org/abs/{number}",
                "the abstract, its comments and the tab 'Code, Data, Media' link code",
            ),
            (f"https://huggingface.co/papers/{number}", "lists repositories and models that name the paper"),
            (
                f"https://github.com/search?q={quote_plus(number)}&type=repositories",
                "repositories that name its number",
            ),
            (
                f"https://arxiv.org/pdf/{number}",
                "the first page and the last line of the introduction often link code",
            ),
        ]
    if not _is_paper(word):
        return None
    search = f"https://github.com/search?q={quote_plus(word)}&type=code"
    return [
        (word, "look for 'Code', 'Supplementary' or a footnote on the first page"),
        (search, "READMEs that link this page"),
    ]


def arxiv_number(word: str) -> str | None:
    """The arXiv number in `2010.11929`, `arxiv:2010.11929v2` or one of the pages that bear it."""
    word = word.strip()
    whole = _ARXIV.fullmatch(word)
    if whole:
        return whole["number"]
    split = urlsplit(word)
    host = (split.hostname or "").removeprefix("www.").removeprefix("export.")
    if host == "arxiv.org":
        inner = re.match(r"/(?:abs|pdf|html|format)/(.+?)(?:\.pdf)?/?$", split.path)
    elif host in ("huggingface.co", "ar5iv.org", "ar5iv.labs.arxiv.org", "alphaxiv.org"):
        inner = re.match(r"/(?:papers|html|abs)/(.+?)/?$", split.path)
    else:
        return None
    match = _ARXIV.fullmatch(inner[1]) if inner else None
    return match["number"] if match else None


def _is_paper(word: str) -> bool:
    split = urlsplit(word)
    if split.scheme not in ("http", "https"):
        return False
    host = (split.hostname or "").removeprefix("www.")
    on_forge = any(host == one or host.endswith(f".{one}") for one in _FORGES)
    return not on_forge and (split.path.lower().endswith(".pdf") or any(host.endswith(one) for one in _PAGES))
