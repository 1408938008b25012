/*
 * history.h
 *		The calls of a contact as one value, of the SQL type recall.history.
 */
#ifndef RECALL_HISTORY_H
#define RECALL_HISTORY_H

#include "recall.h"

#include "datatype/timestamp.h"

typedef struct HistoryCall
{
	TimestampTz started_at;
	TimestampTz ended_at;
	int32 attempt;
	int32 cause; /* catalogue number, or CAUSE_ANSWERED */
	/* Where the texts begin, counted from the value's start; those without a length are null. */
	uint32 number;
	uint32 number_length;
	uint32 result;
	uint32 result_length;
} HistoryCall;

/* The calls are in no order; their texts follow behind the last one. */
typedef struct History
{
	int32 header; /* the server's length word */
	int32 number_calls;
	HistoryCall calls[FLEXIBLE_ARRAY_MEMBER];
} History;

static inline const char *
history_number(const History *history, const HistoryCall *call)
{
	return (const char *) history + call->number;
}

/* The business result, or NULL. */
static inline const char *
history_result(const History *history, const HistoryCall *call)
{
	return call->result_length == 0 ? NULL : (const char *) history + call->result;
}

#endif /* RECALL_HISTORY_H */
