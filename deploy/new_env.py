#!/usr/bin/env python3
"""Prints the settings of docker-compose.yml, with new passwords and keys: docs/deploy.md.

Standard library only. Moose keeps a key as its PBKDF2 hash, as `moose-cli generate hash-token` makes it.
"""

import hashlib
import secrets
import sys

ROUNDS, HASH_BYTES = 1000, 20


def main() -> int:
    """Print the settings; the admin's token, which no container gets, as a comment."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: new_env.py DOMAIN > deploy/secrets/env    (localhost for the demonstration)\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in lines(sys.argv[1])))
    return 0


def lines(domain: str) -> list[str]:
    """One line a variable."""
    passwords = ("CLICKHOUSE", "REDIS", "GRAFANA_ADMIN", "GRAFANA_CLICKHOUSE")
    found = [f"BEATSTREAM_DOMAIN={domain}", *(f"{name}_PASSWORD={secrets.token_hex(24)}" for name in passwords)]
    found += [f"BEATSTREAM_{name}={secrets.token_hex(16)}" for name in ("ROOM_TOKEN", "ROOM_LOOK_TOKEN")]
    for name, comment in (("INGEST", ""), ("API", ""), ("ADMIN", "# keep elsewhere: ")):
        key, salt = secrets.token_hex(16), secrets.token_hex(16)
        found.append(f"{comment}BEATSTREAM_{name}_TOKEN={key}.{salt}")
        found.append(f"BEATSTREAM_{name}_KEY_HASH={key_hash(key, salt)}")
    return found


def key_hash(key: str, salt: str) -> str:
    """What Moose is told of the token `key.salt`."""
    return hashlib.pbkdf2_hmac("sha256", key.encode(), salt.encode(), ROUNDS, HASH_BYTES).hex()


if __name__ == "__main__":
    sys.exit(main())
