"""The table of all functions of ``wasi_snapshot_preview1``."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.engines.protocol import HostImport
from coilbox.wasi import fd, io, path, poll, proc


def _import(name: str, params: str, function: Callable[..., int | None]) -> HostImport:
    result = "" if name == "proc_exit" else "i"
    return HostImport("wasi_snapshot_preview1", name, params, result, function)


WASI_IMPORTS: tuple[HostImport, ...] = (
    _import("args_get", "ii", proc.no_strings),
    _import("args_sizes_get", "ii", proc.no_sizes),
    _import("environ_get", "ii", proc.no_strings),
    _import("environ_sizes_get", "ii", proc.no_sizes),
    _import("clock_res_get", "ii", proc.clock_res_get),
    _import("clock_time_get", "iIi", proc.clock_time_get),
    _import("fd_advise", "iIIi", fd.fd_advise),
    _import("fd_allocate", "iII", fd.fd_allocate),
    _import("fd_close", "i", fd.fd_close),
    _import("fd_datasync", "i", fd.fd_datasync),
    _import("fd_fdstat_get", "ii", fd.fd_fdstat_get),
    _import("fd_fdstat_set_flags", "ii", fd.fd_fdstat_set_flags),
    _import("fd_fdstat_set_rights", "iII", fd.fd_fdstat_set_rights),
    _import("fd_filestat_get", "ii", fd.fd_filestat_get),
    _import("fd_filestat_set_size", "iI", fd.fd_filestat_set_size),
    _import("fd_filestat_set_times", "iIIi", fd.fd_filestat_set_times),
    _import("fd_pread", "iiiIi", io.fd_pread),
    _import("fd_prestat_get", "ii", fd.fd_prestat_get),
    _import("fd_prestat_dir_name", "iii", fd.fd_prestat_dir_name),
    _import("fd_pwrite", "iiiIi", io.fd_pwrite),
    _import("fd_read", "iiii", io.fd_read),
    _import("fd_readdir", "iiiIi", fd.fd_readdir),
    _import("fd_renumber", "ii", fd.fd_renumber),
    _import("fd_seek", "iIii", fd.fd_seek),
    _import("fd_sync", "i", fd.fd_sync),
    _import("fd_tell", "ii", fd.fd_tell),
    _import("fd_write", "iiii", io.fd_write),
    _import("path_create_directory", "iii", path.path_create_directory),
    _import("path_filestat_get", "iiiii", path.path_filestat_get),
    _import("path_filestat_set_times", "iiiiIIi", path.path_filestat_set_times),
    _import("path_link", "iiiiiii", path.path_link),
    _import("path_open", "iiiiiIIii", path.path_open),
    _import("path_readlink", "iiiiii", path.path_readlink),
    _import("path_remove_directory", "iii", path.path_remove_directory),
    _import("path_rename", "iiiiii", path.path_rename),
    _import("path_symlink", "iiiii", path.path_symlink),
    _import("path_unlink_file", "iii", path.path_unlink_file),
    _import("poll_oneoff", "iiii", poll.poll_oneoff),
    _import("proc_exit", "i", proc.proc_exit),
    _import("proc_raise", "i", proc.unsupported),
    _import("random_get", "ii", proc.random_get),
    _import("sched_yield", "", proc.sched_yield),
    _import("sock_accept", "iii", proc.no_socket),
    _import("sock_recv", "iiiiii", proc.no_socket),
    _import("sock_send", "iiiii", proc.no_socket),
    _import("sock_shutdown", "ii", proc.no_socket),
)
