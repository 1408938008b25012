# recall: a PGXS extension. For those who package it: make, make install, make installcheck, with PG_CONFIG.
# For everybody else: make check, make check-majors, make fuzz, make soak, make canary and make demo, which need nothing installed beforehand.

EXTENSION  = recall
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" recall.control)

MODULE_big = recall
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
SQL_PARTS  = $(sort $(wildcard sql/[0-9][0-9]-*.sql))
DATA_built = sql/recall--$(EXTVERSION).sql
# Committed: upgrade scripts, and the full scripts of released versions.
DATA       = $(filter-out $(DATA_built),$(wildcard sql/recall--*.sql))
EXTRA_CLEAN = $(DATA_built)

PG_CFLAGS  = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare

REGRESS        = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --load-extension=recall
ISOLATION      = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=recall
TAP_TESTS      = 1
PROVE_TESTS   ?= test/t/*.pl

PG_CONFIG ?= pg_config

# Only the goals that build or install need a server's headers.
COMMANDS = check check-majors sanitize valgrind checked-server checked coverage mutate fuzz soak canary demo psql stop doc format lint META.json
ifneq (,$(filter-out $(COMMANDS),$(or $(MAKECMDGOALS),all)))
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifeq (,$(PGXS))
$(error $(PG_CONFIG) does not lead to the server's headers. Install them (on Debian: postgresql-server-dev-15) or set PG_CONFIG; "make check" installs what it needs by itself)
endif
include $(PGXS)
PROVE_FLAGS += -I test/t
endif

sql/recall--$(EXTVERSION).sql: $(SQL_PARTS) recall.control
	cat $(SQL_PARTS) > $@

# PGXS tracks no headers; without the .bc the JIT bitcode would go stale.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h)

.PHONY: check check-majors sanitize valgrind checked-server checked coverage mutate fuzz soak canary demo psql stop doc format lint

# Run all tests. ONLY="regress isolation pgtap tap", TESTS="policy …", PROVE_TESTS=test/t/….pl narrow, PG_MAJOR=15 chooses, KEEP=1 keeps.
# (PGXS has a goal of this name, which says that it is not supported: ours is for whoever asked for it.)
ifneq (,$(filter check,$(MAKECMDGOALS)))
check:
	@test/harness/check.sh
endif

# The same with each of MAJORS="15 17 18", in chroots of the Debian suites that have them, and pg_upgrade between them. It takes root.
check-majors:
	@test/harness/check_majors.sh

# The tests, with what finds faults of memory; narrowed like check, and PLANT=stack shows that it would (planted_fault.h has more).
# Under valgrind those that reach most of the C code: all together take hours. On a server that checks itself all: also when it
# forgets what it has cached where the library calls it (DISCARD_CACHES=ours), but not when it does wherever it may (DISCARD_CACHES=1),
# for which there is one that is short.
SLOW_TESTS = caches calling_hours policy transition story claim admission report report_many lease entry judge rights mask erase walk callback per_number
sanitize:
	@INSTRUMENT=sanitize ONLY="$(or $(ONLY),regress isolation pgtap)" test/harness/check.sh

valgrind:
	@INSTRUMENT=valgrind ONLY="$(or $(ONLY),regress pgtap)" TESTS="$(or $(TESTS),$(SLOW_TESTS))" test/harness/check.sh

checked:
	@INSTRUMENT=checked ONLY="$(or $(ONLY),regress isolation pgtap)" TESTS="$(or $(TESTS),$(if $(filter 1,$(DISCARD_CACHES)),caches))" test/harness/check.sh

# Build, once, the server that checks itself: assertions, wiped memory, and valgrind told of palloc(). It takes minutes.
checked-server:
	@test/harness/checked_server.sh

# Print which share of the C code's lines and branches the tests reach; MISSING=1 lists what they do not.
coverage:
	@INSTRUMENT=coverage test/harness/check.sh

# Change the C code in SAMPLE small ways, chosen by SEED, and see whether the tests notice.
mutate:
	@test/harness/mutate.sh

# Give what reads texts and bytes RUNS made-up inputs for each target, and keep what fails in .build/fuzz.
# TARGETS="policy_text …" narrows, SEED=1 repeats a run, INPUT=file tries one that was kept.
fuzz:
	@test/harness/fuzz.sh

# Run HISTORIES random histories of dialing, checked, from SEED on; with KILLS=N instead, or as well, disturb dialing N times: kill, stop,
# cancel, fill the disk. Keep what is known of what is wrong in .build/soak.
soak:
	@test/harness/soak.sh

# Let a hostile session try to see another tenant: CALLS of our own and SMITH statements of sqlsmith as each of ROLES, from SEED on.
canary:
	@test/harness/canary.sh

# Tell the story on a private server, which stays: DATA=file.csv uses your calls. Then: make psql, make stop.
demo:
	@test/harness/demo.sh start

psql stop:
	@test/harness/demo.sh $@

# Write the pages that are made from the catalog anew.
doc:
	@test/harness/doc.sh

format:
	clang-format -i src/*.[ch] test/fuzz/*.[ch] test/clock/*.c

lint:
	clang-format --dry-run -Werror src/*.[ch] test/fuzz/*.[ch] test/clock/*.c
	shellcheck -x .ci/run $(wildcard test/harness/*.sh test/fuzz/*.sh doc/demo/*.sh doc/make/*.sh bench/*.sh)
	test/harness/analyze.sh

# The version is recall.control's; its copies stand on lines of their own.
META.json: recall.control
	sed -i 's/^\( *"version": "\)[^"]*/\1$(EXTVERSION)/' $@
