"""A long way: python -m tests.experiments.jobs.delay PORT SECONDS FILE

Listens where FILE says then; what is said goes on to PORT of this machine and back, so many seconds later.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, seconds: float) -> None:
    loop, under_way = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

    async def read() -> None:
        with suppress(ConnectionError):
            while content := await source.read(1 << 16):
                under_way.put_nowait((loop.time() + seconds, content))
        under_way.put_nowait((loop.time() + seconds, b""))

    reading = asyncio.create_task(read())
    with suppress(ConnectionError):
        while True:
            due, content = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not content:
                break
            target.write(content)
            await target.drain()
    target.close()
    await reading


async def serve(port: int, seconds: float, file: Path) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, there_writer, seconds), carry(there_reader, writer, seconds))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    part = file.with_suffix(".part")
    part.write_text(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    part.replace(file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])))
