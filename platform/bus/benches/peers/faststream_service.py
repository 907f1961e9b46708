"""The bench's empty service with FastStream: consume, state what follows, acknowledge.

    faststream_service.py URL CONSUMER PERMITS

Says "ready" when it is connected, begins to consume when it reads a line, ends when its input does.
"""

import asyncio
import logging
import sys
from typing import Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.js.api import AckPolicy as JetStreamAckPolicy, ConsumerConfig


async def main(url: str, consumer: str, permits: int) -> None:
    broker = NatsBroker(url, logger=None, log_level=logging.CRITICAL)

    @broker.subscriber(
        "conversations.*.*.*.erasure_requested",
        durable=consumer,
        config=ConsumerConfig(ack_policy=JetStreamAckPolicy.EXPLICIT, max_ack_pending=10_000),
        stream=JStream("CONVERSATIONS", declare=False),
        pull_sub=PullSub(batch_size=permits, timeout=1.0),
        max_workers=permits,
        ack_policy=AckPolicy.MANUAL,
    )
    async def handle(body: dict[str, Any], message: NatsMessage) -> None:
        subject = message.raw_message.subject.replace("erasure_requested", "erased")
        # With a stream named it awaits the stream's acknowledgement.
        await broker.publish(body, subject, stream="CONVERSATIONS", timeout=30.0)
        await message.ack()

    await broker.connect()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    await broker.start()
    await loop.run_in_executor(None, sys.stdin.read)
    await broker.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
