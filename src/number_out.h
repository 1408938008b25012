/*
 * number_out.h
 *		Whether a call to a number is out, also one whose claim has not committed yet.
 */
#ifndef RECALL_NUMBER_OUT_H
#define RECALL_NUMBER_OUT_H

#include "table.h"

/* Open a search for the permits of a number that are out; the snapshot is the caller's room. */
extern void recall_open_out(Search *out, SnapshotData *snapshot);

/* Tell whether a number, a text, is out. */
static inline bool
recall_is_out(Search *out, int32 tenant, Datum number)
{
	return recall_find2(out, Int32GetDatum(tenant), number);
}

#endif /* RECALL_NUMBER_OUT_H */
