"""A proxy between the service and a database, which can fail in the ways that networks and servers do."""

import asyncio


class Proxy:
    def __init__(self, host, port):
        self.target = host, port
        self.port = None
        # Seconds by which each piece is late.
        self.late = 0.0
        self.refuses = False
        # Cleared while nothing passes.
        self.passes = asyncio.Event()
        self.passes.set()
        self.writers = set()

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def serve(self, reader, writer):
        if self.refuses:
            writer.transport.abort()
            return
        try:
            onward = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, onward[1]}
        await asyncio.gather(self.pump(reader, onward[1]), self.pump(onward[0], writer))
        self.writers -= {writer, onward[1]}

    async def pump(self, reader, writer):
        try:
            while piece := await reader.read(65536):
                await self.passes.wait()
                if self.late:
                    await asyncio.sleep(self.late)
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def cut(self):
        """Resets all connections."""
        for writer in list(self.writers):
            writer.transport.abort()
