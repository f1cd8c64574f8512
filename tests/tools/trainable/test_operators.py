from __future__ import annotations

from collections import defaultdict

import pytest

from shipfit.tools.trainable.operators import OPERATORS

from .cases import CASES, Case
from .compared import compare

# Bodies are more than one node: test_control has them.
_WITH_BODIES = {("", "If"), ("", "Loop")}
_BY_OPERATOR: dict[tuple[str, str], list[Case]] = defaultdict(list)
for _case in CASES:
    _BY_OPERATOR[_case.domain, _case.op].append(_case)


def test_every_operator_has_a_case():
    assert OPERATORS.keys() - _WITH_BODIES == _BY_OPERATOR.keys()


@pytest.mark.parametrize("key", sorted(_BY_OPERATOR), ids=lambda key: ".".join(filter(None, key)))
def test_it_answers_as_onnxruntime_does(key):
    for case in _BY_OPERATOR[key]:
        compare(case)
