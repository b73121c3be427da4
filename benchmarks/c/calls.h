/* The calls of a run, as generator and echo both read them: a line "ADDRESS PORT SOURCE_PORT BACK_PORT KEY BACK_KEY" for each.
 *
 * Packets go from 127.0.0.1:SOURCE_PORT (0 for any) to ADDRESS:PORT under KEY, and come back under BACK_KEY: to where they came from,
 * or, where BACK_PORT is not 0, to 127.0.0.1:BACK_PORT. A key is master key and salt in one, 60 hexadecimal digits, and "/32" where
 * the tag is the short one; "-" is plain RTP.
 */
#include "srtp.h"
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 4096 };

struct call {
    struct sockaddr_in server, source, back;
    char key[64], back_key[64];
    int sock;
    struct srtp *inbound, *outbound; /* NULL for plain RTP */
    uint32_t next;
};

static struct call calls[MOST];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in place(const char *address, unsigned short port)
{
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &made.sin_addr) != 1 || (ntohl(made.sin_addr.s_addr) >> 24) != 127) {
        fprintf(stderr, "%s is not on the loopback\n", address);
        exit(2);
    }
    return made;
}

/* How many calls the file has; sockets for all of them are allowed. */
static int read_calls(const char *path)
{
    FILE *file = fopen(path, "r");
    struct rlimit files = {20000, 20000};
    unsigned short port, source, back;
    char address[64];
    int count = 0;
    if (!file)
        fail(path);
    setrlimit(RLIMIT_NOFILE, &files);
    for (; count < MOST; count++) {
        struct call *call = &calls[count];
        if (fscanf(file, "%63s %hu %hu %hu %63s %63s", address, &port, &source, &back, call->key, call->back_key) != 6)
            break;
        call->server = place(address, port);
        call->source = place("127.0.0.1", source);
        call->back = place("127.0.0.1", back);
    }
    fclose(file);
    return count;
}

static int bound(const struct sockaddr_in *here, int poll, int call)
{
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)call << 32 | (unsigned)sock};
    if (sock < 0 || bind(sock, (const struct sockaddr *)here, sizeof *here) < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, sock, &event) < 0)
        fail("bind");
    return sock;
}
