"""One change to Moose's own streaming runner: a message that is not JSON must not stop its topic.

The runner decodes JSON inside the Kafka client's poll. A message that is not JSON raises there, before the position
moves on, so the same poll fails for ever (seen with moose-lib 0.6.533). With this, such a message reaches the function
as text; its record does not validate, and it goes to the dead letter queue alone like any other wrong record.

`BEATSTREAM_MOOSE_RUNNER=original` turns it off; an untried version of moose-lib does, too.
"""

import os
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Any

import moose_lib.commons

TRIED_WITH = "0.6.533"


def _text_where_no_json(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    @wraps(deserialize)
    def tolerant(message: bytes) -> Any:
        try:
            return deserialize(message)
        except ValueError:  # also UnicodeDecodeError and JSONDecodeError
            return message.decode("utf-8", errors="replace")

    return tolerant


def _install() -> None:
    original = moose_lib.commons.KafkaConsumer

    @wraps(original)
    def consumer(*, value_deserializer: Callable[[bytes], Any], **settings: Any) -> Any:
        return original(value_deserializer=_text_where_no_json(value_deserializer), **settings)

    moose_lib.commons.KafkaConsumer = consumer


if version("moose-lib") == TRIED_WITH and os.environ.get("BEATSTREAM_MOOSE_RUNNER") != "original":
    _install()
