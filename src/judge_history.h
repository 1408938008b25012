/*
 * judge_history.h
 *		The calls of a contact, as an aggregate collects them.
 */
#ifndef RECALL_JUDGE_HISTORY_H
#define RECALL_JUDGE_HISTORY_H

#include "recall.h"

#include "datatype/timestamp.h"

typedef struct HistoryCall
{
	TimestampTz started_at;
	TimestampTz ended_at;
	Oid failure_cause; /* of the enum; InvalidOid = answered */
	int32 attempt;	   /* 0 = another contact's call */
	int32 number;	   /* where its text begins among the history's bytes */
	int32 number_length;
	int32 result; /* likewise; -1 = none */
	int32 result_length;
} HistoryCall;

/* Room for the usual history, so that one piece of memory is enough for it. */
#define HISTORY_FEW_CALLS 3
#define HISTORY_FEW_BYTES 96

typedef struct History
{
	HistoryCall *calls;
	char *bytes; /* numbers and results */
	int number_calls;
	int max_calls;
	int number_bytes;
	int max_bytes;
	HistoryCall few_calls[HISTORY_FEW_CALLS];
	char few_bytes[HISTORY_FEW_BYTES];
} History;

#endif /* RECALL_JUDGE_HISTORY_H */
