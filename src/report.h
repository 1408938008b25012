/*
 * report.h
 *		Turning permits into completed calls: one, or many at a time.
 */
#ifndef RECALL_REPORT_H
#define RECALL_REPORT_H

#include "recall.h"

#include "table.h"

/* What is reported, in the order of report()'s arguments. */
enum
{
	CONTACT_ID,
	TOKEN,
	FAILURE_CAUSE,
	BUSINESS_RESULT,
	STARTED_AT,
	ENDED_AT,
	RAW_CODE,
	AGENT,
	NUMBER_FIELDS
};

typedef struct Report
{
	NullableDatum fields[NUMBER_FIELDS];
	int place; /* counted from 1 */
	/* Of those that used up their permit: */
	bool is_used;
	int64 record; /* 0: the permit was of no recycle */
} Report;

/* What using up permits reads and writes. */
typedef struct Recorder
{
	int32 tenant;
	TimestampTz at;
	int left; /* reports to come */
	Snapshot snapshot;
	Search permits;
	Search results;	  /* opened when there is one to look up */
	Search tasks;	  /* the same */
	int64 known_task; /* the one that was looked up last; 0 for none */
	bool is_automatic;
	Writer calls;
} Recorder;

extern void recall_open_recorder(Recorder *recorder, int32 tenant, TimestampTz at);
extern void recall_close_recorder(Recorder *recorder);

/* Find the permit that a report is of, by its contact and token. */
extern bool recall_find_permit(Recorder *recorder, const Report *report);
/* Whether the task of the permit that was found makes the next one at once. */
extern bool recall_recalls_automatically(Recorder *recorder);
/* Turn the permit that was found into a completed call, when the report is in order. */
extern void recall_use_permit(Recorder *recorder, Report *report);

#endif /* RECALL_REPORT_H */
