/* The limit a hub without batching can hope for: one write() per delivery, in a loop, in C.
 *
 *   limit FRAME
 *
 * Listens on a free loopback port (printed) and obeys lines on its input until that ends:
 *
 *   wait N            accept N connections, answering each one's request with 101; says {"watchers": N}
 *   burst EVENTS B    write the bytes of the file FRAME to every connection, EVENTS times; says when it began
 *   one               the same once; says nothing
 *
 * There is no B here: without batching, a burst is so many events one by one.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char frame[8192];
static size_t size;
static int *fds, n;

static void tell(void) {
    for (int i = 0; i < n; i++)
        for (size_t done = 0; done < size;) {
            ssize_t w = write(fds[i], frame + done, size - done);
            if (w > 0) {
                done += (size_t)w;
            } else if (errno != EAGAIN) {
                perror("write");
                exit(1);
            }
        }
}

static int welcome(int listener, int count) {
    static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    static char scrap[8192];
    int on = 1;
    fds = calloc((size_t)count, sizeof *fds);
    for (n = 0; n < count; n++) {
        fds[n] = accept(listener, NULL, NULL);
        setsockopt(fds[n], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (read(fds[n], scrap, sizeof scrap) <= 0 || write(fds[n], ANSWER, sizeof ANSWER - 1) < 0) return 0;
        fcntl(fds[n], F_SETFL, O_NONBLOCK);
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: limit FRAME\n"), 2;
    FILE *f = fopen(argv[1], "rb");
    if (!f) return perror(argv[1]), 1;
    size = fread(frame, 1, sizeof frame, f);
    fclose(f);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) return perror("listen"), 1;
    getsockname(listener, (struct sockaddr *)&at, &at_len);
    printf("{\"port\": %d, \"path\": \"/\"}\n", ntohs(at.sin_port));
    fflush(stdout);
    char order[128];
    int count, burst;
    while (fgets(order, sizeof order, stdin)) {
        if (!strcmp(order, "one\n")) {
            tell();
        } else if (sscanf(order, "wait %d", &count) == 1) {
            if (!welcome(listener, count)) return perror("handshake"), 1;
            printf("{\"watchers\": %d}\n", n);
        } else if (sscanf(order, "burst %d %d", &count, &burst) == 2) {
            struct timespec t;
            clock_gettime(CLOCK_MONOTONIC, &t);
            for (int e = 0; e < count; e++) tell();
            printf("{\"began_ns\": %llu}\n", (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec);
        } else {
            return fprintf(stderr, "limit: no order: %s", order), 2;
        }
        fflush(stdout);
    }
}
