/*
 * calling_hours_datum.h
 *		Calling hours as an argument of a function of the server.
 */
#ifndef RECALL_CALLING_HOURS_DATUM_H
#define RECALL_CALLING_HOURS_DATUM_H

#include "postgres.h"
#include "fmgr.h"

#include "calling_hours.h"

/* Detoast calling hours and check their format version; calling_hours_io.c. */
extern CallingHours *recall_get_calling_hours(Datum datum);

#endif /* RECALL_CALLING_HOURS_DATUM_H */
