"""`python -m tests.clickhouse.bare_engine FOLDER confined|open`: the engine without the server before it.

Reads a list of attempts from stdin, each a list of [SQL, parameters, settings]; writes what each one's statements
answered, in one text, to stdout. Both as JSON.
"""

import json
import sys
from pathlib import Path

from stack.clickhouse import confinement

Asked = tuple[str, dict[str, str], dict[str, str]]


def main() -> None:
    """Answer."""
    data = Path(sys.argv[1])
    if sys.argv[2] == "confined":
        assert confinement.confine(data) is None
    # As in the server: only then, or its threads would not be confined.
    from stack.clickhouse.engine import Engine, EngineError

    engine = Engine(data)

    def answer(asked: Asked) -> str:
        sql, parameters, settings = asked
        try:
            result = engine.query(sql, "TabSeparated", parameters, ("default", tuple(settings.items())))
        except EngineError as error:
            return str(error)
        return result.data.decode(errors="replace")

    json.dump(["\n".join(map(answer, attempt)) for attempt in json.load(sys.stdin)], sys.stdout)
    engine.close()


if __name__ == "__main__":
    main()
