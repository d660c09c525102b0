"""What is kept out of logs by `tracker.scrub`."""

import pytest

from evalkit.core.scrub import KNOWN, Scrub

FOUND = {
    "api_keys": [
        "sk-proj-0123456789abcdef",
        "ghp_0123456789abcdefABCDEF0123456789abcd",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.abc_def-1",
    ],
    "private_keys": [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
    ],
    "emails": ["ada.lovelace+x@mail.example.org"],
    "phone_numbers": ["+43 664 1234567", "(555) 123-4567", "0043664123456"],
    "ip_addresses": ["192.168.0.17", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"],
    "card_numbers": ["4111 1111 1111 1111", "4111111111111111"],
    "url_passwords": ["me:secret"],
}
LEFT = {
    "api_keys": "the task-name is sk-x, desk_top, hf_home",
    "private_keys": "-----BEGIN CERTIFICATE-----",
    "emails": "x @ y, @decorator, a@b, np.array @ b",
    "phone_numbers": "1234567 and 2026-11-23 and x = 3.14159265358979",
    "ip_addresses": "version 1.2.3 of 10.2",
    "card_numbers": "12345 and 0.1234567890123456789",
    "url_passwords": "http://host:8080/a@b",
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_pattern_finds_its_kind_inside_a_text_and_leaves_what_only_looks_like_it(name):
    scrub = Scrub([name])
    for secret in FOUND[name]:
        around = "see http://{}@host/." if name == "url_passwords" else "it is {}, and\nmore"
        assert scrub.text(around.format(secret)) == around.format(f"[scrubbed: {name}]")
    assert scrub.text(LEFT[name]) == LEFT[name]


def test_of_a_private_key_that_is_cut_off_nothing_is_left():
    assert Scrub(["private_keys"]).text("it is -----BEGIN PRIVATE KEY-----\nMIIB") == "it is [scrubbed: private_keys]"


@pytest.mark.parametrize("name", KNOWN)
def test_a_long_answer_takes_no_longer_than_its_length(name):
    for letter in ("a", "1", "a.", "-", "1 ", "a@", "eyJaaaaaaaa.", "sk-"):
        Scrub([name]).text(letter * 20_000)  # the square of it would take minutes


def test_expressions_of_ones_own_are_applied_after_one_another():
    assert Scrub(["(?i)project \\w+", "emails"]).text("Project Foo by a@b.org") == "[scrubbed] by [scrubbed: emails]"


def test_only_texts_are_scrubbed_and_not_the_names_beside_them():
    told = {"instance_id": "ada", "findings": [{"rule": "ada", "message": "ada said"}], "prompt": {"content": "ada"}}
    assert Scrub(["ada"]).within(told) == {
        "instance_id": "ada",
        "findings": [{"rule": "ada", "message": "[scrubbed] said"}],
        "prompt": {"content": "[scrubbed]"},
    }


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(", "unterminated"), ("email", "did you mean 'emails'"), ("x*", "fits everywhere"), ("[z-a]", "bad character")],
)
def test_a_pattern_that_cannot_work_is_refused(pattern, said):
    with pytest.raises(ValueError, match=f"scrub\\[0\\].*{said}"):
        Scrub([pattern])
