/* The floor to compare with: one thread, epoll over N UDP sockets, one recvfrom and one sendto per packet.
 *
 * echo ADDRESS FIRST_PORT COUNT SECONDS   prints "ready", ends by itself after SECONDS
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "echo ADDRESS FIRST_PORT COUNT SECONDS\n");
        return 2;
    }
    int first = atoi(argv[2]), count = atoi(argv[3]);
    struct rlimit files = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    alarm((unsigned)atoi(argv[4]));
    int poll = epoll_create1(0);
    for (int k = 0; k < count; k++) {
        int sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(first + 2 * k))};
        inet_pton(AF_INET, argv[1], &here.sin_addr);
        if (sock < 0 || bind(sock, (struct sockaddr *)&here, sizeof here) < 0) {
            perror("bind");
            return 1;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sock};
        epoll_ctl(poll, EPOLL_CTL_ADD, sock, &event);
    }
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        static char packet[2048];
        struct epoll_event events[256];
        int found = epoll_wait(poll, events, 256, -1);
        for (int k = 0; k < found; k++) {
            struct sockaddr_in from;
            socklen_t length = sizeof from;
            ssize_t octets = recvfrom(events[k].data.fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &length);
            if (octets > 0)
                sendto(events[k].data.fd, packet, (size_t)octets, 0, (struct sockaddr *)&from, length);
        }
    }
}
