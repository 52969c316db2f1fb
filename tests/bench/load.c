/* The load side: N watchers on one thread that do nothing but count. Never the bottleneck.
 *
 *   load HOST PORT N REQUEST EXPECT SECONDS
 *
 * REQUEST is the file with the HTTP request each connection sends, an upgrade to WebSocket. Frames whose payload begins
 * with {"type":"log" are counted. Prints one JSON line once all N are connected and one when N * EXPECT frames have come
 * (or SECONDS have passed): how many came, and when the last one did (CLOCK_MONOTONIC, nanoseconds).
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

static const char MARK[] = "{\"type\":\"log\"";
enum { MARK_LEN = sizeof MARK - 1, READ_SIZE = 256 * 1024 };

struct watcher {
    int fd, open;            /* open: the response's head has been read */
    int tail;                /* of that head: how much of \r\n\r\n has been seen */
    unsigned char head[14];  /* of the frame that comes next: header and the mark's place */
    int have, header;        /* bytes in head; length of the frame's header once known, else 0 */
    uint64_t left;           /* payload bytes of the present frame still to come */
};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long count_frames(struct watcher *w, const unsigned char *p, ssize_t n) {
    static const char END[] = "\r\n\r\n";
    long found = 0;
    const unsigned char *end = p + n;
    while (p < end && !w->open) {
        w->tail = *p == (unsigned char)END[w->tail] ? w->tail + 1 : (*p == '\r');
        p++;
        if (w->tail == 4) w->open = 1;
    }
    while (p < end) {
        if (w->left) {
            uint64_t take = (uint64_t)(end - p) < w->left ? (uint64_t)(end - p) : w->left;
            p += take;
            w->left -= take;
            continue;
        }
        w->head[w->have++] = *p++;
        if (w->have < 2) continue;
        if (!w->header) {
            unsigned char size = w->head[1] & 0x7f;
            w->header = size < 126 ? 2 : size == 126 ? 4 : 10;
        }
        if (w->have < w->header) continue;
        uint64_t size = w->head[1] & 0x7f;
        if (w->header > 2) {
            size = 0;
            for (int i = 2; i < w->header; i++) size = size << 8 | w->head[i];
        }
        /* The mark is looked for in what has been read already; a mark cut by the read's end is counted by its length,
         * since only the events of the measurement are longer than 200 bytes and shorter than 1000. */
        if ((size_t)(end - p) >= MARK_LEN ? !memcmp(p, MARK, MARK_LEN) : size > 200 && size < 1000) found++;
        w->left = size;
        w->have = w->header = 0;
    }
    return found;
}

int main(int argc, char **argv) {
    if (argc != 7) return fprintf(stderr, "usage: load HOST PORT N REQUEST EXPECT SECONDS\n"), 2;
    int n = atoi(argv[3]);
    long expect = atol(argv[5]) * n, got = 0;
    static char request[4096];
    FILE *f = fopen(argv[4], "rb");
    if (!f) return perror(argv[4]), 1;
    size_t request_len = fread(request, 1, sizeof request, f);
    fclose(f);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    struct watcher *all = calloc((size_t)n, sizeof *all);
    unsigned char *buffer = malloc(READ_SIZE);
    int epoll = epoll_create1(0), on = 1;
    for (int i = 0; i < n; i++) {
        int fd = all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) || write(fd, request, request_len) != (ssize_t)request_len)
            return perror("connect"), 1;
        /* One at a time until the head has come: a burst of handshakes is not what is measured. */
        while (!all[i].open) {
            ssize_t r = read(fd, buffer, READ_SIZE);
            if (r <= 0) return perror("handshake"), 1;
            got += count_frames(&all[i], buffer, r);
        }
        fcntl(fd, F_SETFL, O_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
    printf("{\"connected\": %d}\n", n);
    fflush(stdout);
    uint64_t deadline = now_ns() + (uint64_t)(atof(argv[6]) * 1e9), last = 0;
    struct epoll_event events[512];
    int alive = n;
    while (got < expect && alive && now_ns() < deadline) {
        int ready = epoll_wait(epoll, events, 512, 100);
        for (int i = 0; i < ready; i++) {
            struct watcher *w = events[i].data.ptr;
            ssize_t r = read(w->fd, buffer, READ_SIZE);
            if (r > 0) {
                long found = count_frames(w, buffer, r);
                if (found) got += found, last = now_ns();
            } else if (r == 0 || errno != EAGAIN) {
                close(w->fd);
                alive--;
            }
        }
    }
    printf("{\"deliveries\": %ld, \"alive\": %d, \"last_ns\": %llu}\n", got, alive, (unsigned long long)last);
    return 0;
}
