/*
 * failure_cause.c
 *		The catalogue of failure causes: one table, and the questions that are put to it.
 *
 * Pure C without the server. The order of the causes is that of the enum recall.failure_cause,
 * the order of the classes that of the documentation. failure_cause_map.c binds it to the enum
 * and to SQL.
 */
#include "failure_cause.h"

const char *const recall_cause_classes[NUMBER_CAUSE_CLASSES] = {
	[CLASS_BUSY] = "busy",
	[CLASS_NO_ANSWER] = "no_answer",
	[CLASS_UNREACHABLE] = "unreachable",
	[CLASS_REJECTED] = "rejected",
	[CLASS_INVALID_NUMBER] = "invalid_number",
	[CLASS_NETWORK] = "network",
	[CLASS_BARRED] = "barred",
	[CLASS_MACHINE] = "machine",
	[CLASS_ABANDONED] = "abandoned",
	[CLASS_AGENT] = "agent",
	[CLASS_PLATFORM] = "platform",
	[CLASS_UNKNOWN] = "unknown",
};

#define TEMPORARY "temporary"
#define PERMANENT "permanent"
#define CONFIG "config"

/* clang-format off */
const FailureCause recall_failure_causes[NUMBER_FAILURE_CAUSES] = {
	{"busy", CLASS_BUSY, TEMPORARY, "the line is busy"},
	{"no_answer", CLASS_NO_ANSWER, TEMPORARY, "it rang and nobody answered"},
	{"no_response", CLASS_UNREACHABLE, TEMPORARY, "the callee's terminal did not respond"},
	{"absent", CLASS_UNREACHABLE, TEMPORARY, "the subscriber is absent or out of coverage"},
	{"powered_off", CLASS_UNREACHABLE, TEMPORARY, "the handset is switched off"},
	{"number_suspended", CLASS_UNREACHABLE, TEMPORARY, "the number is suspended, for instance for arrears"},
	{"rejected", CLASS_REJECTED, TEMPORARY, "the callee rejected the call"},
	{"blocked", CLASS_REJECTED, PERMANENT, "the carrier, or call analytics, blocked the call"},
	{"unallocated", CLASS_INVALID_NUMBER, PERMANENT, "the number is vacant or not allocated"},
	{"bad_format", CLASS_INVALID_NUMBER, PERMANENT, "the number is incomplete or badly formed"},
	{"number_changed", CLASS_INVALID_NUMBER, PERMANENT, "the subscriber has another number now"},
	{"special_tone", CLASS_INVALID_NUMBER, PERMANENT, "a special information tone was heard"},
	{"no_route", CLASS_NETWORK, CONFIG, "there is no route to the destination"},
	{"out_of_order", CLASS_NETWORK, TEMPORARY, "the destination is out of order"},
	{"congestion", CLASS_NETWORK, TEMPORARY, "no circuit is free, or a switch is congested"},
	{"network_down", CLASS_NETWORK, TEMPORARY, "the network is out of order"},
	{"temporary_failure", CLASS_NETWORK, TEMPORARY, "a temporary failure of the network"},
	{"no_resource", CLASS_NETWORK, TEMPORARY, "a resource of the network is not available"},
	{"timeout", CLASS_NETWORK, TEMPORARY, "a timer or a gateway of the network timed out"},
	{"interworking", CLASS_NETWORK, TEMPORARY, "a protocol error between networks"},
	{"incompatible", CLASS_NETWORK, CONFIG, "the destination or its bearer is incompatible"},
	{"unspecified", CLASS_NETWORK, TEMPORARY, "a failure that nothing more is known of"},
	{"carrier_limit", CLASS_NETWORK, TEMPORARY, "a limit of the carrier on frequency, area or time"},
	{"barred", CLASS_BARRED, PERMANENT, "the call is barred or not authorised"},
	{"fax", CLASS_MACHINE, PERMANENT, "a fax or a modem answered"},
	{"machine", CLASS_MACHINE, TEMPORARY, "an answering machine or voicemail answered"},
	{"dead_air", CLASS_ABANDONED, TEMPORARY, "it was answered and nobody was heard"},
	{"abandoned_by_callee", CLASS_ABANDONED, TEMPORARY, "the callee hung up before an agent was there"},
	{"abandoned_by_dialer", CLASS_ABANDONED, TEMPORARY, "no agent was free and the dialer hung up"},
	{"cancelled", CLASS_ABANDONED, TEMPORARY, "the caller cancelled the call before it was answered"},
	{"agent_failure", CLASS_AGENT, TEMPORARY, "a failure on the agent's side"},
	{"platform_failure", CLASS_PLATFORM, TEMPORARY, "a failure of the dialer or its platform"},
	{"unknown", CLASS_UNKNOWN, TEMPORARY, "no result came back; it may have rung"},
};
/* clang-format on */

_Static_assert(NUMBER_FAILURE_CAUSES <= 64, "a set of causes is 64 bits");

bool
recall_same_word(const char *word, size_t length, const char *lower)
{
	for (size_t i = 0; i < length; i++)
	{
		char c = word[i] >= 'A' && word[i] <= 'Z' ? word[i] + ('a' - 'A') : word[i];

		if (c != lower[i] || c == '\0')
			return false;
	}
	return lower[length] == '\0';
}

int
recall_find_cause(const char *name, size_t length)
{
	for (int i = 0; i < NUMBER_FAILURE_CAUSES; i++)
		if (recall_same_word(name, length, recall_failure_causes[i].name))
			return i;
	return -1;
}

int
recall_find_class(const char *name, size_t length)
{
	for (int i = 0; i < NUMBER_CAUSE_CLASSES; i++)
		if (recall_same_word(name, length, recall_cause_classes[i]))
			return i;
	return -1;
}

uint64_t
recall_causes_of_class(CauseClass class)
{
	uint64_t causes = 0;

	for (int i = 0; i < NUMBER_FAILURE_CAUSES; i++)
		if (recall_failure_causes[i].class == class)
			causes |= UINT64_C(1) << i;
	return causes;
}

uint64_t
recall_causes_of_failed(void)
{
	return ((UINT64_C(1) << NUMBER_FAILURE_CAUSES) - 1) & ~recall_causes_of_class(CLASS_UNKNOWN);
}

bool
recall_counts_as_attempt(int cause)
{
	CauseClass class;

	if (cause == CAUSE_ANSWERED)
		return true;
	class = recall_failure_causes[cause].class;
	return class != CLASS_AGENT && class != CLASS_PLATFORM;
}
