// What programs do with files, through wasi-libc. Each export returns 0, or the line that failed
// with errno in the upper half.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TEST(name) __attribute__((export_name(#name))) int name(void)
#define CHECK(condition)                          \
    do {                                          \
        errno = 0;                                \
        if (!(condition))                         \
            return __LINE__ | errno << 16;        \
    } while (0)
#define FAILS(call, code) CHECK((call) == -1 && errno == (code))

TEST(streams) {
    char line[32];
    CHECK(!isatty(0) && !isatty(1) && !isatty(2));
    FAILS(lseek(1, 0, SEEK_CUR), ESPIPE);
    CHECK(fgets(line, sizeof line, stdin) && !strcmp(line, "first\n"));
    CHECK(fgets(line, sizeof line, stdin) && !strcmp(line, "second"));
    CHECK(!fgets(line, sizeof line, stdin) && feof(stdin));
    CHECK(printf("%d bytes\n", 42) == 9 && fflush(stdout) == 0);
    CHECK(write(2, "error", 5) == 5);
    FAILS(write(0, "x", 1), EBADF);
    FAILS(read(1, line, 1), EBADF);
    struct pollfd fds[2] = {{.fd = 1, .events = POLLOUT}, {.fd = 2, .events = POLLOUT}};
    CHECK(poll(fds, 2, 1000) == 2 && fds[0].revents == POLLOUT);
    return 0;
}

TEST(leave) { exit(7); }

TEST(clocks) {
    struct timespec before, after, pause = {0, 20000000};
    CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
    CHECK(nanosleep(&pause, NULL) == 0);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    double seconds = after.tv_sec - before.tv_sec + (after.tv_nsec - before.tv_nsec) / 1e9;
    CHECK(seconds >= 0.02 && seconds < 2);
    CHECK(time(NULL) > 1500000000);
    unsigned char bytes[256] = {0}, sum = 0;
    CHECK(getentropy(bytes, sizeof bytes) == 0);
    for (unsigned i = 0; i < sizeof bytes; i++)
        sum |= bytes[i];
    CHECK(sum);
    return 0;
}

