/*
 * lease.c
 *		How long a dialer has a permit.
 */
#include "lease.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(recall_check_lease);

static double
microseconds(const Interval *lease)
{
	double days = lease->day + (lease->month / 12) * DAYS_PER_YEAR +
				  (lease->month % 12) * (double) DAYS_PER_MONTH;

	return days * USECS_PER_DAY + lease->time;
}

int64
recall_lease_length(const Interval *lease)
{
	double length = lease == NULL ? 0 : microseconds(lease);
	const char *text = "null";

	if (length >= USECS_PER_SEC && length <= USECS_PER_DAY)
		return (int64) length;
	if (lease != NULL)
		text = quote_identifier(
			DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(lease))));
	recall_reject_plainly(psprintf("lease %s is out of range", text),
						  "A lease lasts from 1 second to 1 day.");
}

/* _check_lease(lease interval) returns interval */
Datum
recall_check_lease(PG_FUNCTION_ARGS)
{
	Interval *checked = palloc0(sizeof(Interval));

	checked->time = recall_lease_length(PG_ARGISNULL(0) ? NULL : PG_GETARG_INTERVAL_P(0));
	PG_RETURN_INTERVAL_P(checked);
}
