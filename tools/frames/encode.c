/* Encodes a second of a tone or of silence and writes the raw frames to standard output. See README.md.

   usage: encode g722|g729|ilbc20|ilbc30|speex tone|silence */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bcg729/encoder.h>
#include <modules/audio_coding/codecs/ilbc/ilbc.h>
#include <spandsp.h>
#include <speex/speex.h>

#define HERTZ 440
#define LEVEL -10 /* dBm0 */
#define DBM0(level) (32768 * pow(10, ((level) - 3.14) / 20)) /* the peak of a sine at G.711's scale */
#define QUALITY 8 /* of speex: 27.8 kbit/s, 70 octets a frame */

/* Each encodes one frame of samples and returns how many octets it has written. */
static g722_encode_state_t *g722;
static bcg729EncoderChannelContextStruct *g729;
static IlbcEncoderInstance *ilbc;
static void *speex;
static SpeexBits bits;

static int encode_g722(const int16_t *samples, int count, uint8_t *out) { return g722_encode(g722, out, samples, count); }

static int encode_g729(const int16_t *samples, int count, uint8_t *out) {
    uint8_t length = 0;
    (void)count;
    bcg729Encoder(g729, samples, out, &length);
    return length;
}

static int encode_ilbc(const int16_t *samples, int count, uint8_t *out) { return WebRtcIlbcfix_Encode(ilbc, samples, count, out); }

static int encode_speex(const int16_t *samples, int count, uint8_t *out) {
    (void)count;
    speex_bits_reset(&bits);
    speex_encode_int(speex, (spx_int16_t *)samples, &bits);
    speex_bits_insert_terminator(&bits); /* a 0, then 1s up to the octet (RFC 5574 3.3) */
    return speex_bits_write(&bits, (char *)out, 400);
}

struct codec {
    const char *name;
    int rate, count, octets; /* samples a second, samples a frame, octets a frame */
    int frames;              /* that are written: a whole number of periods of the tone */
    int settling;            /* frames before them, not written: a loop of the very first ones would have a seam */
    int noise;               /* under the tone, dBm0, or 0 for none */
    int (*encode)(const int16_t *, int, uint8_t *);
};

static const struct codec CODECS[] = {
    {"g722", 16000, 320, 160, 50, 25, 0, encode_g722},
    /* Two frames go into a packet. A pure tone leaves nearly all to the adaptive codebook, which a decoder that has just been started has
       empty: it would take seconds to reach the level. */
    {"g729", 8000, 80, 10, 100, 40, -35, encode_g729},
    {"ilbc20", 8000, 160, 38, 50, 15, 0, encode_ilbc},
    {"ilbc30", 8000, 240, 50, 30, 15, 0, encode_ilbc}, /* 0.9 s: a second is no whole number of frames */
    {"speex", 16000, 320, 70, 50, 26, 0, encode_speex},
};

/* White noise, repeatable, between -1 and 1. */
static double white(void) {
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223; /* Numerical Recipes' generator */
    return (int32_t)state / 2147483648.0;
}

int main(int argc, char **argv) {
    const struct codec *codec = NULL;
    int quality = QUALITY, off = 0;
    for (size_t k = 0; k < sizeof CODECS / sizeof *CODECS; k++)
        if (argc == 3 && strcmp(argv[1], CODECS[k].name) == 0)
            codec = &CODECS[k];
    if (codec == NULL || (strcmp(argv[2], "tone") != 0 && strcmp(argv[2], "silence") != 0)) {
        fprintf(stderr, "usage: encode g722|g729|ilbc20|ilbc30|speex tone|silence\n");
        return 2;
    }
    int tone = strcmp(argv[2], "tone") == 0;
    double peak = tone ? DBM0(LEVEL) : 0;
    double grain = tone && codec->noise ? DBM0(codec->noise) * sqrt(1.5) : 0; /* evenly spread noise of the same power as a sine */

    g722 = g722_encode_init(NULL, 64000, 0);
    g729 = initBcg729EncoderChannel(0); /* no VAD, so no frame of annex B */
    WebRtcIlbcfix_EncoderCreate(&ilbc);
    WebRtcIlbcfix_EncoderInit(ilbc, codec->count * 1000 / codec->rate == 30 ? 30 : 20);
    speex = speex_encoder_init(speex_lib_get_mode(SPEEX_MODEID_WB));
    speex_encoder_ctl(speex, SPEEX_SET_QUALITY, &quality);
    speex_encoder_ctl(speex, SPEEX_SET_VBR, &off);
    speex_bits_init(&bits);

    for (int frame = 0; frame < codec->settling + codec->frames; frame++) {
        int16_t samples[320];
        uint8_t out[400];
        for (int k = 0; k < codec->count; k++) {
            double cycles = (double)HERTZ * (frame * codec->count + k) / codec->rate;
            samples[k] = (int16_t)lround(peak * sin(2 * M_PI * cycles) + grain * white());
        }
        if (codec->encode(samples, codec->count, out) != codec->octets) {
            fprintf(stderr, "%s: a frame is not of %d octets\n", codec->name, codec->octets);
            return 1;
        }
        if (frame >= codec->settling)
            fwrite(out, 1, (size_t)codec->octets, stdout);
    }
    return 0;
}
