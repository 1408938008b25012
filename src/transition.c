/*
 * transition.c
 *		The state machines: one table says which moves are legal.
 *
 * Code that moves a record writes SET state = recall.transition(machine, state, 'next'); the
 * trigger check_transition() stands behind it, for whoever writes to a table by hand. A state
 * without a way out is final. What a move means, and who may make it, is left to SQL.
 */
#include "recall.h"

#include "enum_value.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(recall_transition);
PG_FUNCTION_INFO_V1(recall_transition_enum);
PG_FUNCTION_INFO_V1(recall_check_transition);
PG_FUNCTION_INFO_V1(recall_state_transitions);

typedef struct Transition
{
	const char *machine;
	const char *from;
	const char *to;
} Transition;

static const Transition transitions[] = {
	{ "task", "draft", "executing" },	  { "task", "executing", "suspended" },
	{ "task", "executing", "completed" }, { "task", "suspended", "executing" },
	{ "task", "suspended", "completed" },

	{ "batch", "created", "started" },	  { "batch", "started", "suspended" },
	{ "batch", "started", "finished" },	  { "batch", "suspended", "started" },
	{ "batch", "suspended", "finished" },

	{ "recycle", "waiting", "running" },  { "recycle", "waiting", "cancelled" },
	{ "recycle", "running", "paused" },	  { "recycle", "running", "completed" },
	{ "recycle", "running", "failed" },	  { "recycle", "running", "cancelled" },
	{ "recycle", "paused", "running" },	  { "recycle", "paused", "cancelled" },
	{ "recycle", "failed", "waiting" },	  { "recycle", "failed", "cancelled" },
};

static bool
machine_exists(const char *machine)
{
	for (int i = 0; i < lengthof(transitions); i++)
		if (strcmp(transitions[i].machine, machine) == 0)
			return true;
	return false;
}

static bool
state_exists(const char *machine, const char *state)
{
	for (int i = 0; i < lengthof(transitions); i++)
		if (strcmp(transitions[i].machine, machine) == 0 &&
			(strcmp(transitions[i].from, state) == 0 || strcmp(transitions[i].to, state) == 0))
			return true;
	return false;
}

static bool
is_legal(const char *machine, const char *from, const char *to)
{
	for (int i = 0; i < lengthof(transitions); i++)
		if (strcmp(transitions[i].machine, machine) == 0 &&
			strcmp(transitions[i].from, from) == 0 && strcmp(transitions[i].to, to) == 0)
			return true;
	return false;
}

/* Say in a sentence where a state can go. */
static char *
describe_ways_out(const char *machine, const char *from)
{
	StringInfoData ways;

	initStringInfo(&ways);
	for (int i = 0; i < lengthof(transitions); i++)
		if (strcmp(transitions[i].machine, machine) == 0 && strcmp(transitions[i].from, from) == 0)
			appendStringInfo(&ways, "%s\"%s\"", ways.len > 0 ? ", " : "", transitions[i].to);
	if (ways.len == 0)
		return psprintf("State \"%s\" is final.", from);
	return psprintf("From \"%s\" it can go to: %s.", from, ways.data);
}

/* Refuse a machine or a state that the table does not know. */
static void
check_names(const char *machine, const char *from, const char *to)
{
	if (!machine_exists(machine))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unknown state machine \"%s\"", recall_excerpt(machine)),
						errhint("recall.state_transitions() lists the state machines.")));
	if (!state_exists(machine, from) || !state_exists(machine, to))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unknown state \"%s\" of state machine \"%s\"",
							   recall_excerpt(state_exists(machine, from) ? to : from), machine),
						errhint("recall.state_transitions() lists the states.")));
}

/* Refuse a move that the table does not list. */
static void
check_move(const char *machine, const char *from, const char *to)
{
	check_names(machine, from, to);
	if (!is_legal(machine, from, to))
	{
		recall_forget_context();
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("%s cannot go from state \"%s\" to \"%s\"", machine, from, to),
						errhint("%s", describe_ways_out(machine, from))));
	}
}

/* transition(machine text, from_state text, to_state text) returns text */
Datum
recall_transition(PG_FUNCTION_ARGS)
{
	check_move(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)),
			   text_to_cstring(PG_GETARG_TEXT_PP(2)));
	PG_RETURN_DATUM(PG_GETARG_DATUM(2));
}

/* transition(machine text, from_state anyenum, to_state anyenum) returns anyenum */
Datum
recall_transition_enum(PG_FUNCTION_ARGS)
{
	check_move(text_to_cstring(PG_GETARG_TEXT_PP(0)), recall_enum_label(PG_GETARG_OID(1)),
			   recall_enum_label(PG_GETARG_OID(2)));
	PG_RETURN_DATUM(PG_GETARG_DATUM(2));
}

/* Read the state column of a trigger's row as text. */
static char *
row_state(HeapTuple row, TupleDesc descriptor)
{
	return SPI_getvalue(row, descriptor, SPI_fnumber(descriptor, "state"));
}

/* check_transition(machine): BEFORE UPDATE row trigger on a table with a column "state" */
Datum
recall_check_transition(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc descriptor;
	char *from;
	char *to;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("check_transition must be a BEFORE UPDATE row trigger that names a "
							   "state machine")));

	descriptor = RelationGetDescr(trigger->tg_relation);
	from = row_state(trigger->tg_trigtuple, descriptor);
	to = row_state(trigger->tg_newtuple, descriptor);
	if (from == NULL || to == NULL)
		ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
						errmsg("relation \"%s\" has a row without a state",
							   RelationGetRelationName(trigger->tg_relation))));
	if (strcmp(from, to) != 0)
		check_move(trigger->tg_trigger->tgargs[0], from, to);
	return PointerGetDatum(trigger->tg_newtuple);
}

/* state_transitions() returns setof (machine text, from_state text, to_state text) */
Datum
recall_state_transitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < lengthof(transitions); i++)
	{
		Datum values[3];
		bool nulls[3] = { false, false, false };

		values[0] = CStringGetTextDatum(transitions[i].machine);
		values[1] = CStringGetTextDatum(transitions[i].from);
		values[2] = CStringGetTextDatum(transitions[i].to);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
