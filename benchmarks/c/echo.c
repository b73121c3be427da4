/* What to compare with: one thread, epoll over N UDP sockets, one recvfrom and one sendto per packet, and where the call has keys
 * SRTP's unprotect and protect between them.
 *
 * echo FILE SECONDS   echoes at each PORT of the file of calls (calls.h), ends by itself after SECONDS
 */
#include "calls.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "echo FILE SECONDS\n");
        return 2;
    }
    alarm((unsigned)atoi(argv[2]));
    int poll = epoll_create1(0), count = read_calls(argv[1]);
    for (int k = 0; k < count; k++) {
        struct call *call = &calls[k];
        call->sock = bound(&call->server, poll, k);
        call->inbound = context(call->key);
        call->outbound = context(call->back_key);
    }
    for (;;) {
        static unsigned char packet[2048 + MOST_TAG_OCTETS];
        struct epoll_event events[256];
        int found = epoll_wait(poll, events, 256, -1);
        for (int k = 0; k < found; k++) {
            struct call *call = &calls[events[k].data.u64 >> 32];
            struct sockaddr_in from;
            socklen_t room = sizeof from;
            int length = (int)recvfrom(call->sock, packet, 2048, 0, (struct sockaddr *)&from, &room);
            if (length > 0 && call->inbound)
                length = unprotect(call->inbound, packet, length);
            if (length > 0 && call->outbound)
                length = protect(call->outbound, packet, length);
            if (length > 0)
                sendto(call->sock, packet, (size_t)length, 0, (struct sockaddr *)&from, room);
        }
    }
}
