# shellcheck shell=bash
#
# instrument.sh
#		What the runs of the tests need that look for faults of memory, or count what is reached.
#
# Sourced after common.sh. INSTRUMENT is the kind of run; without it everything is as it is for those who install recall.
#
#	sanitize	the library with AddressSanitizer and UndefinedBehaviorSanitizer; a server process with a finding dies
#	valgrind	the server under valgrind's memcheck; a finding counts when the library is in its stack
#	checked		a server with assertions that wipes what is freed; DISCARD_CACHES=ours has it forget what it has cached where the library
#				calls it (discard_caches.h), DISCARD_CACHES=1 wherever it may
#	coverage	the library counts its lines and branches
#
# PLANT=FAULT plants one of the faults of planted_fault.h in the copy of the checkout, which the run then has to find.

instrument=${INSTRUMENT:-}
# What is found lies here, in the workspace; each server's processes write to it.
findings=${HOME}/findings

# Print what make is given to build the library.
build_flags()
{
	local plant=${PLANT:+ -DPLANTED_FAULT=plant_$PLANT -include test/harness/planted_fault.h}

	case $instrument in
		sanitize) printf '%s\n' with_llvm=no SHLIB_LINK=-fsanitize=address,undefined \
			"COPT=-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-wrapv -fno-omit-frame-pointer -U_FORTIFY_SOURCE$plant" ;;
		valgrind | checked) printf '%s\n' with_llvm=no "COPT=-O1 -fno-omit-frame-pointer$plant" ;;
		coverage) printf '%s\n' with_llvm=no SHLIB_LINK=--coverage 'COPT=--coverage -O0 -U_FORTIFY_SOURCE' ;;
		*) echo COPT=-Werror ;;
	esac
}

# Print what every server's postgresql.conf has besides. Nothing here is quick.
instrument_settings()
{
	[ -n "$instrument" ] || return 0
	echo "jit = off"
	[ "$instrument" != checked ] || echo "max_stack_depth = '1MB'"
}

# Put a script in the place of the server's program, which starts it in another way.
wrap_postgres()
{
	local program=$HOME/bin/postgres

	mv "$program" "$program.real"
	cat >"$program"
	chmod +x "$program"
}

# libasan starts when it is first needed. That must not be inside a constructor of another library, where it would wait
# for itself; so it is made to start before all of them.
wrap_for_sanitizers()
{
	gcc -shared -fPIC -Wl,-z,initfirst -Wl,--no-as-needed -o "$HOME/early_asan.so" test/harness/early_asan.c \
		"$(gcc -print-file-name=libasan.so)"
	wrap_postgres <<-END
		#!/bin/bash
		# What recall reports says where; leaks are the server's way, which drops whole contexts.
		export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:log_path=$findings/sanitizer
		export UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1:log_path=$findings/sanitizer
		export LD_PRELOAD="$(realpath "$(gcc -print-file-name=libasan.so)") $HOME/early_asan.so"
		exec -a "\$0" "\$0.real" "\$@"
	END
}

# initdb has the server's program write the first catalogs, which is the same for everybody and takes long.
wrap_for_valgrind()
{
	local suppressions=

	[ ! -e "$HOME/checked/valgrind.supp" ] || suppressions=--suppressions=$HOME/checked/valgrind.supp
	wrap_postgres <<-END
		#!/bin/bash
		case \${1:-} in
			-V | --version | --boot | --single | --check | -C) exec -a "\$0" "\$0.real" "\$@" ;;
		esac
		exec valgrind --quiet --leak-check=no --num-callers=40 --fullpath-after= --error-limit=no $suppressions \
			--log-file=$findings/valgrind.%p "\$0.real" "\$@"
	END
}

# Prepare a copy of the server, and the environment of the tests.
instrument_server()
{
	[ -n "$instrument" ] || return 0
	mkdir -p "$findings"
	case $instrument in
		sanitize) wrap_for_sanitizers ;;
		valgrind) wrap_for_valgrind ;;
	esac
	[ -z "${PLANT:-}" ] || sed -i 's/PG_RETURN_INT32(chunk_size)/PG_RETURN_INT32(chunk_size + PLANTED_FAULT(chunk_size))/' src/recall.c
}

# Set what the tests need to have patience, and the settings of the servers that they make themselves.
instrument_environment()
{
	[ -n "$instrument" ] || return 0
	export PG_TEST_TIMEOUT_DEFAULT=3600 PGCTLTIMEOUT=600 PGISOLATIONTIMEOUT=3600 TEMP_CONFIG=$HOME/instrument.conf
	instrument_settings >"$TEMP_CONFIG"
	[ "$instrument" != valgrind ] || export TWIN_HISTORIES=5000 # the twin is SQL: all would take hours
	# CREATE EXTENSION alone takes minutes when it forgets wherever it may, and is done without for the tests of pgtap.
	if [ "$instrument" = checked ] && [ "${DISCARD_CACHES:-0}" != 0 ]; then
		export PGOPTIONS='-c debug_discard_caches=1'
	fi
}
