"""Captions to words as the COCO scorers cut them: Penn Treebank rules, lower case, no Java."""

from __future__ import annotations

import re

_WORD = re.compile(
    r"""
    (?:[a-z]\.){2,}                           # abbreviations: u.s., a.m.
  | (?:mr|mrs|ms|dr|vs)\.                     # titles keep their full stop
  | -[lr][rcs]b-                              # brackets that are spelled out already
  | \d+(?:[.,:/]\d+)*(?:st|nd|rd|th|s)?\b(?![-'\w])  # numbers: 8:25, 1,000, 2nd
  | can(?=not\b) | gon(?=na\b) | got(?=ta\b) | wan(?=na\b)  # words that are cut in two
  | \w+?(?=n't\b) | n't\b                     # do n't
  | '(?:s|m|re|ve|ll|d)\b                     # man 's, they 're
  | \w+(?:[-_.&@/]\w+|'(?!(?:s|m|re|ve|ll|d|t)\b)\w+)*  # words, hyphenated ones too
  | [()\[\]{}]
  | [^\s\w.?!,:;'"`\u2018-\u201f-]             # other signs stand alone: $, &, %
    """,
    re.VERBOSE,
)
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}


def tokenize(caption: str) -> str:
    """Cut a caption into words; generated and reference captions go through this alike.

    The rules are those of the COCO evaluation (`PTBTokenizer -lowerCase`, punctuation dropped):
    clitics stand alone ("man 's", "do n't"), hyphens, times and numbers stay whole, brackets become
    "-lrb-" and the like.

    Args:
      caption: Any text; case and spaces do not matter.

    Returns:
      The words with one space between; empty if there are none.
    """
    found = _WORD.findall(caption.lower().replace("\u2019", "'"))
    return " ".join(_BRACKETS.get(word, word) for word in found)
