/* An RTP and SRTP load with an echo meter, on the loopback only.
 *
 * rtpgen FILE PACKETS_PER_SECOND SECONDS PID
 *
 * FILE holds the calls (calls.h). Each call sends a 172-octet PCMU packet every 1/PACKETS_PER_SECOND seconds, phases spread evenly; with
 * a rate of 0 IN_FLIGHT packets a call are under way instead, and whenever one comes back the next call in turn sends, which saturates
 * the server. PID is the process whose CPU time is read before and after the measured window. After a second of warming up it measures
 * for SECONDS (at most 55) and prints one JSON object: sent, received, wrong, latencies in microseconds, the server's CPU microseconds
 * per packet that came back, packets per second, and the cores that the server kept busy.
 *
 * All packets are made and protected before the run, and what came back is kept and checked after it, so that the generator's own
 * cryptography takes no time from the run. `received` counts packets that are what was sent, unprotected where the call has keys, and
 * `wrong` all others.
 */
#define _GNU_SOURCE
#include "calls.h"
#include <dirent.h>
#include <sys/mman.h>
#include <time.h>

enum { OCTETS = 172, ROOM = 192, BUCKETS = 1000000, IN_FLIGHT = 8, MOST_A_SECOND = 200000 };

struct packet {
    uint64_t time; /* when it was sent or came; 0 while neither */
    uint32_t call, length;
    unsigned char octets[ROOM];
};

static struct packet *prepared, *kept; /* the nth packet of call k is prepared[n * count + k] */
static uint32_t histogram[BUCKETS];
static uint64_t each, came, lost_room;
static int count, exhausted;

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

