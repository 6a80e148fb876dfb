# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._scram import is_verifier, scram_verifier, scram_verifier_like, verifies
from hypothesis import given, settings
from hypothesis import strategies as st

# Made by PostgreSQL 15.18 itself: password -> rolpassword.
MADE = {
    "p": "SCRAM-SHA-256$4096:/XF+nMe8TMifkHArx5tQ4A==$hxWzgoYWlh91xYXMzDkZYVTshD3OKdJf5InyV1pgTq4=:LzaqMXUikE+viwpOAY2uxLwcLRiTReGo2sMV4oN9cbo=",
    "s3cret/Pass word": "SCRAM-SHA-256$4096:ZP9UOf2Cf7+d1dZhTPDz3A==$fzVwmhUbk73OoZcy4TGEDscI90lI8VAcAQrAsH2yt54=:2tIXvI3hQYB27/bgb5gGWhJBlUbQjZZB8WfOxrfSJvQ=",
    "p\xe4ssw\xf6rd \xbd \ufb01": "SCRAM-SHA-256$4096:CPlucGS7UjB06BjdOoRhxQ==$"
    "BBo8GhIRYpVtuzYnjwyjw8Uda9Z4h2du/AhlKs//mB8=:QtEYwv7nZ1DSbW0Wp/O0ub7qcVDUAPimSnnRzxmB3Nk=",
    "a\xa0b\xadc": "SCRAM-SHA-256$4096:xPQhjqzRU9jU1XqgBNS20A==$rXf2grtFhGYf/Zko0Xdgriz+m+Dw8dpz/rgCL41C0Yc=:cyccXn9KC0j4U5qPeJ+gBQGPh1VOEOzK0pcFhhog++E=",
    "\x01ctl": "SCRAM-SHA-256$4096:myBJ0Gb/S/j+nARDiCg+Ow==$eQPQJbibAoq9NI5fq4S4nMHcpUzR2C3OVZ9FdKEfj6M=:z4b8CGXKu/KAy4019gqwV/+zLyxg60zU4iiu+rauF2A=",
    "\xe4\x07bell": "SCRAM-SHA-256$4096:Gap3DGw1TkAykP6hDxyz/w==$O3Hfyb9tO79koxHr421th9B8x4TNjMcN59nld/aRG+I=:HYkU1BLPIz0nARd+whgrjVXr4c+kmE7hlz0Vr6gSe2Q=",
    "\u06271": "SCRAM-SHA-256$4096:7g4Pk8KZaK2V3Fc6a/PPZQ==$Xyjg148txuA+IT6zGl5pbzqUm3PgJBZ7pgiINbkU4kI=:wZ5X7LsXTuB6uQPj4tBYBQ2YxXK12BTZVg5eUDOcg2Y=",
    "\xad": "SCRAM-SHA-256$4096:CYzGuDYuazVVfx+BWOcBCQ==$2C8SKG1WCnhoPTAfQ7as2qATddAIR3bH2lbuUzn7uzk=:iepinavYLa9z+R7WmYMKhJEu5iRixYTHZJnI8Umd3Gg=",
    "\u65e5\u672c\u8a9e": "SCRAM-SHA-256$4096:CP2IO0pea5jHp/+HTLR7oQ==$"
    "K1nEu7OLmKwJS1+Nyv6lFPnWjDhqdm0SUvNTWGocvYo=:1adtiyWjJ4nSDaAHFgXjISuZLTcGrQXf1BWmU2wO4HA=",
}


@pytest.mark.parametrize("password, verifier", MADE.items())
def test_verifiers_that_postgresql_made(password, verifier):
    assert is_verifier(verifier) and verifies(password, verifier)
    assert not verifies(password + " ", verifier)


def test_salt_is_new_each_time():
    assert scram_verifier("p") != scram_verifier("p")


@pytest.mark.parametrize("password, verifier", MADE.items())
def test_with_its_salt_a_verifier_is_made_again(password, verifier):
    salt = verifier.split("$")[1]
    assert scram_verifier_like(password, salt) == verifier
    assert verifies(password + "x", scram_verifier_like(password + "x", salt)) and scram_verifier_like(password + "x", salt) != verifier


@pytest.mark.parametrize("salt", [None, "", "4096", "4096:?", "0:c2FsdA==", "many:c2FsdA==", "99999999:c2FsdA=="])
def test_without_a_salt_that_can_be_used_the_verifier_is_new(salt):
    first, second = scram_verifier_like("p", salt), scram_verifier_like("p", salt)
    assert first != second and verifies("p", first) and verifies("p", second)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.text(min_size=1), st.text(min_size=1))
def test_a_verifier_fits_its_password(password, other):
    verifier = scram_verifier(password)
    assert is_verifier(verifier) and verifies(password, verifier)
    assert password == other or not (password.isascii() and other.isascii()) or not verifies(other, verifier)


@pytest.mark.parametrize("text", [None, "", "md5" + "0" * 32, "SCRAM-SHA-256$4096:a$b:c", "SCRAM-SHA-256$4096:=$" + "A" * 44 + ":" + "A" * 44])
def test_what_is_no_verifier_fits_no_password(text):
    assert not verifies("p", text)
