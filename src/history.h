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
	int32 version;
	int32 number_calls;
	int32 unused; /* the calls are aligned */
	HistoryCall calls[FLEXIBLE_ARRAY_MEMBER];
} History;

#define HISTORY_VERSION 1

static inline size_t
history_calls_end(int number_calls)
{
	return offsetof(History, calls) + number_calls * sizeof(HistoryCall);
}

static inline void
history_begin(History *history, size_t size, int number_calls)
{
	SET_VARSIZE(history, size);
	history->version = HISTORY_VERSION;
	history->number_calls = number_calls;
	history->unused = 0;
}

/* Put the calls of one history into another, from a place on, and their texts where they are to be.
 */
static inline void
history_put(History *to, int place, const History *from, size_t texts)
{
	size_t from_texts = history_calls_end(from->number_calls);

	memcpy((char *) to + texts, (const char *) from + from_texts, VARSIZE(from) - from_texts);
	for (int i = 0; i < from->number_calls; i++)
	{
		HistoryCall *call = &to->calls[place + i];

		*call = from->calls[i];
		call->number += (uint32) texts - (uint32) from_texts;
		call->result += (uint32) texts - (uint32) from_texts;
	}
}

/* Detoast a history and check its version; history.c. */
extern History *recall_get_history(Datum datum);

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
