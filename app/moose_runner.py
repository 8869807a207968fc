"""Changes to Moose's own streaming runner: one that keeps a topic alive, and three that make it faster.

A message that is not JSON must not stop its topic. The runner decodes JSON inside the Kafka client's poll. A message
that is not JSON raises there, before the position moves on, so the same poll fails for ever (seen with moose-lib
0.6.533). With this, such a message reaches the function as text; its record does not validate, and it goes to the
dead letter queue alone like any other wrong record.

The runner writes two log lines a message, and turns each record that a function returns into JSON by way of a dict
and a Python encoder. Both cost more than the functions do. So those two lines are left out (all other lines are
written), and pydantic's records write themselves. `make bench` compares with the runner as it is.

`BEATSTREAM_MOOSE_RUNNER=original` turns all of it off; an untried version of moose-lib does, too.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from types import ModuleType, SimpleNamespace
from typing import Any

import moose_lib.commons
from pydantic import BaseModel

TRIED_WITH = "0.6.533"
RUNNER = "streaming_function_runner"

_LINE_A_MESSAGE, _ACTION_A_MESSAGE = "Message partition=", "Received"


def _text_where_no_json(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    @wraps(deserialize)
    def tolerant(message: bytes) -> Any:
        try:
            return deserialize(message)
        except ValueError:  # also UnicodeDecodeError and JSONDecodeError
            return message.decode("utf-8", errors="replace")

    return tolerant


def keep_topics_alive() -> None:
    """Let messages that are not JSON reach the function."""
    original = moose_lib.commons.KafkaConsumer

    @wraps(original)
    def consumer(*, value_deserializer: Callable[[bytes], Any], **settings: Any) -> Any:
        return original(value_deserializer=_text_where_no_json(value_deserializer), **settings)

    moose_lib.commons.KafkaConsumer = consumer


def make_fast(runner: ModuleType) -> None:
    """Leave out the lines of single messages, and let records write themselves."""
    log, cli_log = runner.log, runner.cli_log

    @wraps(log)
    def log_of_batches(message: str) -> None:
        if not message.startswith(_LINE_A_MESSAGE):
            log(message)

    @wraps(cli_log)
    def cli_log_of_batches(line: Any) -> None:
        if line.action != _ACTION_A_MESSAGE:
            cli_log(line)

    def dumps(value: Any, **options: Any) -> str:
        return value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, **options)

    for name, replacement in (
        ("log", log_of_batches),
        ("cli_log", cli_log_of_batches),
        ("json", SimpleNamespace(**{**vars(json), "dumps": dumps})),
    ):
        setattr(runner, name, replacement)


def _is_runner(module: ModuleType) -> bool:
    return RUNNER in (getattr(module, "__file__", None) or "")


if version("moose-lib") == TRIED_WITH and os.environ.get("BEATSTREAM_MOOSE_RUNNER") != "original":
    keep_topics_alive()
    if _is_runner(sys.modules["__main__"]):
        make_fast(sys.modules["__main__"])
