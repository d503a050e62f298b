# leadx: a SQLite loadable extension. `make help` lists the targets.
#
# What one can set: CC, CFLAGS (optimisation and debugging only), PREFIX, DESTDIR,
# BUILD and DIST (where things are made), SUITE (one suite of `make test`), V=1 (show commands).

VERSION := 0.1.0

BUILD  ?= build
DIST   ?= dist
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
SUITE  ?=
Q      := $(if $(V),,@)

MAKEFLAGS += --no-builtin-rules
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
ifeq ($(origin CC),default)
CC := gcc
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# What the machine has to offer -------------------------------------------------
#
# Building needs a compiler and three headers; testing needs a server as well.
# Whatever is missing is installed before the questions below are asked.

HASH  := \#
GOALS := $(or $(MAKECMDGOALS),all)
BUILD_GOALS  := all static install lint audit
SERVER_GOALS := test check tsan demo bench soak hosts fuzz coverage mutants server-up

ifneq ($(filter $(SERVER_GOALS),$(GOALS)),)
FOR_TESTS  := $(if $(filter test check hosts,$(GOALS)),--tests) $(if $(filter fuzz,$(GOALS)),--fuzz)
DEPS_STATE := $(shell scripts/deps.sh --check $(FOR_TESTS) >&2 || scripts/deps.sh $(FOR_TESTS) >&2 || echo missing)
else ifneq ($(filter $(BUILD_GOALS) $(DIST)/% $(BUILD)/%,$(GOALS)),)
HEADERS := sqlite3ext.h curl/curl.h cjson/cJSON.h
DEPS_STATE := $(shell printf '$(HASH)include <%s>\n' $(HEADERS) | $(CC) -E -o /dev/null - 2>/dev/null || \
                      scripts/deps.sh >&2 || echo missing)
endif
ifneq ($(DEPS_STATE),)
$(error something that leadx is built from is missing, see above)
endif

# packaged QUESTION,NAMES,FALL-BACK: what pkg-config says, else a guess
packaged = $(shell pkg-config $(1) $(2) 2>/dev/null || echo $(3))
# accepted FLAGS: the flags, if the compiler takes them without a complaint
accepted = $(shell echo '$(HASH)include <stdio.h>' | $(CC) -Werror -O2 $(1) -x c -c -o /dev/null - 2>/dev/null && echo '$(1)')

# Flags ---------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wformat=2 -Werror=format-security
DIALECT := -std=c11 -D_POSIX_C_SOURCE=200809L -DLEADX_VERSION='"$(VERSION)"' -pthread

HARDEN := -fvisibility=hidden -fstack-protector-strong \
  $(call accepted,-fstack-clash-protection) \
  $(or $(call accepted,-fcf-protection=full),$(call accepted,-mbranch-protection=standard)) \
  -U_FORTIFY_SOURCE $(or $(call accepted,-D_FORTIFY_SOURCE=3),-D_FORTIFY_SOURCE=2)

# The extension is not linked with SQLite: it uses the one of the program that loads it.
LIBS_CFLAGS := $(call packaged,--cflags,libcurl libcjson,-I/usr/include/cjson)
LIBS        := $(call packaged,--libs,libcurl libcjson,-lcurl -lcjson)
TEST_CFLAGS := $(call packaged,--cflags,check sqlite3,)
TEST_LIBS   := $(call packaged,--libs,check sqlite3,-lcheck -lsubunit -lrt -lm -lsqlite3)

# nodelete: a worker thread and libcurl's own state must survive sqlite3_close().
LDFLAGS_SO := -shared -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs,-z,nodelete -Wl,--as-needed

# Three object trees: for the loadable file; for programs that link leadx; and
# the same with sanitizers, which want no fortified calls in their way.
INCLUDES   := -Iext -I$(BUILD)/gen $(LIBS_CFLAGS)
FLAGS_PIC  := $(DIALECT) $(CFLAGS) -fPIC $(HARDEN) $(WARN) $(INCLUDES)
FLAGS_CORE := $(FLAGS_PIC) -DSQLITE_CORE
SANITIZE   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_ASAN := $(DIALECT) -O1 -g $(SANITIZE) $(WARN) $(INCLUDES) -DSQLITE_CORE
# Threads are watched by another sanitizer, which cannot be had together with those.
THREADS    := -fsanitize=thread -fno-omit-frame-pointer
FLAGS_TSAN := $(DIALECT) -O1 -g $(THREADS) $(WARN) $(INCLUDES) -DSQLITE_CORE
# Check's own macros convert between signed and unsigned.
FLAGS_TEST := -Itests/rig -Itests $(TEST_CFLAGS) -Wno-conversion -Wno-sign-conversion

