"""The configuration files of a ClickHouse server, as far as this one needs them."""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, parse

TEMPORARY = "beatstream_tmp"
"""Within the data folder: temporary files of the engine, and data that is being inserted."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class User:
    """A user and how the password is kept: "plain", "sha256" or "double_sha1" (hexadecimal digests), or "none"."""

    kind: str
    secret: str

    def accepts(self, password: str) -> bool:
        """Whether this is the user's password."""
        raw = password.encode()
        match self.kind:
            case "plain":
                given = password
            case "sha256":
                given = hashlib.sha256(raw).hexdigest()
            case "double_sha1":
                given = hashlib.sha1(hashlib.sha1(raw).digest()).hexdigest()  # noqa: S324 (ClickHouse's own scheme)
            case _:
                return True
        return hmac.compare_digest(given.encode(), self.secret.encode())


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where to listen (always on loopback), where the data lies, who may ask."""

    http_port: int
    path: Path
    users: dict[str, User]
    default_database: str


def read(file: Path) -> ServerConfig:
    """Read a server's config.xml and its users file. Raises `ConfigError`."""
    root = _parse(file)
    port, path = root.findtext("http_port"), root.findtext("path")
    if port is None or path is None:
        raise ConfigError(f"{file}: http_port and path are needed")
    users_file = root.findtext("users_config") or "users.xml"
    return ServerConfig(
        http_port=int(port),
        path=Path(path.strip()).resolve(),
        users=_users(_parse(file.parent / users_file)),
        default_database=root.findtext("default_database") or "default",
    )


def _parse(file: Path) -> Element:
    try:
        # The files are written by whoever starts this server, and it reads no others.
        return parse(file).getroot()  # noqa: S314
    except (OSError, ParseError) as error:
        raise ConfigError(f"{file}: {error}") from error


def _users(root: Element) -> dict[str, User]:
    users = {}
    for entry in root.find("users") or ():
        for kind, tag in (
            ("plain", "password"),
            ("sha256", "password_sha256_hex"),
            ("double_sha1", "password_double_sha1_hex"),
        ):
            secret = entry.findtext(tag)
            if secret:
                users[entry.tag] = User(kind, secret if kind == "plain" else secret.lower())
                break
        else:
            users[entry.tag] = User("none", "")
    return users
