/*
 * calling_hours_recv.c
 *		Fuzz target: any message as calling hours in binary.
 */
#include "fuzz.h"
#include "wire_check.h"

extern Datum recall_calling_hours_in(PG_FUNCTION_ARGS);
extern Datum recall_calling_hours_out(PG_FUNCTION_ARGS);
extern Datum recall_calling_hours_recv(PG_FUNCTION_ARGS);
extern Datum recall_calling_hours_send(PG_FUNCTION_ARGS);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const WireType type = { recall_calling_hours_in, recall_calling_hours_out,
								   recall_calling_hours_recv, recall_calling_hours_send };

	check_wire(&type, data, size);
	return 0;
}
