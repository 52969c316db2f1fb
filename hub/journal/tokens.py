"""Tokens and sign-ins in the journal's file."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from hub.core.tokens import KEPT_REVOKED, SIGN_INS_KEPT, SignIn, Token
from hub.journal.reading import SQL, Reader, dump
from hub.journal.transactions import Transactions


class SqliteTokens:
    def __init__(self, transactions: Transactions, reader: Reader) -> None:
        self._transactions = transactions
        self._reader = reader

    async def all(self) -> list[Token]:
        rows = await self._reader.all("tokens")
        return [Token.from_row(json.loads(row), digest, used, revoked) for row, digest, used, revoked in rows]

    async def add(self, token: Token) -> None:
        row = (token.id, token.digest, dump(token.to_row()))
        await self._transactions.run(lambda db: db.execute(SQL["add_token"], row))

    async def use(self, used: Mapping[str, int]) -> None:
        rows = [(at, token) for token, at in used.items()]
        await self._transactions.run(lambda db: db.executemany(SQL["use_token"], rows))

    async def revoke(self, tokens: Sequence[str], now_ms: int) -> list[str]:
        def revoke(db: sqlite3.Connection) -> list[str]:
            done = [each for each in tokens if db.execute(SQL["revoke_token"], (now_ms, each)).rowcount]
            db.executemany(SQL["sign_out_token"], [(each,) for each in done])
            db.execute(SQL["forget_revoked"], (KEPT_REVOKED,))
            return done

        return await self._transactions.run(revoke)

    async def sign_ins(self) -> list[SignIn]:
        rows = await self._reader.all("sign_ins")
        return [SignIn(digest=row[0], token=row[1], created=row[2], expires=row[3]) for row in rows]

    async def sign_in(self, sign_in: SignIn, now_ms: int) -> bool:
        def sign_in_(db: sqlite3.Connection) -> bool:
            row = (sign_in.digest, sign_in.token, sign_in.created, sign_in.expires)
            is_done = bool(db.execute(SQL["sign_in"], row).rowcount)
            db.execute(SQL["forget_sign_ins"], (now_ms, sign_in.token, SIGN_INS_KEPT))
            return is_done

        return await self._transactions.run(sign_in_)

    async def sign_out(self, digest: str) -> None:
        await self._transactions.run(lambda db: db.execute(SQL["sign_out"], (digest,)))
