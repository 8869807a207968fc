"""What SQL can reach, whatever it says: Linux' Landlock takes everything from this process but what the server needs.

Sources: man 7 landlock, docs.kernel.org/userspace-api/landlock.html, include/uapi/linux/landlock.h. By ctypes, as the
packages on PyPI that wrap it are all called alpha or are some months old.
"""

import ctypes
import os
import re
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls; the same on every architecture."""
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL_DEVICE = (1 << bit for bit in (0, 1, 2, 3, 14, 15))
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
"""The rights that a rule about a file, not a folder, may give."""
_CONNECT_TCP = 1 << 1
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

_RIGHTS_OF_ABI = {2: 14, 3: 15, 4: 15, 5: 16}
"""How many of the rights to files each version of Landlock's interface knows; later ones, no more than 5."""
_OLDEST_ABI = 2
"""The first one that lets files move between folders, as the engine moves them."""
_ABI_WITH_TCP, _ABI_WITH_SCOPES = 4, 6

_READABLE = (
    # Libraries.
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    # Time zones, and what libraries ask of the system as they start.
    *("/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom"),
    # Processors and limits.
    *("/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage"),
    # Where the first thread's stack ends (pthread_getattr_np); and what each thread has used, without which every query
    # throws and catches exceptions, half a millisecond in all. The environment is there too, so see `forget`.
    *("/proc/self/maps", "/proc/self/task", "/proc/sys/vm/overcommit_memory"),
    # Without it the engine looks for its own headers behind the environment, where since a putenv anything may lie: it
    # crashed in one start of some tens.
    "/proc/self/auxv",
)

_KEPT_VARIABLES = re.compile(r"PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|PYTHON\w*|BEATSTREAM_STATE")
"""What Python and the engine go by, and what the launcher finds its processes by."""


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def forget() -> None:
    """Start this program anew without the variables it has no use for, such as keys; where there are none, go on.

    Nothing else takes them out of /proc.
    """
    kept = {name: value for name, value in os.environ.items() if _KEPT_VARIABLES.fullmatch(name)}
    if kept.keys() != os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)  # noqa: S606 (itself)


def confine(data: Path) -> str | None:
    """Leave this thread, and all that it starts from now on, the data folder and what the engine reads to run.

    No program can be started and no TCP connection made; listening goes on. Call it before the engine is imported,
    which starts threads. Returns what is not held back, None where everything is.
    """
    try:
        abi = _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)) if _is_linux() else 0
        if abi < _OLDEST_ABI:
            return "files, programs and other hosts: this system has no Landlock of Linux 5.19 or newer"
        _restrict(abi, data)
    except OSError as error:
        return f"files, programs and other hosts: Landlock is not to be had here ({error})"
    return None if abi >= _ABI_WITH_TCP else "other hosts: Landlock holds them back from Linux 6.7 on"


def _is_linux() -> bool:
    # In a function of its own, as type checkers leave out what stands behind a comparison of `sys.platform`.
    return sys.platform == "linux"


def _restrict(abi: int, data: Path) -> None:
    known = (1 << _RIGHTS_OF_ABI.get(abi, 16)) - 1
    rules = _Ruleset(
        handled_access_fs=known,
        handled_access_net=_CONNECT_TCP if abi >= _ABI_WITH_TCP else 0,
        scoped=_ABSTRACT_SOCKETS_AND_SIGNALS if abi >= _ABI_WITH_SCOPES else 0,
    )
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), ctypes.c_uint32(0))
    try:
        _allow(ruleset, [data], known & ~_EXECUTE & ~_IOCTL_DEVICE)
        _allow(ruleset, _readable(), _READ_FILE | _READ_DIR)
        _set_no_new_privileges()
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _readable() -> Iterable[Path]:
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return [Path(__file__).parent, Path(sys.base_prefix, "lib"), *map(Path, installed), *map(Path, _READABLE)]


def _allow(ruleset: int, paths: Iterable[Path], access: int) -> None:
    for path in paths:
        with suppress(FileNotFoundError, PermissionError):
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                allowed = access if path.is_dir() else access & _OF_FILES
                rule = _PathBeneath(allowed_access=allowed, parent_fd=parent)
                _call(
                    _ADD_RULE,
                    ctypes.c_int(ruleset),
                    ctypes.c_int(_PATH_BENEATH),
                    ctypes.byref(rule),
                    ctypes.c_uint32(0),
                )
            finally:
                os.close(parent)


def _set_no_new_privileges() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _call(number: int, *arguments: object) -> int:
    result: int = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
