/* A sink that costs as little as possible, to measure clients against: one thread, one epoll loop, every message is taken.
 *
 *   sink PORT STATS [nochunking] [nopipelining]
 *
 * Listens on 127.0.0.1 and only looks for the end of each message (RFC 5321 DATA, RFC 3030 BDAT). STATS is a file of five
 * native 64-bit numbers, mapped and kept up to date: messages, bytes, connections, and the monotonic nanoseconds at which
 * the first message began and the last one ended. Ends on SIGTERM. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 4096, CHUNK = 1 << 18, REPLIES = 1 << 16, EVENTS = 64 };

struct stats { uint64_t messages, bytes, connections, first, last; };

struct connection {
    int fd;
    enum { COMMANDS, BODY, COUNTED } state;
    uint64_t left;     /* bytes to come of a BDAT chunk */
    int last;          /* it is the message's last */
    int fresh;         /* nothing of the message's body has been read */
    size_t kept;       /* bytes kept of an unfinished line */
    char line[LINE];
};

static struct stats *stats;
static char buffer[LINE + CHUNK], replies[REPLIES];
static size_t replying;
static const char *extensions;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void reply(const char *text) {
    size_t size = strlen(text);
    if (replying + size <= REPLIES) {
        memcpy(replies + replying, text, size);
        replying += size;
    }
}

static void taken(void) {
    stats->last = now();
    stats->messages++;
    reply("250 2.0.0 taken\r\n");
}

/* One command line without its end. Returns 0 to go on, 1 to close after the replies. */
static int command(struct connection *c, char *line) {
    if (!strncasecmp(line, "MAIL", 4)) {
        if (!stats->first) stats->first = now();
        reply("250 2.1.0 ok\r\n");
    } else if (!strncasecmp(line, "RCPT", 4)) {
        reply("250 2.1.5 ok\r\n");
    } else if (!strncasecmp(line, "DATA", 4)) {
        c->state = BODY;
        c->fresh = 1;
        reply("354 go on\r\n");
    } else if (!strncasecmp(line, "BDAT", 4)) {
        c->left = strtoull(line + 4, NULL, 10);
        c->last = strcasestr(line, "LAST") != NULL;
        c->state = COUNTED;
    } else if (!strncasecmp(line, "EHLO", 4)) {
        reply(extensions);
    } else if (!strncasecmp(line, "QUIT", 4)) {
        reply("221 2.0.0 bye\r\n");
        return 1;
    } else if (!strncasecmp(line, "HELO", 4) || !strncasecmp(line, "RSET", 4) || !strncasecmp(line, "NOOP", 4)) {
        reply("250 2.0.0 ok\r\n");
    } else {
        reply("502 5.5.1 unknown\r\n");
    }
    return 0;
}

/* The place behind the end of the message (a line that is only a dot) or NULL. What was kept stands before. */
static char *body_end(char *at, char *end, int fresh) {
    if (fresh && end - at >= 3 && !memcmp(at, ".\r\n", 3)) return at + 3;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        if (end - at >= 4 && at[1] == '.' && at[2] == '\r' && at[3] == '\n') return at + 4;
        at++;
    }
    return NULL;
}

/* What must be seen again with the next bytes: the last line end, if the end of the message may begin with it. */
static size_t tail(const char *at, const char *end) {
    for (size_t back = 1; back <= 3 && back <= (size_t)(end - at); back++)
        if (end[-(long)back] == '\n') return back;
    return 0;
}

/* Reads what has come. Returns 1 when the connection is to be closed. */
static int serve(struct connection *c) {
    memcpy(buffer, c->line, c->kept);
    ssize_t got = recv(c->fd, buffer + c->kept, CHUNK, 0);
    if (got <= 0) return !(got < 0 && (errno == EAGAIN || errno == EINTR));
    char *at = buffer, *end = buffer + c->kept + got;
    int closing = 0;
    stats->bytes += (uint64_t)got;
    c->kept = 0;
    replying = 0;
    while (!closing && (at < end || (c->state == COUNTED && !c->left))) {
        if (c->state == COUNTED) {
            uint64_t here = (uint64_t)(end - at) < c->left ? (uint64_t)(end - at) : c->left;
            at += here;
            if ((c->left -= here)) break;
            c->state = COMMANDS;
            if (c->last) taken();
            else reply("250 2.0.0 ok\r\n");
        } else if (c->state == BODY) {
            char *after = body_end(at, end, c->fresh);
            if (!after) {
                c->fresh = c->fresh && end - at < 3;
                size_t keep = c->fresh ? (size_t)(end - at) : tail(at, end);
                memcpy(c->line, end - keep, c->kept = keep);
                at = end;
                break;
            }
            at = after;
            c->state = COMMANDS;
            taken();
        } else {
            char *stop = memchr(at, '\n', (size_t)(end - at));
            if (!stop) {
                if (end - at >= LINE) return 1;
                memcpy(c->line, at, c->kept = (size_t)(end - at));
                break;
            }
            *stop = 0;
            closing = command(c, at);
            at = stop + 1;
        }
    }
    return (replying && send(c->fd, replies, replying, MSG_NOSIGNAL) != (ssize_t)replying) || closing;
}

static void greet(int listener, int events) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c) { close(fd); return; }
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(events, EPOLL_CTL_ADD, fd, &e);
        stats->connections++;
        if (send(fd, "220 sink ESMTP\r\n", 16, MSG_NOSIGNAL) < 0) continue;
    }
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
    int chunking = 1, pipelining = 1, on = 1;
    for (int i = 3; i < count; i++) {
        if (!strcmp(arguments[i], "nochunking")) chunking = 0;
        if (!strcmp(arguments[i], "nopipelining")) pipelining = 0;
    }
    static char offered[256];
    snprintf(offered, sizeof offered, "250-sink\r\n%s%s250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 0\r\n",
             pipelining ? "250-PIPELINING\r\n" : "", chunking ? "250-CHUNKING\r\n" : "");
    extensions = offered;
    int file = open(arguments[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, sizeof *stats)) return 1;
    stats = mmap(NULL, sizeof *stats, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (stats == MAP_FAILED) return 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return 1;
    int events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready[EVENTS], e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(events, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int found = epoll_wait(events, ready, EVENTS, -1);
        for (int i = 0; i < found; i++) {
            struct connection *c = ready[i].data.ptr;
            if (!c) greet(listener, events);
            else if (serve(c)) { close(c->fd); free(c); }
        }
    }
}
