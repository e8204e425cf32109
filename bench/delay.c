/* A wire of a given length: a TCP proxy that holds back what it is given for a time in each direction, and nothing else.
 *
 *   delay PORT TARGET_PORT MICROSECONDS
 *
 * On 127.0.0.1 both. Bytes are not counted or slowed: any number may be under way. Since all wait equally long, one queue
 * in the order of arrival is the order of departure. A connection is made at once; its first bytes are held back. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, EVENTS = 64, BACKLOG = 8 << 20 };

struct piece { struct piece *next; struct end *to; uint64_t due; size_t size, sent; char bytes[]; };

struct end {                        /* one end of a connection, and what waits to be written to it */
    int fd, closed, stopped, shut;  /* it sent its end; is not read for a while; was told the other's end */
    struct end *other, *next;
    struct piece *first, **last;
    size_t backlog, pieces;         /* bytes and pieces under way to it */
};

static struct piece *waiting, **behind = &waiting;
static struct end *dead;            /* freed when no event can name them any more */
static int events, timer;
static uint64_t hold;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void watch(struct end *e) {
    uint32_t what = (e->stopped || e->closed ? 0 : EPOLLIN) | (e->first ? EPOLLOUT : 0);
    struct epoll_event event = {.events = what, .data.ptr = e};
    epoll_ctl(events, EPOLL_CTL_MOD, e->fd, &event);
}

static void flush(struct end *e) {
    while (e->first) {
        struct piece *p = e->first;
        ssize_t sent = p->size ? send(e->fd, p->bytes + p->sent, p->size - p->sent, MSG_NOSIGNAL) : 0;
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (!p->size || sent < 0) {
            shutdown(e->fd, p->size ? SHUT_RDWR : SHUT_WR);
            e->shut = 1;
        }
        p->sent = sent < 0 ? p->size : p->sent + (size_t)sent;
        if (p->sent < p->size) break;
        if (!(e->first = p->next)) e->last = &e->first;
        e->backlog -= p->size;
        e->pieces--;
        free(p);
    }
    if (e->other->stopped && e->backlog < BACKLOG / 2) {
        e->other->stopped = 0;
        watch(e->other);
    }
    if (e->shut && e->other->shut && !e->pieces && !e->other->pieces) {
        close(e->fd);
        close(e->other->fd);
        e->fd = e->other->fd = -1;
        e->next = dead;
        dead = e;
    } else {
        watch(e);
    }
}

static void take(struct end *from) {
    struct piece *p = malloc(sizeof *p + CHUNK);
    if (!p) abort();
    ssize_t got = recv(from->fd, p->bytes, CHUNK, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) { free(p); return; }
    if (got <= 0) { from->closed = 1; got = 0; }
    *p = (struct piece){.to = from->other, .due = now() + hold, .size = (size_t)got};
    p = realloc(p, sizeof *p + (size_t)got);
    if (!waiting) {
        struct itimerspec at = {.it_value = {.tv_sec = (time_t)(p->due / 1000000000u), .tv_nsec = (long)(p->due % 1000000000u)}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    }
    *behind = p;
    behind = &p->next;
    from->other->backlog += (size_t)got;
    from->other->pieces++;
    from->stopped = from->other->backlog > BACKLOG;
    if (from->closed || from->stopped) watch(from);
}

static void release(void) {
    uint64_t ticks, at = now();
    if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) abort();
    while (waiting && waiting->due <= at) {
        struct piece *p = waiting;
        if (!(waiting = p->next)) behind = &waiting;
        p->next = NULL;
        *p->to->last = p;
        p->to->last = &p->next;
        flush(p->to);
    }
    if (waiting) {
        struct itimerspec next = {.it_value = {.tv_sec = (time_t)(waiting->due / 1000000000u), .tv_nsec = (long)(waiting->due % 1000000000u)}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
    }
}

static struct end *make(int fd) {
    int on = 1;
    struct end *e = calloc(1, sizeof *e);
    if (!e) abort();
    e->fd = fd;
    e->last = &e->first;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return e;
}

static void join(int listener, const struct sockaddr_in *target) {
    int fd, far;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(far, (const struct sockaddr *)target, sizeof *target)) { close(fd); close(far); continue; }
        fcntl(far, F_SETFL, O_NONBLOCK);
        struct end *a = make(fd), *b = make(far);
        a->other = b;
        b->other = a;
        struct epoll_event one = {.events = EPOLLIN, .data.ptr = a}, two = {.events = EPOLLIN, .data.ptr = b};
        epoll_ctl(events, EPOLL_CTL_ADD, fd, &one);
        epoll_ctl(events, EPOLL_CTL_ADD, far, &two);
    }
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    hold = strtoull(arguments[3], NULL, 10) * 1000u;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, target = address;
    target.sin_port = htons((uint16_t)atoi(arguments[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return 1;
    events = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    static char listening, timing;
    struct epoll_event ready[EVENTS], e = {.events = EPOLLIN, .data.ptr = &listening};
    epoll_ctl(events, EPOLL_CTL_ADD, listener, &e);
    e.data.ptr = &timing;
    epoll_ctl(events, EPOLL_CTL_ADD, timer, &e);
    for (;;) {
        int found = epoll_wait(events, ready, EVENTS, -1);
        for (int i = 0; i < found; i++) {
            void *what = ready[i].data.ptr;
            if (what == &listening) { join(listener, &target); continue; }
            if (what == &timing) { release(); continue; }
            struct end *at = what;
            if (at->fd >= 0 && ready[i].events & EPOLLOUT) flush(at);
            if (at->fd >= 0 && !at->closed && ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(at);
        }
        for (struct end *gone; (gone = dead);) {
            dead = gone->next;
            free(gone->other);
            free(gone);
        }
    }
}
