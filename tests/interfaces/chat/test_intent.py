"""What messages want, whatever way they are put."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings, strategies as st

from shipfit.interfaces.chat.intent import classify, in_sequence, lifted_in
from shipfit.interfaces.chat.phrases import Kind

PHRASINGS: dict[Kind, tuple[str, ...]] = {
    "yes": (
        "yes",
        "Yes, please.",
        "y",
        "OK",
        "okay!",
        "sure",
        "go",
        "go ahead",
        "ok go ahead",
        "do it",
        "sounds good",
        "looks good",
        "approve",
        "I approve it",
        "that's right",
        "that’s fine",
        "deliver it",
        "let's go",
        "yes please do",
    ),
    "no": (
        "no",
        "No.",
        "nope",
        "not yet",
        "no thanks",
        "reject it",
        "I don't like it",
        "try another plan",
        "wait",
        "don't",
    ),
    "stop": (
        "stop",
        "Stop!",
        "stop the run please",
        "okay, stop",
        "cancel",
        "abort this run",
        "halt",
        "pause it",
        "interrupt",
        "that's enough",
        "please stop now",
        "could you stop it?",
        "kill the job",
        "roll back",
    ),
    "resume": (
        "go on",
        "resume",
        "continue",
        "please carry on",
        "continue where you left off",
        "resume the run",
        "keep going",
    ),
    "start": (
        "start",
        "run it",
        "start it now",
        "begin",
        "run it again",
        "would you please start?",
        "start a new run",
        "optimize it",
    ),
    "help": ("help", "?", "what can I say?", "what can you do", "how do I use this?", "what do you do?", "commands"),
    "files": (
        "files",
        "where is the report?",
        "show me the files",
        "download the model",
        "give me the optimized model",
        "can I download the report?",
        "list the products",
        "where do I find the results?",
        "Please show me the results",
    ),
    "status": (
        "status",
        "how's it going?",
        "is it done yet?",
        "what did you understand?",
        "show me the request",
        "how far are you?",
    ),
    "runs": ("runs", "list runs", "show me all earlier runs", "history"),
    "reset": ("start over", "reset", "forget everything", "forget all that", "begin from scratch"),
    "undo": ("never mind", "undo", "scratch that", "take that back", "undo the last change"),
    "ask_first": (
        "ask me first",
        "ask me before you change anything",
        "I'd like to approve the plan first",
        "let me approve it",
        "wait for my approval",
    ),
    "ask_never": ("don't ask me", "no more questions", "stop asking", "without asking me", "decide for yourself"),
    "greeting": ("hello", "Hi!", "good morning", "hello there"),
    "thanks": ("thanks!", "thank you very much", "well done"),
    "compare": (
        "compare the two results",
        "compare run 1 and run 2",
        "run 1 vs run 2",
        "which one is better?",
        "what's the difference between the two runs?",
        "put them side by side",
    ),
    "what_if": (
        "what would 5 MB cost?",
        "What if it had to be twice as fast?",
        "could it be smaller than 5 MB?",
        "is 90 % accuracy possible?",
        "how much accuracy would I lose at 30 % of the size?",
        "what about 5 MB?",
        "suppose it had to run in 5 ms",
        "would 4 MB be feasible?",
        "is it possible to get under 3 MB?",
        "what would happen at 2 MB?",
        "what does it cost to go to 3 MB?",
        "can we get it to 1 MB?",
        "can it run in 5ms?",
        "what's the price of 10 % more speed?",
    ),
    "why": (
        "why not int4?",
        "why was pruning not tried",
        "how come it rolled back?",
        "explain attempt 1",
        "did it get slower?",
        "how big is it now?",
        "tell me why it rolled back",
        "what went wrong?",
        "is there anything smaller?",
        "which bound was missed?",
        "give me the reasons",
        "can you do better?",
        "is that the best you can do?",
    ),
    "wish": (
        "make it 8 MB instead",
        "no, make it 8 MB instead",
        "under 10 MB and twice as fast",
        "don't prune",
        "stop pruning",
        "can you make it smaller than 5 MB?",
        "Could you please make it 5 MB?",
        "no pruning",
        "do not use int8",
        "forget the size limit",
        "yes, but at most 5 ms",
        "go with 8 MB",
        "I want it half the size",
        "as small as possible",
        "hi, my model is too big, get it under 3 MB",
        "it should run in the browser",
        "5 MB",
    ),
}


@pytest.mark.parametrize("kind", PHRASINGS)
def test_what_a_message_wants(kind: Kind) -> None:
    told = {text: classify(text).kind for text in PHRASINGS[kind]}
    assert told == dict.fromkeys(PHRASINGS[kind], kind)
    loud = {text: classify(f"  {text.upper()} ").kind for text in PHRASINGS[kind]}
    assert loud == told


@pytest.mark.parametrize(
    ("text", "supposed"),
    [
        ("what would 5 MB cost?", "5 MB"),
        ("how much accuracy would I lose at 30 % of the size?", "30 % of the size"),
        ("could it be smaller than 5 MB?", "smaller than 5 MB"),
        ("is it possible to get under 3 MB?", "under 3 MB"),
    ],
)
def test_what_is_supposed_is_told_as_a_wish(text: str, supposed: str) -> None:
    assert classify(text).supposed == supposed


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("no, make it 8 MB instead", "make it 8 MB instead"),
        ("ok: under 5 ms", "under 5 ms"),
        ("thanks, now make it 3 MB", "make it 3 MB"),
        ("no pruning", "no pruning"),
    ],
)
def test_a_wish_is_read_without_the_answer_before_it(text: str, wish: str) -> None:
    assert classify(text).text == wish


@pytest.mark.parametrize(
    ("text", "lifted", "rest"),
    [
        ("forget the size limit", ("size",), ""),
        ("please drop the accuracy bound and make it half the size", ("accuracy",), "make it half the size"),
        ("ignore the latency, remove any memory requirement.", ("latency", "memory"), ""),
        ("make it half the size", (), "make it half the size"),
        ("do not drop accuracy", (), "do not drop accuracy"),
    ],
)
def test_bounds_are_taken_back_by_their_quantity(text: str, lifted: tuple[str, ...], rest: str) -> None:
    assert lifted_in(text) == (lifted, rest)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("make it 8 MB. start", ["make it 8 MB.", "start"]),
        ("Stop. Make it 8 MB instead. Then run it again.", ["Stop.", "Make it 8 MB instead.", "Then run it again."]),
        ("No. Make it 8 MB, twice as fast. And do not prune.", ["Make it 8 MB, twice as fast. And do not prune."]),
        ("Hello. Why not int4? Thanks!", ["Why not int4?"]),
        ("Hello. Thanks.", ["Hello.", "Thanks."]),
        ("half a point, e.g. 0.5 %", ["half a point, e.g. 0.5 %"]),
    ],
)
def test_sentences_that_are_orders_are_done_one_after_the_other(text: str, parts: list[str]) -> None:
    assert in_sequence(text) == parts


@given(
    st.text(max_size=600)
    | st.lists(st.sampled_from(("what would it be", "the run", "and to", "5 MB", "?", ",", "no", "stop"))).map(" ".join)
)
@settings(deadline=None, max_examples=50)
def test_any_text_has_a_kind_at_once(text: str) -> None:
    began = time.process_time()
    assert classify(text).text == " ".join(text.replace("’", "'").split()) or classify(text).kind == "wish"
    assert time.process_time() - began < 2
