/*
 * fuzz.h
 *		What the fuzz targets share: how a finding is reported, and what holds for every error.
 *
 * A target is a file with an LLVMFuzzerTestOneInput, which libFuzzer calls with one input after the
 * other. The sanitizers report what C forbids; EXPECT reports what recall promises besides.
 *
 *	policy_text.c			texts of policies
 *	policy_stored.c			stored policies, damaged ones too
 *	policy_recv.c			policies as they are received in binary
 *	calling_hours_text.c	texts of calling hours
 *	calling_hours_next.c	the next open minute
 *	calling_hours_recv.c	calling hours as they are received in binary
 *	judge.c					the judgement of a contact
 *
 * Makefile builds them, seeds.sh makes what they start from, run.sh runs one. A further target is a
 * file, its name and what it is linked with in Makefile, and perhaps a function of seeds.sh and a
 * dictionary.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "parse.h"

/* Report a finding unless a condition holds. */
#define EXPECT(condition) ((condition) ? (void) 0 : fuzz_report(__FILE__, __LINE__, #condition))

extern void fuzz_report(const char *file, int line, const char *condition)
	__attribute__((noreturn));

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Tell whether bytes are UTF-8 without a NUL: what the server takes for text. */
extern bool fuzz_is_text(const char *bytes, size_t length);

/* Fill a value with bytes that no code should read, others each time. */
extern void fuzz_litter(void *value, size_t size);

/* Check what holds for every error that a parser reports about a text. */
extern void fuzz_check_error(const char *text, size_t length, const ParseError *error);

#endif /* FUZZ_H */
