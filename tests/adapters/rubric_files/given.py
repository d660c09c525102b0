"""Rubrics as they are given, and what is said of faulty ones."""

import pytest

from evalkit.adapters.rubric_files import parse_rubric, read_rubric
from evalkit.core.errors import RubricError

RULE = {"id": "a", "kind": "regex", "pattern": "x", "message": "Write an x."}
NESTED = """\
rules:
  - id: a
    kind: any_of
    message: "{detal} in {\\"a\\": {line}}"
    of:
      - kind: all_off
        of: []
      - kind: tree_siter
        language: rst
        query: (block)
      - kind: all_of
        id: x
        of:
          - {kind: regex, patern: x}
          - {kind: regex, pattern: "(("}
          - {description: 4}
          - {kind: not, of: {kind: lenght, words: {mn: 3}}}
          - 5
      - kind: not
        of:
          kind: tree_sitter
          language: rust
          query: |
            (block
              (call_expresion)
              functon: (_))
  - {id: b, kind: not, message: m, of: [{kind: regex, pattern: x}]}
  - {id: c, kind: any_of, message: m}
  - {id: d, kind: similarity, message: m, reference: x, min: 1.5, metric: Levenstein}
  - {id: e, kind: signature, message: m, language: go, declares: "fn f()"}
  - {id: f, kind: python, message: m, call: "os.path:join"}
"""


def faults(text):
    with pytest.raises(RubricError) as raised:
        read_rubric(text, "my.yaml")
    return str(raised.value).splitlines()


def inline(*rules, **more):
    return parse_rubric({"rules": list(rules), **more}, "my.jsonl:3")
