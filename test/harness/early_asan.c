/*
 * early_asan.c
 *		Has AddressSanitizer start before the constructors of other libraries.
 *
 * Linked with -z initfirst and preloaded: asking for memory is enough for it to start.
 */
#include <stdlib.h>

__attribute__((constructor)) static void
start_address_sanitizer(void)
{
	void *volatile memory = malloc(1);

	free(memory);
}
