// What the subjects in preview1.c are written in: checks, and calls of the host.
#ifndef PREVIEW1_H
#define PREVIEW1_H

#include <string.h>
#include <wasi/api.h>

#define TEST(name) __attribute__((export_name(#name))) int name(int where)
#define CHECK(condition)                            \
    do {                                            \
        if (!(condition))                           \
            return __LINE__ | last << 16;           \
    } while (0)
#define OK(call) CHECK((last = (call)) == 0)
#define FAILS(call, ...) CHECK(among((last = (call)), (int[]){__VA_ARGS__, -1}))
#define ENTER                                       \
    __wasi_fd_t d, f, g;                            \
    (void)f, (void)g;                               \
    OK(open_at(3, where ? "tmp" : "data", __WASI_OFLAGS_DIRECTORY, ALL_OF_DIRECTORY, ALL, 0, 1, &d))
#define ALL ((__wasi_rights_t)(1 << 30) - 1)
#define ALL_OF_DIRECTORY (ALL & ~(__wasi_rights_t)(__WASI_RIGHTS_FD_WRITE |            \
    __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE))
#define READ_WRITE (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_SEEK | \
    __WASI_RIGHTS_FD_TELL | __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_FD_FILESTAT_SET_SIZE | \
    __WASI_RIGHTS_FD_FILESTAT_SET_TIMES | __WASI_RIGHTS_FD_ALLOCATE | __WASI_RIGHTS_FD_ADVISE | \
    __WASI_RIGHTS_FD_FDSTAT_SET_FLAGS)
#define DIRECTORY __WASI_OFLAGS_DIRECTORY
#define CREATE __WASI_OFLAGS_CREAT

static int last;

static int among(int code, const int *codes) {
    for (; *codes >= 0; codes++)
        if (*codes == code)
            return 1;
    return 0;
}

// Paths are zero-terminated here; the library's wrappers take them so.
static int open_at(__wasi_fd_t d, const char *path, int flags, __wasi_rights_t base,
                   __wasi_rights_t inheriting, int fdflags, int follow, __wasi_fd_t *out) {
    return __wasi_path_open(d, follow, path, flags, base, inheriting, fdflags, out);
}
static int plain(__wasi_fd_t d, const char *path, int flags, __wasi_fd_t *out) {
    return open_at(d, path, flags, 0, 0, 0, 0, out);
}
static int create(__wasi_fd_t d, const char *path) {
    __wasi_fd_t f;
    int code = open_at(d, path, CREATE, READ_WRITE, 0, 0, 0, &f);
    return code ? code : __wasi_fd_close(f);
}
static int put(__wasi_fd_t f, const void *data, size_t size) {
    __wasi_size_t done = 0;
    __wasi_ciovec_t vector = {data, size};
    int code = __wasi_fd_write(f, &vector, 1, &done);
    return code ? code : done == size ? 0 : -2;
}
static int get(__wasi_fd_t f, void *data, size_t size, __wasi_size_t *done) {
    __wasi_iovec_t vector = {data, size};
    return __wasi_fd_read(f, &vector, 1, done);
}

#endif
