/*
 * policy_recv.c
 *		Fuzz target: any message as a policy in binary.
 */
#include "fuzz.h"
#include "wire_check.h"

extern Datum recall_policy_in(PG_FUNCTION_ARGS);
extern Datum recall_policy_out(PG_FUNCTION_ARGS);
extern Datum recall_policy_recv(PG_FUNCTION_ARGS);
extern Datum recall_policy_send(PG_FUNCTION_ARGS);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const WireType type = { recall_policy_in, recall_policy_out, recall_policy_recv,
								   recall_policy_send };

	check_wire(&type, data, size);
	return 0;
}
