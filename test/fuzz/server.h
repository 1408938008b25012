/*
 * server.h
 *		Calls a function of the extension as the server would, without the server.
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "recall.h"

#include "lib/stringinfo.h"

/* Call a function with one argument; false when it raised an error. */
extern bool server_call(PGFunction function, Datum argument, Datum *result);

/* Free whatever was allocated. */
extern void server_reset_memory(void);

#endif /* FUZZ_SERVER_H */