# Files ---------------------------------------------------------------------------

SOURCES  := $(wildcard ext/*.c ext/*/*.c)
TEST_FILES := $(wildcard tests/*/test_*.c tests/unit/*/test_*.c)
TESTS    := $(wildcard tests/rig/*.c tests/fuzz/fuzz_*.c) $(filter-out tests/rig/%,$(TEST_FILES))
SQL      := $(wildcard sql/*/*.sql)
OBJ_PIC  := $(SOURCES:%.c=$(BUILD)/pic/%.o) $(BUILD)/pic/sql_text.o
OBJ_CORE := $(SOURCES:%.c=$(BUILD)/core/%.o) $(BUILD)/core/sql_text.o
OBJ_ASAN := $(SOURCES:%.c=$(BUILD)/asan/%.o) $(BUILD)/asan/sql_text.o
OBJ_TSAN := $(SOURCES:%.c=$(BUILD)/tsan/%.o) $(BUILD)/tsan/sql_text.o
TEST_CORE := $(TESTS:%.c=$(BUILD)/core/%.o)
TEST_ASAN := $(TESTS:%.c=$(BUILD)/asan/%.o)
TEST_TSAN := $(TESTS:%.c=$(BUILD)/tsan/%.o)
# Programs that tests start and kill, each from one file; the sanitized form is linked with leadx.
TOOLS     := $(patsubst tests/tools/%.c,$(BUILD)/test/%,$(wildcard tests/tools/*.c))
TOOLS_SAN := $(TOOLS:%=%_asan)

# The program of `make bench` loads leadx as any host does, so it is not linked with it.
BENCH       := $(BUILD)/bench/leadx_bench
BENCH_FILES := $(wildcard tests/bench/*.c)

SO        := $(DIST)/leadx.so
STATIC    := $(DIST)/libleadx.a
TEST      := $(BUILD)/test/leadx_test
TEST_SAN  := $(BUILD)/test/leadx_test_asan
TEST_THREADS := $(BUILD)/test/leadx_test_tsan
INSTALLED := $(DESTDIR)$(PREFIX)/lib/sqlite3/leadx.so

# Suites run bottom layer first, so that the first failure is nearest to its cause.
# One that is not named here runs last; a file test_NAME.c in a folder of tests/ is all that a new one needs.
SUITE_ORDER   := harness err clock instant uuid base64 json doc conflict address http http_faults rest db settings session schema capture queue plan push sync func load server
SUITES_FOUND  := $(patsubst test_%.c,%,$(notdir $(TEST_FILES)))
SUITES        := $(filter $(SUITES_FOUND),$(SUITE_ORDER)) $(filter-out $(SUITE_ORDER),$(SUITES_FOUND))

include tests/sim/sim.mk
include tests/fuzz/fuzz.mk

# Targets ---------------------------------------------------------------------------

.PHONY: all static install uninstall clean version help deps demo test check tsan bench soak hosts fuzz lint audit server-up server-down FORCE

all: $(SO) ## builds dist/leadx.so

static: $(STATIC) ## builds dist/libleadx.a, to be linked into a program

install: $(SO) ## installs $(PREFIX)/lib/sqlite3/leadx.so; DESTDIR is put before it
	install -d '$(dir $(INSTALLED))'
	install -m 644 $(SO) '$(INSTALLED)'
	@echo 'load it with: .load $(PREFIX)/lib/sqlite3/leadx'

uninstall: ## removes what install put there
	rm -f '$(INSTALLED)'

# `make test` in lanes that run side by side: two halves of the suites, and under the sanitizers those that do not wait for
# a network or a clock. `make check` runs what that leaves out. SUITE names one suite, which then runs plain and sanitized.
SUITES_LONG  := faults crash week worker_life
SUITES_SANE  := err clock instant uuid base64 json doc conflict address rest wire literal secret number table queue change plan settle call push page \
  pull by_call reconcile turns intake shadow capture_values vtab problems resolve func auth grant schedule hostile numbers fuzz own_queue ahead no_memory host_settings first_use
SUITES_FIRST := capture_matrix worker check capture_values http http_faults server signin
SUITES_QUICK := $(filter-out $(SUITES_LONG),$(SUITES))
HALF_1       := $(filter $(SUITES_FIRST),$(SUITES_QUICK))
HALF_2       := $(filter-out $(SUITES_FIRST),$(SUITES_QUICK))
SANE         := $(filter $(SUITES_SANE),$(SUITES_QUICK))
# optional_api loads the file that is built for hosts, once in each process of its own: no sanitizer sees into it.
NOT_SANE     := $(filter-out $(SANE) optional_api,$(SUITES))
# lane PROGRAM,SUITES: an argument of scripts/test.sh
lane = '$(1)=$(subst $(SPACE),+,$(strip $(2)))'
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
RUN_TESTS = LEADX_SO='$(abspath $(SO))' LEADX_A='$(abspath $(STATIC))' LEADX_SIM='$(abspath $(SIM))' BUILD='$(abspath $(BUILD))' scripts/test.sh
TEST_PROGRAMS := $(SO) $(STATIC) $(TEST) $(TEST_SAN) $(TOOLS) $(TOOLS_SAN) $(SIM)

test: $(TEST_PROGRAMS) ## runs the suites with real servers, ten minutes; SUITE=rest runs one, plain and sanitized
	@$(if $(SUITE),$(RUN_TESTS) --dir '$(BUILD)/test/server' --suite '$(SUITE)' $(TEST) $(TEST_SAN),$(RUN_TESTS) --dir '$(BUILD)/test/server' \
	  --scripts 'audit map tour readme' $(call lane,$(TEST),$(HALF_1)) $(call lane,$(TEST),$(HALF_2)) $(call lane,$(TEST_SAN),$(SANE)))

check: $(TEST_PROGRAMS) $(SIM_MUTANTS) ## what make test leaves out: the long suites, the sanitized rest, hosts, the simulation
	@$(RUN_TESTS) --dir '$(BUILD)/test/server' --scripts 'hosts sim' $(call lane,$(TEST),$(SUITES_LONG)) $(call lane,$(TEST_SAN),$(NOT_SANE))
	@scripts/quality/sim.sh $(SIM) $(SIM_SEEDS) $(SIM_SECONDS) $(SIM_MUTANTS)

tsan: $(SO) $(TEST_THREADS) ## runs the suites with threads under the thread sanitizer; SUITE=worker runs one
	@for suite in $(or $(SUITE),worker worker_life interrupt auth); do \
	  LEADX_SO='$(abspath $(SO))' scripts/test.sh --dir '$(BUILD)/test/server' --suite "$$suite" $(TEST_THREADS) || exit 1; done

demo: $(SO) ## shows it all: offline writes, a sync, the rows on a real server
	@LEADX_SO='$(abspath $(SO))' scripts/demo.sh

bench: $(SO) $(BENCH) ## measures speed against bare SQLite and bare libcurl; ARGS='--queue-rows 1000000'
	@LEADX_SO='$(abspath $(SO))' scripts/quality/bench.sh '$(BENCH)' $(ARGS)

soak: $(SO) $(TEST) $(TOOLS) $(SIM) ## kills, faults and lies for ten minutes; ARGS='--minutes 120'
	@LEADX_SO='$(abspath $(SO))' BUILD='$(abspath $(BUILD))' scripts/quality/soak.sh $(ARGS)

hosts: $(SO) $(STATIC) ## a whole sync in every host language at hand
	@LEADX_SO='$(abspath $(SO))' LEADX_A='$(abspath $(STATIC))' BUILD='$(abspath $(BUILD))' scripts/hosts.sh $(ARGS)

fuzz: $(FUZZERS) ## feeds random answers, texts and files to the parsers; ARGS='600 answer': seconds and targets
	@scripts/quality/fuzz.sh '$(BUILD)/fuzz' $(ARGS)

lint: $(BUILD)/gen/sql_text.h ## cppcheck, clang-tidy and shellcheck
	@scripts/lint.sh $(FLAGS_PIC)

audit: $(SO) ## checks what the built file exports, calls and is hardened with, and the rooms of ext/
	@scripts/audit.sh $(SO)

deps: ## installs what building and testing needs
	@scripts/deps.sh

server-up: ## starts the test server in build/server
	@scripts/server/server.sh up --dir '$(BUILD)/server'

server-down: ## stops it and removes its data
	@scripts/server/server.sh down --dir '$(BUILD)/server'

version: ## prints the version
	@echo $(VERSION)

clean: ## removes what was built; running test servers are stopped first
	@for dir in '$(BUILD)/server' '$(BUILD)/test/server' '$(BUILD)/test/server.2' '$(BUILD)/test/server.3' '$(BUILD)/test/server.scripts' '$(BUILD)/coverage/server' '$(BUILD)'/mutants/server.?; do \
	  if [ -e "$$dir" ]; then scripts/server/server.sh down --dir "$$dir" || exit 1; fi; done
	rm -rf '$(BUILD)' '$(DIST)'

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(filter-out %.d,$(MAKEFILE_LIST))

# Products ----------------------------------------------------------------------------

$(SO): $(OBJ_PIC)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS_SO) $(LDFLAGS) -o $@ $^ $(LIBS) -pthread

$(STATIC): $(OBJ_CORE)
	@mkdir -p $(@D)
	@rm -f $@
	@echo '  AR  $@'
	$(Q)$(AR) rcs $@ $^

$(TEST): $(OBJ_CORE) $(TEST_CORE)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(FUZZ_WRAP) -o $@ $^ $(LIBS) $(TEST_LIBS) -pthread

$(TEST_SAN): $(OBJ_ASAN) $(TEST_ASAN)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) $(FUZZ_WRAP) -o $@ $^ $(LIBS) $(TEST_LIBS) -pthread

$(TEST_THREADS): $(OBJ_TSAN) $(TEST_TSAN)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(THREADS) $(LDFLAGS) $(FUZZ_WRAP) -o $@ $^ $(LIBS) $(TEST_LIBS) -pthread

# A tool puts its own send() and recv() before those that libcurl would find.
$(TOOLS): $(BUILD)/test/%: $(BUILD)/core/tests/tools/%.o $(BUILD)/core/tests/rig/shim_vfs.o
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $^ $(TEST_LIBS) -ldl -pthread

$(TOOLS_SAN): $(BUILD)/test/%_asan: $(BUILD)/asan/tests/tools/%.o $(BUILD)/asan/tests/rig/shim_vfs.o $(OBJ_ASAN)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -rdynamic -o $@ $^ $(LIBS) $(TEST_LIBS) -ldl -pthread

# One command: the program is small, and nothing else wants its objects.
$(BENCH): $(BENCH_FILES) tests/bench/bench.h $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC  $@'
	$(Q)$(CC) $(DIALECT) $(CFLAGS) $(WARN) $(LIBS_CFLAGS) -o $@ $(BENCH_FILES) $(LIBS) $(TEST_LIBS)

# Objects -----------------------------------------------------------------------------

GENERATED := $(BUILD)/gen/sql_text.h
# object TREE,FLAGS: how the sources of ext/ and the generated one get into a tree
define object
$(BUILD)/$(1)/ext/%.o: ext/%.c $(BUILD)/flags | $(GENERATED)
	@mkdir -p $$(@D)
	@echo '  CC  $$@'
	$$(Q)$$(CC) $$($(2)) -MMD -MP -c -o $$@ $$<
$(BUILD)/$(1)/sql_text.o: $(BUILD)/gen/sql_text.c $(BUILD)/flags | $(GENERATED)
	@mkdir -p $$(@D)
	@echo '  CC  $$@'
	$$(Q)$$(CC) $$($(2)) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call object,pic,FLAGS_PIC))
$(eval $(call object,core,FLAGS_CORE))
$(eval $(call object,asan,FLAGS_ASAN))
$(eval $(call object,tsan,FLAGS_TSAN))

# test_object TREE,FLAGS: the same for tests/
define test_object
$(BUILD)/$(1)/tests/%.o: tests/%.c $(BUILD)/flags | $(GENERATED) $(BUILD)/gen/suites.def
	@mkdir -p $$(@D)
	@echo '  CC  $$@'
	$$(Q)$$(CC) $$($(2)) $$(FLAGS_TEST) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call test_object,core,FLAGS_CORE))
$(eval $(call test_object,asan,FLAGS_ASAN))
$(eval $(call test_object,tsan,FLAGS_TSAN))

include tests/quality/coverage.mk
include tests/quality/mutants.mk

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/ext/*.d $(BUILD)/*/ext/*/*.d $(BUILD)/*/tests/*/*.d $(BUILD)/*/tests/unit/*/*.d)

# Generated -----------------------------------------------------------------------------

# replace: puts what a recipe wrote to $@.new in place if it differs, so that what
# depends on the target is built again only when there is a reason.
replace = if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi

# The folder is a prerequisite because a file that was removed changes nothing else.
$(BUILD)/gen/sql_text.%: scripts/embed_sql.awk $(wildcard sql sql/*) $(SQL)
	@mkdir -p $(@D)
	@awk -v part=$* -f scripts/embed_sql.awk $(SQL) >$@.new
	@$(replace)

$(BUILD)/gen/suites.def: FORCE
	@mkdir -p $(@D)
	@printf 'LEADX_SUITE(%s)\n' $(SUITES) >$@.new
	@$(replace)

# Objects made with other flags, or another compiler, are made again.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC)' $(foreach f,FLAGS_PIC FLAGS_ASAN FLAGS_TSAN FLAGS_TEST,'$(subst ','\'',$($(f)))') >$@.new
	@$(replace)
