/* The limit a hub without batching can hope for: one write() per delivery, in a loop, in C.
 *
 *   limit N EVENTS FRAME
 *
 * Listens on a free loopback port (printed), answers each connection's request with 101, and once N are there writes the
 * bytes of the file FRAME to every connection, EVENTS times. Prints when it began (CLOCK_MONOTONIC, nanoseconds).
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

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: limit N EVENTS FRAME\n"), 2;
    static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    static char frame[8192], scrap[8192];
    int n = atoi(argv[1]), events = atoi(argv[2]), on = 1;
    FILE *f = fopen(argv[3], "rb");
    if (!f) return perror(argv[3]), 1;
    size_t size = fread(frame, 1, sizeof frame, f);
    fclose(f);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) return perror("listen"), 1;
    getsockname(listener, (struct sockaddr *)&at, &at_len);
    printf("{\"port\": %d}\n", ntohs(at.sin_port));
    fflush(stdout);
    int *fds = calloc((size_t)n, sizeof *fds);
    for (int i = 0; i < n; i++) {
        fds[i] = accept(listener, NULL, NULL);
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (read(fds[i], scrap, sizeof scrap) <= 0 || write(fds[i], ANSWER, sizeof ANSWER - 1) < 0) return perror("io"), 1;
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    usleep(300000);
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    for (int e = 0; e < events; e++)
        for (int i = 0; i < n; i++)
            for (size_t done = 0; done < size;) {
                ssize_t w = write(fds[i], frame + done, size - done);
                if (w > 0) done += (size_t)w;
                else if (errno != EAGAIN) return perror("write"), 1;
            }
    printf("{\"began_ns\": %llu}\n", (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec);
    fflush(stdout);
    pause();
}
