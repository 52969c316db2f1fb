"""Secrets that the hub gives out: random, said once, and kept only as their SHA-256."""

import hashlib
import hmac
import os
import re
import secrets

SECRET_BYTES = 32
TOKEN, SIGN_IN = "hub", "hubsession"
"""What each begins with, so that a person, and a scanner of repositories, sees what it is."""
ID_BYTES = 5
NO_DIGEST = "0" * 64
"""Nothing has it; compared with where there is nothing to compare with."""
_TOKEN = re.compile(rf"{TOKEN}_([0-9a-f]{{{2 * ID_BYTES}}})_[\w-]{{43}}", re.ASCII)


def new_id() -> str:
    return os.urandom(ID_BYTES).hex()


def new_token(id_: str) -> str:
    """Its id is in it, so that it is found without comparing it with every other."""
    return f"{TOKEN}_{id_}_{secrets.token_urlsafe(SECRET_BYTES)}"


def new_sign_in() -> str:
    return f"{SIGN_IN}_{secrets.token_urlsafe(SECRET_BYTES)}"


def token_id(text: str) -> str:
    """The id that a token says it has; empty for what is no token."""
    found = _TOKEN.fullmatch(text)
    return found[1] if found else ""


def digest(text: str) -> str:
    """SHA-256, in hexadecimal.

    A fast hash is right here, and a slow one (scrypt, argon2) would only help an attacker to keep the hub busy: those
    make up for passwords that can be guessed, and of 256 random bits there is nothing to guess.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_same(one: str, other: str) -> bool:
    """Two digests, compared in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
