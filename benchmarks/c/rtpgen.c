/* An RTP load with an echo meter, on the loopback only.
 *
 * rtpgen FILE PACKETS_PER_SECOND SECONDS PID
 *
 * FILE has a line "ADDRESS PORT SOURCE_PORT" for each call: packets go from 127.0.0.1:SOURCE_PORT (0 for any) to
 * ADDRESS:PORT. Each call sends a 172-octet PCMU packet every 1/PACKETS_PER_SECOND seconds, phases spread evenly. PID is the process
 * whose CPU time is read before and after the measured window. After a second of warming up it measures for SECONDS (at most 55) and
 * prints one JSON object: sent, received, latencies in microseconds, and the server's CPU microseconds per echoed packet.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, OCTETS = 172, BUCKETS = 1000000 };

struct call {
    int sock;
    struct sockaddr_in there;
    uint16_t sequence;
    uint32_t timestamp;
};

static struct call calls[MOST];
static uint32_t histogram[BUCKETS];
static uint64_t sent, received, window_start, window_end;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Nanoseconds on the CPU over all threads of a process. */
static uint64_t cpu_of(int process)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", process);
    DIR *tasks = opendir(path);
    uint64_t total = 0;
    if (!tasks)
        return 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        char name[600];
        unsigned long long time;
        if (task->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s/schedstat", path, task->d_name);
        FILE *file = fopen(name, "r");
        if (file && fscanf(file, "%llu", &time) == 1)
            total += time;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return total;
}

static void send_one(struct call *call, uint32_t id)
{
    unsigned char packet[OCTETS] = {0x80, 0};
    uint16_t sequence = htons(call->sequence++);
    uint32_t timestamp = htonl(call->timestamp), source = htonl(0x10000 + id);
    uint64_t time = now();
    call->timestamp += 160;
    memcpy(packet + 2, &sequence, 2);
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &source, 4);
    memcpy(packet + 12, &time, 8); /* comes back in the payload */
    if (sendto(call->sock, packet, OCTETS, 0, (struct sockaddr *)&call->there, sizeof call->there) == OCTETS &&
        time >= window_start && time < window_end)
        sent++;
}

static void drain(int sock)
{
    unsigned char packet[2048];
    while (recv(sock, packet, sizeof packet, 0) == OCTETS) {
        uint64_t time, here = now();
        memcpy(&time, packet + 12, 8);
        if (time >= window_start && time < window_end) {
            uint64_t late = (here - time) / 1000;
            histogram[late < BUCKETS ? late : BUCKETS - 1]++;
            received++;
        }
    }
}

static unsigned quantile(double share)
{
    uint64_t wanted = (uint64_t)(share * (double)received), seen = 0;
    for (unsigned k = 0; k < BUCKETS; k++)
        if ((seen += histogram[k]) > wanted || (seen && seen == received))
            return k;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 5 || atof(argv[3]) > 55) {
        fprintf(stderr, "rtpgen FILE PACKETS_PER_SECOND SECONDS PID\n");
        return 2;
    }
    struct rlimit files = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    FILE *file = fopen(argv[1], "r");
    int count = 0, port, source, poll = epoll_create1(0), process = atoi(argv[4]);
    char address[64];
    if (!file) {
        perror(argv[1]);
        return 2;
    }
    while (count < MOST && fscanf(file, "%63s %d %d", address, &port, &source) == 3) {
        struct call *call = &calls[count];
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)source)};
        int room = 1 << 20;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        call->there.sin_family = AF_INET;
        call->there.sin_port = htons((uint16_t)port);
        inet_pton(AF_INET, address, &call->there.sin_addr);
        if ((ntohl(call->there.sin_addr.s_addr) >> 24) != 127) {
            fprintf(stderr, "%s is not on the loopback\n", address);
            return 2;
        }
        call->sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (call->sock < 0 || bind(call->sock, (struct sockaddr *)&here, sizeof here) < 0) {
            perror("bind");
            return 1;
        }
        setsockopt(call->sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = call->sock};
        epoll_ctl(poll, EPOLL_CTL_ADD, call->sock, &event);
        count++;
    }
    double rate = count * atof(argv[2]);
    uint64_t start = now(), due = 0, before = 0, after = 0;
    window_start = start + 1000000000u;
    window_end = window_start + (uint64_t)(atof(argv[3]) * 1e9);
    for (;;) {
        uint64_t time = now();
        if (!before && time >= window_start)
            before = cpu_of(process);
        if (!after && time >= window_end)
            after = cpu_of(process);
        if (time >= window_end + 500000000u)
            break;
        if (time < window_end)
            for (uint64_t wanted = (uint64_t)((double)(time - start) * 1e-9 * rate); due < wanted; due++)
                send_one(&calls[due % (unsigned)count], (uint32_t)(due % (unsigned)count));
        struct epoll_event events[256];
        struct timespec pause = {0, 250000};
        int found = epoll_pwait2(poll, events, 256, &pause, NULL);
        for (int k = 0; k < found; k++)
            drain(events[k].data.fd);
    }
    printf("{\"calls\": %d, \"sent\": %llu, \"received\": %llu, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u, \"cpu_us_per_packet\": %.3f}\n",
           count, (unsigned long long)sent, (unsigned long long)received, quantile(.5), quantile(.99), quantile(1),
           received ? (double)(after - before) / 1000 / (double)received : 0);
    return 0;
}
