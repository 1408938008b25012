/*
 * hours_check.h
 *		The functions on calling hours, with what holds for each of them checked.
 */
#ifndef HOURS_CHECK_H
#define HOURS_CHECK_H

#include "calling_hours.h"
#include "fuzz.h"

/* A value of the largest size. */
typedef union HoursBuffer
{
	CallingHours hours;
	char bytes[HOURS_MAX_SIZE];
} HoursBuffer;

/* Parse; gives the value's size, or 0 when the text is refused. */
extern size_t check_hours_parse(const char *text, size_t length, HoursBuffer *buffer);

/* Tell whether a minute is open, by reading the rules one by one and by the C library's calendar.
 */
extern bool naive_is_open(const CallingHours *hours, Holidays holidays, int64_t minute);

#endif /* HOURS_CHECK_H */