static struct packet *space(uint64_t packets)
{
    void *made = mmap(NULL, packets * sizeof(struct packet), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (made == MAP_FAILED)
        fail("mmap");
    return made;
}

static void prepare(void)
{
    prepared = space(each * (unsigned)count);
    kept = space(each * (unsigned)count);
    for (uint64_t k = 0; k < each * (unsigned)count; k++) {
        unsigned char packet[OCTETS + MOST_TAG_OCTETS] = {0x80, 0};
        uint32_t call = (uint32_t)(k % (unsigned)count), nth = (uint32_t)(k / (unsigned)count);
        uint16_t sequence = htons((uint16_t)nth);
        uint32_t timestamp = htonl(160 * nth), source = htonl(0x10000 + call);
        int length = OCTETS;
        memcpy(packet + 2, &sequence, 2);
        memcpy(packet + 4, &timestamp, 4);
        memcpy(packet + 8, &source, 4);
        memcpy(packet + HEADER_OCTETS, &k, 8); /* comes back in the payload */
        if (calls[call].outbound)
            length = protect(calls[call].outbound, packet, length);
        prepared[k].length = (uint32_t)length;
        memcpy(prepared[k].octets, packet, (size_t)length);
    }
}

static void send_one(struct call *call)
{
    if (call->next >= each) {
        exhausted = 1;
        return;
    }
    struct packet *packet = &prepared[(uint64_t)call->next++ * (unsigned)count + (uint64_t)(call - calls)];
    packet->time = now();
    if (sendto(call->sock, packet->octets, packet->length, 0, (struct sockaddr *)&call->server, sizeof call->server) < 0)
        packet->time = 0;
}

/* How many packets a socket had. */
static int drain(uint64_t which)
{
    int found = 0;
    for (;; found++) {
        unsigned char packet[2048];
        ssize_t length = recv((int)(uint32_t)which, packet, sizeof packet, 0);
        if (length < 0)
            return found;
        if (came == each * (unsigned)count) {
            lost_room++;
            continue;
        }
        struct packet *one = &kept[came++];
        one->time = now();
        one->call = (uint32_t)(which >> 32);
        one->length = (uint32_t)length;
        memcpy(one->octets, packet, length < ROOM ? (size_t)length : ROOM);
    }
}

/* The packet that came back as this one, or NULL. */
static struct packet *original(const struct packet *one)
{
    unsigned char packet[ROOM];
    int length = (int)one->length;
    uint64_t number;
    if (length > ROOM)
        return NULL;
    memcpy(packet, one->octets, (size_t)length);
    if (calls[one->call].inbound)
        length = unprotect(calls[one->call].inbound, packet, length);
    memcpy(&number, packet + HEADER_OCTETS, 8);
    if (length != OCTETS || number >= each * (unsigned)count || number % (unsigned)count != one->call)
        return NULL;
    return prepared[number].time ? &prepared[number] : NULL;
}

static unsigned quantile(double share, uint64_t received)
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
    int poll = epoll_create1(0), process = atoi(argv[4]);
    double rate = atof(argv[2]), seconds = atof(argv[3]);
    count = read_calls(argv[1]);
    for (int k = 0; k < count; k++) {
        struct call *call = &calls[k];
        int room = 1 << 20;
        call->sock = bound(&call->source, poll, k);
        setsockopt(call->sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (call->back.sin_port) {
            int back = bound(&call->back, poll, k);
            setsockopt(back, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        }
        call->outbound = context(call->key);
        call->inbound = context(call->back_key);
    }
    each = (uint64_t)((rate > 0 ? rate : (double)MOST_A_SECOND / count) * (seconds + 1)) + IN_FLIGHT;
    prepare();
    uint64_t start = now(), due = 0, before = 0, after = 0, before_at = 0, after_at = 0;
    uint64_t window_start = start + 1000000000u, window_end = window_start + (uint64_t)(seconds * 1e9);
    for (;;) {
        uint64_t time = now();
        if (exhausted && time < window_end)
            window_end = time;
        if (!before && time >= window_start) {
            before = cpu_of(process);
            before_at = now();
        }
        if (!after && time >= window_end) {
            after = cpu_of(process);
            after_at = now();
        }
        if (time >= window_end + 500000000u)
            break;
        if (time < window_end)
            for (uint64_t wanted = rate > 0 ? (uint64_t)((double)(time - start) * 1e-9 * rate * count) : (uint64_t)count * IN_FLIGHT;
                 due < wanted;)
                send_one(&calls[due++ % (unsigned)count]);
        struct epoll_event events[256];
        struct timespec pause = {0, 250000};
        int found = epoll_pwait2(poll, events, 256, &pause, NULL);
        for (int k = 0; k < found; k++)
            for (int more = drain(events[k].data.u64); rate <= 0 && time < window_end && more; more--)
                send_one(&calls[due++ % (unsigned)count]);
    }
    uint64_t sent = 0, received = 0, wrong = lost_room;
    for (uint64_t k = 0; k < each * (unsigned)count; k++)
        sent += prepared[k].time >= window_start && prepared[k].time < window_end;
    for (uint64_t k = 0; k < came; k++) {
        struct packet *first = original(&kept[k]);
        if (!first) {
            wrong++;
            continue;
        }
        if (first->time >= window_start && first->time < window_end) {
            uint64_t late = (kept[k].time - first->time) / 1000;
            histogram[late < BUCKETS ? late : BUCKETS - 1]++;
            received++;
        }
        first->time = 0; /* a second time it is wrong */
    }
    printf("{\"calls\": %d, \"sent\": %llu, \"received\": %llu, \"wrong\": %llu, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u, "
           "\"cpu_us_per_packet\": %.3f, \"per_second\": %.0f, \"cores\": %.3f}\n",
           count, (unsigned long long)sent, (unsigned long long)received, (unsigned long long)wrong, quantile(.5, received),
           quantile(.99, received), quantile(1, received), received ? (double)(after - before) / 1000 / (double)received : 0,
           (double)received / ((double)(after_at - before_at) * 1e-9), (double)(after - before) / (double)(after_at - before_at));
    return 0;
}
