/* The load side: N watchers on one thread that do nothing but count. Never the bottleneck: it says what CPU it took.
 *
 *   load PORT N MARK FILE AWAIT [FILE AWAIT ...]
 *
 * Connects N times to PORT on loopback. Each connection sends the bytes of FILE and reads until AWAIT has come, once for
 * every pair; the answer must be HTTP's 101 or 200. From then on every occurrence of MARK in what comes is one event,
 * whatever the transport wraps around it. MARK's first character must not occur in it twice.
 *
 * Prints {"connected": N}, then obeys lines on its input until that ends:
 *
 *   count E SECONDS RECEIPTS
 *
 * answers {"counting": E} and, once N * E events have come or SECONDS have passed, how many came, on how many connections,
 * when the first and the last did (CLOCK_MONOTONIC) and the CPU time taken since, all in nanoseconds. RECEIPTS is a file
 * for when each event came, or "-": N * E native 64-bit numbers, watcher by watcher, 0 for an event that did not come.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, HEAD_SIZE = 16 * 1024 };

struct watcher {
    int fd;
    int matched;   /* how much of the mark the bytes so far end with */
    uint32_t seen; /* events since the present count began */
};

struct count {
    int on;
    long expect, got; /* of all watchers together */
    long each;
    uint64_t deadline, first, last, cpu;
    uint64_t *receipts;
    char file[1024];
};

static const char *mark;
static int mark_len, n, alive;
static struct watcher *all;
static char *buffer;
static struct count now;

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void take(struct watcher *w, const char *p, size_t size) {
    const char *end = p + size;
    uint64_t at = 0;
    while (p < end) {
        if (!w->matched && !(p = memchr(p, mark[0], (size_t)(end - p)))) return;
        while (p < end && w->matched < mark_len && *p == mark[w->matched]) p++, w->matched++;
        if (w->matched == mark_len) {
            w->matched = 0;
            if (!now.on) continue;
            if (!at) at = clock_ns(CLOCK_MONOTONIC);
            if (!now.first) now.first = at;
            now.last = at;
            if (now.receipts && w->seen < (uint64_t)now.each) now.receipts[(w - all) * now.each + w->seen] = at;
            w->seen++;
            now.got++;
        } else if (p < end) {
            w->matched = 0;
        }
    }
}

static int shake_hands(struct watcher *w, const char *say, size_t say_len, const char *await, int is_first) {
    static char head[HEAD_SIZE];
    size_t have = 0;
    if (write(w->fd, say, say_len) != (ssize_t)say_len) return perror("handshake"), 1;
    char *found;
    /* One at a time until the answer has come: a burst of handshakes is not what is measured. */
    do {
        ssize_t r = read(w->fd, head + have, sizeof head - have);
        if (r <= 0) return fprintf(stderr, "load: the handshake broke off after %zu bytes\n", have), 1;
        have += (size_t)r;
    } while (!(found = memmem(head, have, await, strlen(await))));
    if (is_first && memcmp(head, "HTTP/1.1 101", 12) && memcmp(head, "HTTP/1.1 200", 12))
        return fprintf(stderr, "load: refused: %.*s\n", (int)strcspn(head, "\r\n"), head), 1;
    found += strlen(await);
    take(w, found, have - (size_t)(found - head));
    return 0;
}

static void begin(const char *order) {
    double seconds;
    if (sscanf(order, "count %ld %lf %1023s", &now.each, &seconds, now.file) != 3) {
        fprintf(stderr, "load: no order: %s", order);
        exit(2);
    }
    now.got = 0, now.first = now.last = 0, now.on = 1;
    now.expect = now.each * n;
    now.cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    now.deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
    free(now.receipts);
    now.receipts = strcmp(now.file, "-") ? calloc((size_t)now.expect, sizeof *now.receipts) : NULL;
    for (int i = 0; i < n; i++) all[i].seen = 0;
    printf("{\"counting\": %ld}\n", now.each);
    fflush(stdout);
}

static void report(void) {
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - now.cpu;
    now.on = 0;
    if (now.receipts) {
        FILE *f = fopen(now.file, "wb");
        if (!f || fwrite(now.receipts, sizeof *now.receipts, (size_t)now.expect, f) != (size_t)now.expect || fclose(f)) {
            perror(now.file);
            exit(1);
        }
    }
    printf("{\"deliveries\": %ld, \"alive\": %d, \"first_ns\": %llu, \"last_ns\": %llu, \"cpu_ns\": %llu}\n", now.got, alive,
           (unsigned long long)now.first, (unsigned long long)now.last, (unsigned long long)cpu);
    fflush(stdout);
}

static int obey(void) {
    static char order[2048];
    if (!fgets(order, sizeof order, stdin)) return 0;
    begin(order);
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 6 || argc % 2) return fprintf(stderr, "usage: load PORT N MARK FILE AWAIT [FILE AWAIT ...]\n"), 2;
    static char say[8][4096];
    size_t say_len[8];
    int steps = (argc - 4) / 2, on = 1;
    if (steps > 8) return fprintf(stderr, "load: too many steps\n"), 2;
    alive = n = atoi(argv[2]);
    mark = argv[3], mark_len = (int)strlen(mark);
    for (int s = 0; s < steps; s++) {
        FILE *f = fopen(argv[4 + 2 * s], "rb");
        if (!f) return perror(argv[4 + 2 * s]), 1;
        say_len[s] = fread(say[s], 1, sizeof say[s], f);
        fclose(f);
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    all = calloc((size_t)n, sizeof *all);
    buffer = malloc(READ_SIZE);
    int epoll = epoll_create1(0);
    for (int i = 0; i < n; i++) {
        int fd = all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) return perror("connect"), 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        for (int s = 0; s < steps; s++)
            if (shake_hands(&all[i], say[s], say_len[s], argv[5 + 2 * s], s == 0)) return 1;
        fcntl(fd, F_SETFL, O_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
    /* Orders come one at a time, each after the answer to the one before, so stdio never holds a second one back. */
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e)) return perror("stdin"), 1;
    printf("{\"connected\": %d}\n", n);
    fflush(stdout);
    struct epoll_event events[512];
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, now.on ? 100 : -1);
        for (int i = 0; i < ready; i++) {
            struct watcher *w = events[i].data.ptr;
            if (!w) {
                if (!obey()) return 0;
                continue;
            }
            ssize_t r = read(w->fd, buffer, READ_SIZE);
            if (r > 0) {
                take(w, buffer, (size_t)r);
            } else if (r == 0 || errno != EAGAIN) {
                close(w->fd);
                alive--;
            }
        }
        if (now.on && (now.got >= now.expect || !alive || clock_ns(CLOCK_MONOTONIC) >= now.deadline)) report();
    }
}
