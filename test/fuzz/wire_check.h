/*
 * wire_check.h
 *		What holds for a value type that is received and sent in binary.
 */
#ifndef WIRE_CHECK_H
#define WIRE_CHECK_H

#include "server.h"

typedef struct WireType
{
	PGFunction in;
	PGFunction out;
	PGFunction receive;
	PGFunction send;
} WireType;

/* Receive a message and check the value that it gives, if it is not refused. */
extern void check_wire(const WireType *type, const uint8_t *message, size_t size);

#endif /* WIRE_CHECK_H */
