EXTENSION  = recall
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" recall.control)

MODULE_big = recall
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
SQL_PARTS  = $(sort $(wildcard sql/[0-9][0-9]-*.sql))
DATA       = $(wildcard sql/recall--*--*.sql)
DATA_built = sql/recall--$(EXTVERSION).sql
EXTRA_CLEAN = $(DATA_built)

PG_CFLAGS  = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare

REGRESS        = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --load-extension=recall
ISOLATION      = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=recall
TAP_TESTS      = 1
PROVE_TESTS    = test/t/*.pl

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/recall--$(EXTVERSION).sql: $(SQL_PARTS) recall.control
	cat $(SQL_PARTS) > $@

# PGXS tracks no headers; without the .bc the JIT bitcode would go stale.
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h)