static int in(const char *directory) {
    char text[64];
    struct stat status, other;
    CHECK(chdir(directory) == 0);
    FILE *file = fopen("new", "w+");
    CHECK(file != NULL);
    CHECK(fprintf(file, "%s", "hello, file") == 11);
    CHECK(fseek(file, 7, SEEK_SET) == 0 && ftell(file) == 7);
    CHECK(fread(text, 1, sizeof text, file) == 4 && !memcmp(text, "file", 4));
    CHECK(fclose(file) == 0);
    CHECK(stat("new", &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 11);
    CHECK(status.st_nlink == 1 && status.st_mtim.tv_sec > 1500000000);

    int fd = open("new", O_WRONLY | O_APPEND);
    CHECK(fd > 3 && write(fd, "!", 1) == 1 && lseek(fd, 0, SEEK_CUR) == 12);
    CHECK(fcntl(fd, F_GETFL) & O_APPEND);
    FAILS(read(fd, text, 1), EBADF);
    CHECK(ftruncate(fd, 5) == 0 && fstat(fd, &status) == 0 && status.st_size == 5);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && close(fd) == 0);
    FAILS(open("new", O_WRONLY | O_CREAT | O_EXCL, 0666), EEXIST);
    FAILS(open("missing", O_RDONLY), ENOENT);
    FAILS(open("new/x", O_RDONLY), ENOTDIR);
    fd = open("new", O_RDONLY);
    CHECK(pread(fd, text, 3, 2) == 3 && !memcmp(text, "llo", 3));
    FAILS(write(fd, "x", 1), EBADF);
    FAILS(ftruncate(fd, 0), EINVAL);
    CHECK(close(fd) == 0);
    FAILS(close(fd), EBADF);
    CHECK(truncate("new", 2) == 0 && stat("new", &status) == 0 && status.st_size == 2);

    struct timespec times[2] = {{0, UTIME_OMIT}, {1000000000, 500}};
    CHECK(utimensat(AT_FDCWD, "new", times, 0) == 0 && stat("new", &status) == 0);
    CHECK(status.st_mtim.tv_sec == 1000000000);
    CHECK(access("new", R_OK | W_OK) == 0);

    CHECK(mkdir("folder", 0777) == 0);
    FAILS(mkdir("folder", 0777), EEXIST);
    FAILS(open("folder", O_RDWR), EISDIR);
    FAILS(unlink("folder"), EISDIR);
    CHECK(rename("new", "folder/moved") == 0);
    FAILS(rmdir("folder"), ENOTEMPTY);
    CHECK(link("folder/moved", "twin") == 0);
    CHECK(stat("twin", &status) == 0 && stat("folder/moved", &other) == 0);
    CHECK(status.st_ino == other.st_ino && status.st_dev == other.st_dev);
    CHECK(symlink("folder/moved", "symbolic") == 0);
    CHECK(readlink("symbolic", text, sizeof text) == 12 && !memcmp(text, "folder/moved", 12));
    CHECK(lstat("symbolic", &status) == 0 && S_ISLNK(status.st_mode));
    CHECK(stat("symbolic", &status) == 0 && status.st_ino == other.st_ino);
    FAILS(open("symbolic", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK(symlink("loop", "loop") == 0);
    FAILS(open("loop", O_RDONLY), ELOOP);

    DIR *listing = opendir(".");
    CHECK(listing != NULL);
    int count = 0, dots = 0;
    for (struct dirent *entry; (entry = readdir(listing)); count++) {
        dots += !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
        if (!strcmp(entry->d_name, "folder"))
            CHECK(entry->d_type == DT_DIR);
        if (!strcmp(entry->d_name, "symbolic"))
            CHECK(entry->d_type == DT_LNK);
    }
    CHECK(dots == 2 && count == 6);
    CHECK(closedir(listing) == 0);

    int directory_fd = open("folder", O_RDONLY | O_DIRECTORY);
    CHECK(directory_fd > 3);
    fd = openat(directory_fd, "moved", O_RDWR);
    CHECK(fd > 3 && close(fd) == 0);
    CHECK(openat(directory_fd, "../twin", O_RDONLY) == -1);
    CHECK(unlinkat(directory_fd, "moved", 0) == 0 && close(directory_fd) == 0);
    CHECK(rmdir("folder") == 0);
    CHECK(unlink("twin") == 0 && unlink("symbolic") == 0 && unlink("loop") == 0);
    return chdir("/") != 0;
}

TEST(on_the_host) { return in("/data"); }
TEST(in_memory) { return in("/tmp"); }

TEST(read_only) {
    char text[16];
    struct stat status;
    int fd = open("/ro/hello", O_RDONLY);
    CHECK(fd > 3 && read(fd, text, sizeof text) == 5 && close(fd) == 0);
    FAILS(open("/ro/hello", O_RDWR), EROFS);
    FAILS(open("/ro/hello", O_WRONLY | O_TRUNC), EROFS);
    FAILS(open("/ro/hello", O_RDONLY | O_TRUNC), EROFS);
    FAILS(open("/ro/new", O_WRONLY | O_CREAT, 0666), EROFS);
    FAILS(truncate("/ro/hello", 0), EROFS);
    FAILS(rename("/ro/hello", "/ro/x"), EROFS);
    FAILS(rename("/ro/hello", "/data/x"), EROFS);
    FAILS(rename("/tmp", "/data/x"), EBUSY);
    FAILS(link("/ro/hello", "/data/x"), EXDEV);
    FAILS(unlink("/ro/hello"), EROFS);
    FAILS(mkdir("/ro/x", 0777), EROFS);
    FAILS(mkdir("/x", 0777), EROFS);
    FAILS(symlink("hello", "/ro/x"), EROFS);
    FAILS(utimensat(AT_FDCWD, "/ro/hello", NULL, 0), EROFS);
    CHECK(stat("/ro/hello", &status) == 0 && status.st_size == 5);
    CHECK(stat("/", &status) == 0 && S_ISDIR(status.st_mode));
    CHECK(stat("/ro/", &status) == 0 && S_ISDIR(status.st_mode));
    CHECK(stat("/ro/../ro/./hello", &status) == 0);
    return 0;
}

TEST(escapes) {
    char path[5000];
    FAILS(open("/../../../etc/passwd", O_RDONLY), ENOENT);
    FAILS(open("/data/../../etc/passwd", O_RDONLY), ENOENT);
    FAILS(open("/data/out", O_RDONLY), ENOENT);
    FAILS(open("/data/passwd", O_RDONLY), ENOENT);
    FAILS(open("/data/out/new", O_WRONLY | O_CREAT, 0666), ENOENT);
    FAILS(open("/etc/passwd", O_RDONLY), ENOENT);
    FAILS(open("/proc/self/environ", O_RDONLY), ENOENT);
    CHECK(readlink("/data/passwd", path, sizeof path) == -1);
    memset(path, 'x', sizeof path - 1);
    path[0] = '/', path[sizeof path - 1] = 0;
    FAILS(open(path, O_RDONLY), ENAMETOOLONG);
    return 0;
}

TEST(descriptors) {
    int fds[256];
    for (int i = 0; i < 256; i++)
        CHECK((fds[i] = open("/ro/hello", O_RDONLY)) >= 0);
    CHECK(close(fds[100]) == 0 && open("/ro/hello", O_RDONLY) == fds[100]);
    for (int i = 0; i < 256; i++)
        CHECK(close(fds[i]) == 0);
    return 0;
}

TEST(big_directory) {
    DIR *listing = opendir("/big");
    CHECK(listing != NULL);
    int count = 0, sum = 0;
    for (struct dirent *entry; (entry = readdir(listing)); count++)
        sum += atoi(entry->d_name);
    CHECK(count == 3002 && sum == 3000 * 2999 / 2);
    rewinddir(listing);
    CHECK(readdir(listing) != NULL);
    return closedir(listing);
}
