"""A mail server on a free loopback port, which keeps what it is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


class MailServer:
    """``mails`` are what was taken; while ``refuse`` is set, the recipient is refused."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much of RFC 5321 as a client that just sends needs."""

        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        await say("220 mail.test ESMTP")
        while line := await reader.readline():
            word = line.decode().strip().upper()
            if word.startswith("DATA"):
                await say("354 go on")
                text = await reader.readuntil(b"\r\n.\r\n")
                mail = message_from_bytes(text[:-5].replace(b"\r\n..", b"\r\n."), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                self.mails.append(mail)
                await say("250 taken")
            elif word.startswith("RCPT") and self.refuse:
                await say("550 nobody here")
            elif word.startswith("QUIT"):
                await say("221 bye")
                break
            else:
                await say("250 mail.test")
        writer.close()


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """Started, and ended with the block."""
    mails = MailServer()
    server = await asyncio.start_server(mails.serve, "127.0.0.1", 0)
    mails.port = server.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        server.close()
        await server.wait_closed()
