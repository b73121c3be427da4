/* SRTP as RFC 3711 writes it, AES_CM_128_HMAC_SHA1_80 and _32, for packets with a header of twelve octets; no replay list.
 *
 * On OpenSSL, as pylibsrtp and rtpengine are. Debian's libsrtp2 is built on NSS, which takes 5 microseconds a packet with one context
 * and 20 with a thousand: neither a floor nor a generator.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA_CTX: what is there of a keyed hash can be copied without an allocation */
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_OCTETS = 12, KEY_OCTETS = 16, SALT_OCTETS = 14, AUTH_OCTETS = 20, MOST_TAG_OCTETS = 10, BLOCK = 64 };

/* One direction of one call, one source. */
struct srtp {
    EVP_CIPHER_CTX *cipher;
    SHA_CTX inner, outer;
    unsigned char salt[16];
    uint32_t cycles;
    uint16_t highest;
    int begun, tag_octets;
};

static void stream(EVP_CIPHER_CTX *cipher, const unsigned char *iv, unsigned char *octets, int length)
{
    int done;
    if (!EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, iv) || !EVP_EncryptUpdate(cipher, octets, &done, octets, length))
        abort();
}

/* 4.3.1 */
static void derive(EVP_CIPHER_CTX *cipher, const unsigned char *salt, unsigned char label, unsigned char *key, int octets)
{
    unsigned char iv[16] = {0};
    memcpy(iv, salt, SALT_OCTETS);
    iv[7] ^= label;
    memset(key, 0, (size_t)octets);
    stream(cipher, iv, key, octets);
}

static EVP_CIPHER_CTX *keyed(const unsigned char *key)
{
    EVP_CIPHER_CTX *made = EVP_CIPHER_CTX_new();
    if (!made || !EVP_EncryptInit_ex(made, EVP_aes_128_ctr(), NULL, key, NULL))
        abort();
    return made;
}

static void padded(SHA_CTX *hash, const unsigned char *key, unsigned char with)
{
    unsigned char block[BLOCK];
    for (int k = 0; k < BLOCK; k++)
        block[k] = (k < AUTH_OCTETS ? key[k] : 0) ^ with;
    SHA1_Init(hash);
    SHA1_Update(hash, block, BLOCK);
}

/* NULL for "-". */
static struct srtp *context(const char *text)
{
    unsigned char master[KEY_OCTETS + SALT_OCTETS], key[AUTH_OCTETS];
    struct srtp *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    if (*text == '-')
        return NULL;
    for (int k = 0; k < KEY_OCTETS + SALT_OCTETS; k++)
        sscanf(text + 2 * k, "%2hhx", &master[k]);
    EVP_CIPHER_CTX *deriving = keyed(master);
    derive(deriving, master + KEY_OCTETS, 0, key, KEY_OCTETS);
    made->cipher = keyed(key);
    derive(deriving, master + KEY_OCTETS, 1, key, AUTH_OCTETS);
    padded(&made->inner, key, 0x36);
    padded(&made->outer, key, 0x5c);
    derive(deriving, master + KEY_OCTETS, 2, made->salt, SALT_OCTETS);
    made->tag_octets = strchr(text, '/') ? 4 : MOST_TAG_OCTETS;
    EVP_CIPHER_CTX_free(deriving);
    return made;
}

/* 3.3.1: the rollover counter of a packet. */
static uint32_t cycles_of(const struct srtp *srtp, uint16_t sequence)
{
    if (!srtp->begun)
        return 0;
    if (srtp->highest < 0x8000)
        return srtp->cycles - (sequence - srtp->highest > 0x8000);
    return srtp->cycles + (srtp->highest - 0x8000 > sequence);
}

/* 4.1.1 */
static void encrypt(const struct srtp *srtp, unsigned char *packet, int length, uint32_t cycles)
{
    unsigned char iv[16], with[10];
    uint32_t high = htonl(cycles);
    memcpy(iv, srtp->salt, 16);
    memcpy(with, packet + 8, 4);
    memcpy(with + 4, &high, 4);
    memcpy(with + 8, packet + 2, 2);
    for (int k = 0; k < 10; k++)
        iv[4 + k] ^= with[k];
    stream(srtp->cipher, iv, packet + HEADER_OCTETS, length - HEADER_OCTETS);
}

/* 4.2 */
static void tag(const struct srtp *srtp, const unsigned char *packet, int length, uint32_t cycles, unsigned char *octets)
{
    SHA_CTX hash = srtp->inner;
    uint32_t high = htonl(cycles);
    SHA1_Update(&hash, packet, (size_t)length);
    SHA1_Update(&hash, &high, 4);
    SHA1_Final(octets, &hash);
    hash = srtp->outer;
    SHA1_Update(&hash, octets, SHA_DIGEST_LENGTH);
    SHA1_Final(octets, &hash);
}

static void advance(struct srtp *srtp, uint16_t sequence, uint32_t cycles)
{
    if (!srtp->begun || cycles > srtp->cycles || (cycles == srtp->cycles && sequence > srtp->highest)) {
        srtp->highest = sequence;
        srtp->cycles = cycles;
        srtp->begun = 1;
    }
}

static uint16_t sequence_of(const unsigned char *packet)
{
    return (uint16_t)(packet[2] << 8 | packet[3]);
}

/* The packet in place, with room behind it; its new length. */
static int protect(struct srtp *srtp, unsigned char *packet, int length)
{
    unsigned char made[SHA_DIGEST_LENGTH];
    uint32_t cycles = cycles_of(srtp, sequence_of(packet));
    encrypt(srtp, packet, length, cycles);
    tag(srtp, packet, length, cycles, made);
    memcpy(packet + length, made, (size_t)srtp->tag_octets);
    advance(srtp, sequence_of(packet), cycles);
    return length + srtp->tag_octets;
}

/* The packet in place; its new length, or 0 when it is not authentic. */
static int unprotect(struct srtp *srtp, unsigned char *packet, int length)
{
    unsigned char made[SHA_DIGEST_LENGTH];
    if (length < HEADER_OCTETS + srtp->tag_octets || packet[0] != 0x80)
        return 0;
    uint32_t cycles = cycles_of(srtp, sequence_of(packet));
    length -= srtp->tag_octets;
    tag(srtp, packet, length, cycles, made);
    if (memcmp(made, packet + length, (size_t)srtp->tag_octets))
        return 0;
    encrypt(srtp, packet, length, cycles);
    advance(srtp, sequence_of(packet), cycles);
    return length;
}
